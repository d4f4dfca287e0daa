"""No path leads from the test photographs' truth to a method: files, tensors, and results say so."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import picture
from torch import Tensor

from benchmark import method, profile, scoring
from benchmark.data import Inputs, PairSet, as_batch
from benchmark.method import Declaration, Setting
from benchmark.run import Run
from degradekit import imagefiles

TINY = (
    *("data.size=64", "data.test_size=48", "train.crop=64", "train.batch=1", "data.test_frac=0.3"),
    *("train.iterations=2", "train.threads=1", "data.held_out=[]"),
)
#: Of no method, of one that needs the masks, and of one that trains.
NAMES = ("identity", "biharmonic", "pix2pix")

_listening: list[list[str]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _listening:
        _listening[-1].append(str(arguments[0]))


@contextmanager
def _opened_files() -> Iterator[list[str]]:
    """Every path that Python opens in the block, whichever module does it."""
    # An audit hook stays for good, so there is one, which mostly does nothing.
    if not getattr(sys, "_degradekit_canary", False):
        sys.addaudithook(_hear)
        sys._degradekit_canary = True  # type: ignore[attr-defined]
    _listening.append([])
    try:
        yield _listening[-1]
    finally:
        _listening.pop()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(5):
        (folder / f"{number}.png").write_bytes(imagefiles.encode_png(picture(number)))
    return folder


def _run(photographs: Path, out: Path, *declarations: Declaration) -> Run:
    tiny = profile.load("smoke", overrides=[*TINY, f"data.train=['{photographs}']"])
    chosen = declarations or tuple(method.find(name) for name in NAMES)
    return Run(tiny, chosen, out, default_train=False, workers=1)


def _restored(run: Run) -> dict[str, str]:
    folder = run.store.folder / "methods"
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("restored/**/*.png")
    }


def _poison(test: Path) -> None:
    """Put other pictures in the place of the clean ones."""
    for number, path in enumerate(sorted((test / "clean").rglob("*.png"))):
        height, width = imagefiles.read(path).rgb.shape[:2]
        path.write_bytes(imagefiles.encode_png(picture(100 + number, height, width)))


@pytest.fixture(scope="module")
def honest(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = _run(photographs, tmp_path_factory.mktemp("honest") / "run")
    assert run.go().failures == {}
    return run


def test_poisoned_truth_changes_scores_and_no_pixel_of_any_output(
    honest: Run, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(honest.store.folder, out)
    shutil.rmtree(out / "methods")
    _poison(out / "data/test")
    poisoned = _run(photographs, out)
    assert poisoned.go().failures == {}
    assert len(_restored(honest)) >= 2 * len(NAMES)
    assert _restored(poisoned) == _restored(honest)
    for name in NAMES:
        scores = [scoring.from_csv(run.store.method(name) / "scores.csv") for run in (honest, poisoned)]
        assert all(a.value != b.value for a, b in zip(*scores, strict=True))


def test_nothing_but_scoring_opens_a_file_of_the_truth(
    honest: Run, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    shutil.copytree(honest.store.folder, out)
    shutil.rmtree(out / "methods")
    score, truth = scoring.score, str(out / "data/test/clean")
    scored: list[str] = []

    def apart(*arguments: Any, **options: Any) -> Any:
        with _opened_files() as opened:
            rows = score(*arguments, **options)
        scored.extend(opened)
        return rows

    class Shown(Exception):  # noqa: N818
        """The report shows truth to people; it is no business of this test."""

    def stop(*_: object) -> None:
        raise Shown

    monkeypatch.setattr(scoring, "score", apart)
    monkeypatch.setattr("benchmark.report.write", stop)
    run = _run(photographs, out)
    with _opened_files() as opened, pytest.raises(Shown):
        run.go()
    assert {name for name in NAMES if (run.store.method(name) / "scores.csv").is_file()} == set(NAMES)
    assert any(str(out / "data/test/degraded") in path for path in opened)
    assert any(str(out / "data/train/clean") in path for path in opened)
    assert any(truth in path for path in scored)
    assert [path for path in opened if truth in path] == []


def test_a_method_is_given_tensors_of_the_degraded_image_and_nothing_else(
    honest: Run, photographs: Path, tmp_path: Path
) -> None:
    given: list[tuple[Any, ...]] = []

    class Spy:
        def restore(self, *arguments: Any, **named: Any) -> Tensor:
            assert not named
            given.append(arguments)
            degraded: Tensor = arguments[0]
            return degraded

    def build(setting: Setting) -> Spy:
        assert {type(value) for value in vars(setting).values()} <= {int, float}
        return Spy()

    out = tmp_path / "run"
    shutil.copytree(honest.store.folder, out)
    run = _run(photographs, out, Declaration("spy", "looks at what it is given", build))
    assert run.go().failures == {}
    pairs = PairSet(run.store.data("test"))
    assert len(given) == len(pairs)
    for index, arguments in enumerate(given):
        degraded, mask = arguments
        assert (type(degraded), mask) == (torch.Tensor, None)
        assert torch.equal(degraded, as_batch(pairs.degraded(index)))
        assert not torch.equal(degraded, as_batch(pairs.clean(index)))
        assert degraded.untyped_storage().nbytes() == degraded.numel() * degraded.element_size()
        assert set(vars(degraded)) == set()


def test_what_restoring_is_given_has_no_way_to_the_truth(honest: Run) -> None:
    inputs = Inputs(honest.store.data("test"))
    assert not hasattr(inputs, "clean")
    assert not hasattr(inputs, "rows")
    assert "clean" not in " ".join(map(str, vars(inputs).values()))


def test_training_and_test_photographs_share_no_scene(honest: Run) -> None:
    parts = {
        part: {row["group"] for row in PairSet(honest.store.data(part)).rows}
        for part in ("train", "val", "test")
    }
    assert parts["test"]
    assert not parts["test"] & (parts["train"] | parts["val"])
    hashes = {
        part: {
            imagefiles.pixel_hash(PairSet(honest.store.data(part)).clean(index))
            for index in range(len(PairSet(honest.store.data(part))))
        }
        for part in ("train", "test")
    }
    assert not hashes["train"] & hashes["test"]


def test_the_audit_hears_what_is_opened(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    with _opened_files() as opened:
        np.fromfile(tmp_path / "x", np.uint8)
        (tmp_path / "x").read_bytes()
    assert any(path.endswith("/x") for path in opened)
