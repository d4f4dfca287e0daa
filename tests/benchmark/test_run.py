from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pictures import picture
from torch import Tensor

from benchmark import catalog, importing, method, profile
from benchmark.data import CropStream, PairSet, as_batch, as_pixels
from benchmark.method import Declaration
from benchmark.run import Run
from degradekit import atomicfiles, imagefiles, recipe

TINY = (
    "data.size=64",
    "data.test_size=48",
    "train.crop=64",
    "train.batch=1",
    "data.test_frac=0.3",
    "train.iterations=5",
)
TABLES = ("rows.csv", "tables/summary.md", "tables/summary.csv", "tables/summary.tex", "figures/examples.png")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(6):
        (folder / f"{number}.png").write_bytes(imagefiles.encode_png(picture(number)))
    return folder


def _run(photographs: Path, out: Path, *names: str, overrides: tuple[str, ...] = ()) -> Run:
    source = f"data.train=['{photographs}']"
    tiny = profile.load("smoke", overrides=[*TINY, source, "data.held_out=[]", *overrides])
    return Run(tiny, [method.find(name) for name in names], out, default_train=False, workers=1)


def _contents(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES}


@pytest.fixture(scope="module")
def whole(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of a method that trains and two that do not."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert _run(photographs, out, "identity", "biharmonic", "pix2pix").go().failures == {}
    return out


class Crash(BaseException):
    """The process is gone: nothing after it runs."""


@pytest.mark.parametrize("more", [48, 50])
def test_killed_again_and_again_the_tables_are_the_same(
    photographs: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    out = tmp_path / "run"
    left = 0
    # Enough to start again, get a sample done with its masks and its mark, and write the report at the end.
    writes = len(recipe.load("old-photo").classes) + more
    write = atomicfiles.write_bytes

    def dying(path: Path, data: bytes, **options: bool) -> None:
        nonlocal left
        if left == 0:
            # As far as a killed process gets: the temporary file, cut off.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}{atomicfiles.PARTIAL}").write_bytes(data[: len(data) // 2])
            raise Crash
        left -= 1
        write(path, data, **options)

    monkeypatch.setattr(atomicfiles, "write_bytes", dying)
    crashes = 0
    while True:
        left = writes
        try:
            _run(photographs, out, "identity", "biharmonic", "pix2pix").go()
            break
        except Crash:
            crashes += 1
            assert crashes < 40
    assert crashes > 1
    assert _contents(out) == _contents(whole)
    weights = "methods/pix2pix/weights.safetensors"
    assert (out / weights).read_bytes() == (whole / weights).read_bytes()


def _command(photographs: Path, out: Path) -> list[str]:
    overrides = [part for override in TINY for part in ("-o", override)]
    chosen = ["--methods", "identity,biharmonic,pix2pix", "--profile", "smoke", "--workers", "1"]
    sources = ["--train", str(photographs), "--out", str(out)]
    return [sys.executable, "-m", "benchmark", "run", *chosen, *sources, *overrides]


def _start_until(photographs: Path, out: Path, exists: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        _command(photographs, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (out / exists).exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def test_sigkill_and_sigterm_and_the_same_command_again(
    photographs: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    killed = _start_until(photographs, out, "methods/pix2pix/checkpoint.pt")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (out / "rows.csv").exists()
    (out / "environment.json").unlink()
    stopped = _start_until(photographs, out, "environment.json")
    stopped.send_signal(signal.SIGTERM)
    _, messages = stopped.communicate()
    assert stopped.returncode == 130
    assert "the same command goes on from here" in messages
    assert "Traceback" not in messages
    done = subprocess.run(_command(photographs, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pix2pix" in done.stdout
    assert _contents(out) == _contents(whole)


def test_the_order_of_methods_changes_no_number(photographs: Path, whole: Path, tmp_path: Path) -> None:
    _run(photographs, tmp_path / "run", "pix2pix", "biharmonic").go()
    _run(photographs, tmp_path / "run", "identity").go()
    assert _contents(tmp_path / "run") == _contents(whole)


def test_a_finished_run_does_nothing_again(
    photographs: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (whole / "methods").rglob("*")}
    job = _run(photographs, whole, "identity", "biharmonic", "pix2pix")
    assert {line["why"] for line in job.plan()} == {"done"}
    job.go()
    assert before == {path: path.stat().st_mtime_ns for path in (whole / "methods").rglob("*")}
    assert "again" not in capsys.readouterr().err


def test_changed_code_redoes_what_depends_on_it(
    photographs: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from benchmark import sourcecode

    out = tmp_path / "run"
    _run(photographs, out, "identity").go()
    (out / "methods/identity/restored/5_0.png").unlink(missing_ok=True)
    real = sourcecode.fingerprint
    monkeypatch.setattr(
        sourcecode,
        "fingerprint",
        lambda *modules: real(*modules) + ("x" if "baselines.sanity" in modules else ""),
    )
    job = _run(photographs, out, "identity")
    why = {line["stage"]: line["why"] for line in job.plan()}
    assert why == {"prepare": "done", "restore": "restoring code changed", "score": "after restore"}
    job.go()
    assert "identity: restore again, restoring code changed" in capsys.readouterr().err
    assert {line["why"] for line in job.plan()} == {"done"}


def test_what_was_imported_is_scored_with_the_others(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalog, "present", dict)
    job = _run(photographs, tmp_path / "run", "identity", overrides=("metrics=[psnr,lpips_alex]",))
    job.go()
    restored = job.store.restored("identity")
    importing.add(job.store, "theirs", restored, summary="a network", told_masks=False, replace=False)
    monkeypatch.setattr(catalog, "present", lambda: {"alexnet": "official"})
    changed = {(line["method"], line["stage"]) for line in job.plan() if line["why"] != "done"}
    assert changed == {("identity", "score"), ("theirs", "score")}
    assert job.go().failures == {}
    assert "theirs: score again, official weights changed" in capsys.readouterr().err
    assert {line["why"] for line in job.plan()} == {"done"}


class Broken:
    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        raise RuntimeError("out of\nluck")


def test_a_failing_method_is_reported_and_the_others_finish(photographs: Path, tmp_path: Path) -> None:
    job = _run(photographs, tmp_path / "run", "identity")
    broken = Declaration("broken", "for tests", lambda setting: Broken())
    missing = Declaration("missing", "for tests", lambda setting: Broken(), unavailable=lambda: "no weights")
    job.declarations = [broken, missing, *job.declarations]
    outcome = job.go()
    assert outcome.failures == {"broken": "RuntimeError: out of luck", "missing": "no weights"}
    assert [line.name for line in outcome.report.scored] == ["identity"]
    table = (tmp_path / "run/tables/summary.md").read_text()
    assert "failed: restore: RuntimeError: out of luck" in table
    assert "unavailable: no weights" in table
    assert "Traceback" in (tmp_path / "run/methods/broken/error.txt").read_text()


def test_a_full_disk_stops_everything(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    write = atomicfiles.write_bytes

    def full(path: Path, data: bytes, **options: bool) -> None:
        if path.parent.name == "restored":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, data, **options)

    monkeypatch.setattr(atomicfiles, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device"):
        _run(photographs, tmp_path / "run", "identity").go()
    assert not list((tmp_path / "run").rglob("failed.json"))
    monkeypatch.undo()
    assert _run(photographs, tmp_path / "run", "identity").go().failures == {}


class Spy:
    """Looks for ground truth in everything that is alive on the way from the harness to it."""

    def __init__(self) -> None:
        self.visited = 0
        self.pair_sets: list[str] = []
        self.pixels: set[str] = set()

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        frame = sys._getframe()
        while frame is not None and "pytest" not in frame.f_code.co_filename:
            for name, value in frame.f_locals.items():
                self._look(f"{frame.f_code.co_name}.{name}", value, 4)
            frame = frame.f_back  # type: ignore[assignment]
        return degraded

    def _look(self, name: str, value: object, depth: int) -> None:
        self.visited += 1
        if isinstance(value, PairSet | CropStream):
            self.pair_sets.append(name)
        if isinstance(value, np.ndarray):
            self.pixels.add(imagefiles.pixel_hash(value))
        if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == 3:
            self.pixels.add(imagefiles.pixel_hash(as_pixels(value)))
        if depth == 0 or isinstance(value, type):
            return
        members = getattr(value, "__dict__", None) or (value if isinstance(value, dict) else {})
        for key, member in list(members.items())[:200]:
            self._look(f"{name}.{key}", member, depth - 1)


def test_no_method_meets_the_clean_test_images(photographs: Path, tmp_path: Path) -> None:
    spy = Spy()
    job = _run(photographs, tmp_path / "run")
    job.declarations = [Declaration("spy", "for tests", lambda setting: spy, mask="oracle")]
    assert job.go().failures == {}
    pairs = PairSet(tmp_path / "run/data/test")
    degraded = {imagefiles.pixel_hash(pairs.degraded(index)) for index in range(len(pairs))}
    clean = {imagefiles.pixel_hash(pairs.clean(index)) for index in range(len(pairs))}
    assert spy.visited > 50
    assert spy.pixels >= degraded
    assert not spy.pixels & clean
    assert spy.pair_sets == []
    # The canary sings when there is something to find.
    truth = pairs.clean(0)
    spy.restore(as_batch(truth), None)
    assert spy.pixels & clean
    assert spy.pair_sets


def test_no_photograph_is_trained_and_tested_on(photographs: Path, whole: Path) -> None:
    from degradekit import manifest

    keys = {
        part: {row["key"] for row in manifest.read_rows(whole / "data" / part)}
        for part in ("train", "val", "test")
    }
    assert sum(len(found) for found in keys.values()) == len(set().union(*keys.values())) == 6
    for name in ("identity", "biharmonic"):
        stems = {path.stem for path in (whole / f"methods/{name}/restored").rglob("*.png")}
        assert stems == {f"{Path(key).stem}_0" for key in keys["test"]}
    one = next((whole / "methods/identity/restored").rglob("*.png"))
    degraded = whole / "data/test/degraded" / one.name
    assert np.array_equal(imagefiles.read(one).rgb, imagefiles.read(degraded).rgb)
