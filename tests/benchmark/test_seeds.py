from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Outcome
from pictures import picture
from plans import tree
from torch import Tensor

from benchmark import method, pool, profile, seeds
from benchmark.method import Declaration, Setting
from benchmark.run import Run
from benchmark.seeds import Seeds
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles
from degradekit.errors import DataError, OptionError, OutputFolderError

Call = Callable[..., Outcome]
TINY = ("data.size=64", "data.test_size=48", "train.crop=64", "data.test_frac=0.3")
IDENTITY = ("run", "--methods", "identity", "--profile", "smoke", "--workers", "1")
CHARTS = ("learning", "cost", "perception", "damage", "detection", "ranks")


class Drawing:
    """Gives the image back with noise: what is drawn is all that differs between seeds."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        return degraded + 0.05 * torch.randn(1) + 0.02 * torch.randn(degraded.shape)


def _unlucky(setting: Setting) -> Drawing:
    if setting.seed == 1:
        raise RuntimeError("out of luck")
    return Drawing()


DRAWING = Declaration("drawing", "for tests", lambda setting: Drawing())


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(6):
        (folder / f"{number}.png").write_bytes(imagefiles.encode_png(picture(number)))
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures, which take longer than all the rest."""
    for name in CHARTS:
        monkeypatch.setattr(f"benchmark.report.charts.{name}", lambda *arguments: None)
    for name in ("intervals", "examples"):
        monkeypatch.setattr(f"benchmark.report.figures.{name}", lambda *arguments: None)


def _asked(album: Path, *overrides: str) -> profile.Profile:
    sources = (f"data.train=['{album}']", "data.held_out=[]")
    return profile.load("smoke", overrides=[*TINY, *sources, *overrides])


def _job(album: Path, out: Path, count: int, *overrides: str) -> Seeds:
    declarations = [method.find("identity"), DRAWING]
    return Seeds(_asked(album, *overrides), count, declarations, out, False, workers=1)


def _tables(folder: Path) -> dict[str, bytes]:
    return {"rows.csv": (folder / "rows.csv").read_bytes(), **tree(folder / "tables")}


@pytest.fixture(scope="module")
def pooled(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of a method that draws and of one that does not."""
    out = tmp_path_factory.mktemp("pooled") / "run"
    assert _job(album, out, 3).go().failures == {}
    return out


def _lines(path: Path, metric: str = "psnr") -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {line["method"]: line for line in csv.DictReader(file) if line["metric"] == metric}


def test_the_pool_says_how_far_seeds_differ(pooled: Path) -> None:
    for metric in ("psnr", "ssim"):
        singles = [_lines(pooled / f"seed-{seed}/tables/summary.csv", metric)["drawing"] for seed in range(3)]
        means = [float(line["mean"]) for line in singles]
        found = _lines(pooled / "tables/summary.csv", metric)["drawing"]
        assert len(set(means)) == 3
        assert float(found["mean"]) == pytest.approx(np.mean(means), rel=1e-12)
        assert float(found["sd"]) == pytest.approx(np.std(means, ddof=1), rel=1e-9)
        assert found["seeds"] == "3"
    identity = _lines(pooled / "tables/summary.csv")["identity"]
    alone = _lines(pooled / "seed-1/tables/summary.csv")["identity"]
    assert identity["sd"] == "0.0"
    for column in ("mean", "low", "high"):
        assert float(identity[column]) == pytest.approx(float(alone[column]), rel=1e-12)


def test_everything_of_one_run_is_there_for_all_seeds(pooled: Path) -> None:
    rows = (pooled / "rows.csv").read_text().splitlines()
    singles = [(pooled / f"seed-{seed}/rows.csv").read_text().splitlines() for seed in range(3)]
    assert rows == [singles[0][0], *[line for single in singles for line in single[1:]]]
    assert {line.split(",")[1] for line in rows[1:]} == {"0", "1", "2"}
    text = (pooled / "tables/summary.md").read_text()
    assert "seed 0, training seeds 0, 1, 2" in text
    assert "bootstrap intervals over seeds and photographs" in text
    drawing = next(line for line in text.splitlines() if line.startswith("| drawing"))
    assert "±" in drawing
    assert "±" not in next(line for line in text.splitlines() if line.startswith("| identity"))
    assert r"$\pm$" in (pooled / "tables/summary.tex").read_text()
    assert len((pooled / "tables/seeds.csv").read_text().splitlines()) == 1 + 2 * 2 * 3
    assert set(json.loads((pooled / "fairness.json").read_text())["seeds"]) == {"0", "1", "2"}
    page = (pooled / "report.html").read_text()
    assert '<span class="range">± ' in page
    assert "means of single seeds" in page
    assert (pooled / "figures/examples.png").is_file()
    assert (pooled / "figures/severity.svg").is_file()


def test_seeds_share_their_pairs_and_one_is_an_ordinary_run(
    album: Path, pooled: Path, tmp_path: Path, undrawn: None
) -> None:
    first, other = tree(pooled / "seed-0/data"), tree(pooled / "seed-2/data")
    assert first == other
    name = next(name for name in first if name.endswith(".png"))
    assert (pooled / "seed-0/data" / name).samefile(pooled / "seed-2/data" / name)
    asked = _asked(album)
    Run(asked, [DRAWING, method.find("identity")], tmp_path / "alone", False, workers=1).go()
    assert _tables(tmp_path / "alone") == _tables(pooled / "seed-0")
    # Not knowing of training seeds, it has the keys it always had.
    keys = [Store(folder).done("drawing") for folder in (tmp_path / "alone", pooled / "seed-0")]
    assert keys[0] == keys[1]


def test_a_training_begins_anew_with_each_seed(album: Path, tmp_path: Path, undrawn: None) -> None:
    asked = _asked(album, "train.iterations=1", "train.every=1", "train.batch=1", "training_seed=3")
    outcome = Seeds(asked, 2, [method.find("pix2pix")], tmp_path, False, workers=1).go()
    assert outcome.failures == {}
    assert outcome.report.seeds == (3, 4)
    assert outcome.report.scored[0].summaries["psnr"].sd > 0
    weights, logs = (
        {(tmp_path / f"seed-{seed}/methods/pix2pix" / name).read_bytes() for seed in (3, 4)}
        for name in ("weights.safetensors", "training.jsonl")
    )
    assert (len(weights), len(logs)) == (2, 2)
    assert "seed 0, training seeds 3, 4" in (tmp_path / "tables/summary.md").read_text()
    assert "seed 0, training seed 4" in (tmp_path / "seed-4/tables/summary.md").read_text()


class Crash(BaseException):
    """The process is gone: nothing after it runs."""


@pytest.mark.parametrize("last", ["seed-1/data.json", "seed-1/methods/drawing/scores.csv", "rows.csv"])
def test_killed_in_the_second_seed_the_tables_are_the_same(
    album: Path, pooled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn: None, last: str
) -> None:
    out = tmp_path / "run"
    write = atomicfiles.write_bytes

    def dying(path: Path, data: bytes, **options: bool) -> None:
        if path == out / last:
            raise Crash
        write(path, data, **options)

    with monkeypatch.context() as patched:
        patched.setattr(atomicfiles, "write_bytes", dying)
        with pytest.raises(Crash):
            _job(album, out, 3).go()
    assert _job(album, out, 3).go().failures == {}
    assert _tables(out) == _tables(pooled)


def test_pairs_are_copied_where_links_fail(
    album: Path, pooled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*arguments: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    copy = Store(tmp_path / "run")
    monkeypatch.setattr(os, "link", no_links)
    copy.take_pairs(Store(pooled / "seed-0"))
    assert tree(copy.folder / "data") == tree(pooled / "seed-0/data")
    assert (copy.folder / "data.json").read_bytes() == (pooled / "seed-0/data.json").read_bytes()


def test_more_seeds_are_added_and_fewer_refused(
    album: Path, pooled: Path, tmp_path: Path, undrawn: None
) -> None:
    out = tmp_path / "run"
    _job(album, out, 1).go()
    assert "seed" not in (out / "tables/summary.csv").read_text()
    before = tree(out / "seed-0/methods")
    _job(album, out, 3).go()
    assert tree(out / "seed-0/methods") == before
    assert _tables(out) == _tables(pooled)
    with pytest.raises(OutputFolderError, match=r"training seeds 0, 1, 2 \(0, 1 asked for\)"):
        _job(album, out, 2).go()
    with pytest.raises(OutputFolderError, match="seed-0: holds another run"):
        _job(album, out, 4, "train.iterations=5").go()
    assert list(pool.members(out)) == [0, 1, 2]


def test_a_method_that_fails_with_one_seed(album: Path, tmp_path: Path, undrawn: None) -> None:
    out = tmp_path / "run"
    job = _job(album, out, 3)
    unlucky = Declaration("unlucky", "for tests", _unlucky)
    missing = Declaration("missing", "for tests", _unlucky, unavailable=lambda: "no weights")
    for run in job.runs.values():
        run.declarations = [unlucky, missing, *run.declarations]
    outcome = job.go()
    assert outcome.failures == {"unlucky": "seed 1: RuntimeError: out of luck", "missing": "no weights"}
    line = next(line for line in outcome.report.lines if line.name == "unlucky")
    assert line.summaries["psnr"].seeds == 2
    text = (out / "tables/summary.md").read_text()
    assert "| unlucky (2 of 3 seeds) |" in text
    assert "unlucky has no numbers of seed 1: restore: RuntimeError: out of luck" in text
    assert "| missing | failed: unavailable: no weights |" in text
    assert "unlucky,psnr,1,NA" in (out / "tables/seeds.csv").read_text()


def test_runs_made_elsewhere_are_put_together(
    call: Call, pooled: Path, tmp_path: Path, undrawn: None
) -> None:
    runs = []
    for seed in (2, 0, 1):
        runs.append(tmp_path / f"node-{seed}")
        shutil.copytree(pooled / f"seed-{seed}", runs[-1])
    out = tmp_path / "together"
    done = call("benchmark", "report", *runs, "--out", out, "--json")
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert shown["seeds"] == [0, 1, 2]
    assert shown["results"]["drawing"]["psnr"]["sd"] > 0
    assert _tables(out) == _tables(pooled)
    (out / "rows.csv").unlink()
    assert call("benchmark", "report", out).code == 0
    assert _tables(out) == _tables(pooled)
    assert {line["seed"] for line in seeds.plan_of(out)} == {"0", "1", "2"}


def test_runs_that_do_not_belong_together(call: Call, pooled: Path, tmp_path: Path, undrawn: None) -> None:
    out = tmp_path / "out"
    first = pooled / "seed-0"

    def copy(name: str, **changed: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(pooled / "seed-1", folder)
        store = Store(folder)
        asked = store.profile().model_copy(update=changed)
        (folder / "config.yaml").write_text(json.dumps(asked.model_dump(mode="json")))
        return folder

    pairs = copy("pairs")
    rows = pairs / "data/test/metadata.jsonl"
    text = rows.read_text()
    rows.unlink()
    rows.write_text(text.replace('sha256": "', 'sha256": "0'))
    code = copy("code")
    done = Store(code).done("drawing")
    Store(code).mark_done("drawing", "score", {**done["score"], "scoring code": "other"})
    for runs, status, message in [
        ((first, copy("wide", width=0.125)), 2, "width is 0.0625 in the first, 0.125 in the second"),
        ((first, copy("same", training_seed=None)), 2, "both are of training seed 0"),
        ((first, pairs), 4, "test pairs are not the same, first"),
        ((first, code), 4, "drawing, score: scoring code is not the same"),
        ((first, tmp_path), 4, "no benchmark run there"),
    ]:
        outcome = call("benchmark", "report", *runs, "--out", out)
        assert outcome.code == status, outcome.err
        assert message in " ".join(outcome.err.split())
        assert not out.exists()
    assert "--out DIR" in call("benchmark", "report", first, pooled / "seed-1").err
    assert "holds a single run" in call("benchmark", "report", first, "--out", first).err
    assert "holds runs of several seeds" in call("benchmark", "efficiency", pooled).err
    with pytest.raises(OptionError, match="both are of training seed"):
        pool.make(out, [pooled, first])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/pool.json").write_text('{"runs": 3}')
    with pytest.raises(DataError, match="damaged"):
        pool.remake(tmp_path / "damaged")


def test_the_command(call: Call, album: Path, tmp_path: Path, undrawn: None) -> None:
    out = tmp_path / "run"
    overrides = [part for override in TINY for part in ("-o", override)]
    command = (*IDENTITY, *overrides, "--train", album, "--seed", "5", "--seeds", "2", "--out", out)
    planned = call("benchmark", *command, "--dry-run", "--json")
    assert [line["seed"] for line in json.loads(planned.out)] == ["5"] * 3 + ["6"] * 3
    assert not out.exists()
    assert "seed 6" in call("benchmark", *command, "--dry-run").out
    done = call("benchmark", *command, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["seeds"] == [5, 6]
    assert sorted(path.name for path in out.glob("seed-*")) == ["seed-5", "seed-6"]
    shown = json.loads(call("benchmark", "status", out, "--json").out)
    assert [(line["seed"], line["stage"], line["why"]) for line in shown] == [
        (seed, stage, "done") for seed in ("5", "6") for stage in ("prepare", "restore", "score")
    ]
    marks = [out / f"seed-{seed}/methods/identity/scores.csv" for seed in (5, 6)]
    before = [mark.stat().st_mtime_ns for mark in marks]
    assert call("benchmark", *command, "--force", "identity").code == 0
    assert all(mark.stat().st_mtime_ns > time for mark, time in zip(marks, before, strict=True))
    shutil.rmtree(out / "seed-6")
    unfinished = call("benchmark", "report", out)
    assert (unfinished.code, "training seed 6 was not begun" in unfinished.err) == (4, True)
    left = json.loads(call("benchmark", "status", out, "--json").out)
    assert left[-1] == {"seed": "6", "method": "", "stage": "prepare", "why": "not done yet"}
    single = call("benchmark", *IDENTITY, *overrides, "--train", album, "--out", out)
    assert (single.code, "holds files that are no benchmark run" in single.err) == (2, True)
