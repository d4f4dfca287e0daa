from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pairfolders import write
from pictures import picture

from benchmark import metrics, profile, report, scoring
from benchmark.data import PairSet
from benchmark.method import find
from benchmark.report import captions, figures, picked, tables
from benchmark.run import Run
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles
from degradekit.errors import DataError


def _add(
    store: Store,
    name: str,
    gain: float,
    metrics_: Sequence[str] = ("psnr", "ssim"),
    stems: Sequence[str] = (),
    **about: object,
) -> None:
    """A method's results: the degraded images of the run, or those of ``stems``, brightened by ``gain``."""
    pairs = PairSet(store.data("test"))
    pairs = pairs.subset(stems or pairs.stems)
    for index, stem in enumerate(pairs.stems):
        pixels = np.clip(pairs.degraded(index) * gain, 0, 255).astype(np.uint8)
        atomicfiles.write_bytes(store.restored(name) / f"{stem}.png", imagefiles.encode_png(pixels))
    chosen = [metrics.find(metric) for metric in metrics_]
    rows = scoring.score(
        name,
        store.restored(name),
        pairs,
        chosen,
        seed=0,
        on_progress=lambda done, total: None,
        # Any images will do: nobody knows the truth.
        real_restored=store.restored(name),
    )
    atomicfiles.write_text(store.method(name) / "scores.csv", scoring.to_csv(rows))
    atomicfiles.write_json(store.method(name) / "method.json", {"trains": "none", "mask": "none", **about})
    store.mark_done(name, "score", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run of three methods and one that failed, over four photographs in two variants."""
    store = Store(tmp_path / "run")
    store.claim(profile.load("smoke"))
    write(store.data("test"), count=4, variants=2)
    described = {
        "recipe": {"name": "old-photo", "sha256": "0123456789abcdef"},
        "photographs": {"train": 9, "val": 1, "test": 4},
    }
    atomicfiles.write_json(store.folder / "data.json", described)
    _add(store, "as_is", 1.0)
    _add(store, "brighter", 1.2, trains="paired", parameters={"net": 1234567})
    _add(store, "told", 1.1, mask="oracle")
    store.mark_failed("broken", "train", "ValueError: 50% | of it_failed")
    return store


def test_lines_are_best_first_and_failures_last(store: Store) -> None:
    result = report.read(store)
    assert [line.name for line in result.lines] == ["brighter", "told", "as_is", "broken"]
    best = {line.name: line.summaries["psnr"].best for line in result.scored}
    # Four photographs cannot show any difference between three methods.
    assert best == {"brighter": False, "told": False, "as_is": False}
    assert "Nothing is bold" in " ".join(captions.caption(result))
    assert result.photographs == tuple(f"photo{number}.png" for number in range(4))


def test_the_caption_says_what_the_numbers_are(store: Store) -> None:
    text = " ".join(captions.caption(report.read(store)))
    for part in (
        "Profile smoke, seed 0",
        "0.0625 of the published width",
        "4 steps of 2 crops of 64 px",
        "9 training photographs",
        captions.NOT_PUBLISHED,
        "8 degraded images of 4 photographs",
        "old-photo (0123456789ab)",
        "psnr[rgb,255,crop0]",
        "ssim[rgb,g11s1.5,valid,no-ds]",
        "10,000 resamples",
        "told where the damage is",
    ):
        assert part in text


def test_markdown(store: Store) -> None:
    result = report.read(store)
    lines = tables.markdown(result).splitlines()
    assert lines[0] == "| method | PSNR (dB) ↑ | SSIM ↑ | trained on | parameters |"
    assert all(line.count("|") - line.count("\\|") == 6 for line in lines[:6])
    best = result.lines[0].summaries["psnr"]
    assert lines[2].startswith(f"| brighter | {best.mean:.2f} [{best.low:.2f}, {best.high:.2f}] |")
    assert lines[2].endswith("| paired | 1,234,567 |")
    assert lines[3].startswith("| told † |")
    assert lines[5].startswith("| broken | failed: train: ValueError: 50% \\| of it_failed |")


def test_latex_escapes_what_tex_would_read(store: Store) -> None:
    text = tables.latex(report.read(store))
    assert r"as\_is & " in text
    assert r"\multicolumn{4}{l}{failed: train: ValueError: 50\% | of it\_failed} \\" in text
    assert r"PSNR (dB) $\uparrow$" in text
    assert r"told \textdagger{}" in text
    assert text.count("{") == text.count("}")
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_csv_has_the_full_numbers(store: Store) -> None:
    result = report.read(store)
    lines = list(csv.DictReader(io.StringIO(tables.as_csv(result))))
    assert len(lines) == 3 * 2 + 1
    first = lines[0]
    assert (first["method"], first["metric"], first["best"]) == ("brighter", "psnr", "False")
    assert float(first["mean"]) == result.lines[0].summaries["psnr"].mean
    assert lines[-1]["failure"] == "train: ValueError: 50% | of it_failed"


def test_images_restored_exactly(store: Store) -> None:
    pairs = PairSet(store.data("test"))
    for index, stem in enumerate(pairs.stems[:2]):  # Both variants of the first photograph.
        data = imagefiles.encode_png(pairs.clean(index))
        atomicfiles.write_bytes(store.data("test") / "degraded" / f"{stem}.png", data)
    _add(store, "exact", 1.0)
    result = report.read(store)
    line = next(line for line in result.lines if line.name == "exact")
    assert (line.summaries["psnr"].infinite, line.summaries["psnr"].photographs) == (1, 4)
    assert tables.cell(line.summaries["psnr"], result.metrics[0]).endswith(" +1∞")
    assert "not in the mean" in " ".join(captions.caption(result))
    assert r"+1$\infty$" in tables.latex(result)
    figures.intervals(result, store.folder / "figures")


def test_everything_is_written_and_the_same_twice(store: Store) -> None:
    written = ["rows.csv", *(f"tables/summary.{kind}" for kind in ("md", "csv", "tex"))]
    written += ["tables/comparisons.csv", "tables/ranks.csv"]
    written += ["figures/intervals.png", "figures/intervals.svg", "figures/examples.png"]
    report.write(store)
    first = {name: (store.folder / name).read_bytes() for name in written}
    report.write(store)
    assert first == {name: (store.folder / name).read_bytes() for name in written}
    assert first["rows.csv"].count(b"\n") == 1 + 3 * 8 * 2
    for name in ("intervals", "examples"):
        pixels = imagefiles.read(store.folder / f"figures/{name}.png").rgb
        assert pixels.shape[1] > 1000
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_the_examples_are_the_hardest_a_middling_and_the_easiest(store: Store) -> None:
    result = report.read(store)
    mean = {}
    for row in result.rows:
        if row.metric == "psnr":
            mean.setdefault(row.image, []).append(row.value)
    ranked = sorted(mean, key=lambda image: np.mean(mean[image]))
    chosen = figures._chosen(result, result.metrics[0])
    assert [why for why, _ in chosen] == ["hardest", "median", "easiest"]
    assert [stem for _, stem in chosen] == [ranked[0], ranked[4], ranked[-1]]


def test_a_method_tested_on_a_few_images_is_compared_on_those(store: Store) -> None:
    # The second variants of two photographs: darker, and so by all methods worse, than the first.
    few = ["photo1_1", "photo3_1"]
    _add(store, "few", 1.2, stems=few)
    result = report.write(store)
    pairs = {frozenset((pair.first, pair.second)): pair for pair in result.comparisons["psnr"]}
    same = pairs[frozenset(("few", "brighter"))]
    assert (same.photographs, same.shift, same.effect, same.wins) == (2, 0, 0, 0.5)
    values = {(row.method, row.image): row.value for row in result.rows if row.metric == "psnr"}
    other = pairs[frozenset(("few", "as_is"))]
    assert other.first == "few"
    gained = [values["few", stem] - values["as_is", stem] for stem in few]
    assert other.shift == pytest.approx(np.mean(gained), abs=1e-9)
    assert pairs[frozenset(("brighter", "as_is"))].photographs == 4
    # A few images of one method take no photograph away from the others.
    assert set(result.ranks["psnr"].mean) == {"as_is", "brighter", "told"}
    assert result.ranks["psnr"].photographs == 4
    assert "few" not in (store.folder / "tables/ranks.csv").read_text()
    assert "Tested on fewer images than others: few." in " ".join(captions.caption(result))
    assert "fewer images" not in " ".join(captions.caption(report.read(_without(store, "few"))))


def _without(store: Store, name: str) -> Store:
    store.remove(name)
    return store


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (["lpips_alex"], None),
        (["fid"], None),
        (["lpips_alex", "psnr"], "PSNR"),
        (["fid", "psnr"], "PSNR"),
        (["noise", "psnr"], "PSNR"),
        (["psnr_on_clean", "psnr"], "PSNR"),
        (["psnr_inside", "psnr"], "PSNR_INSIDE"),
    ],
)
def test_the_first_metric_may_be_no_number_of_single_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: list[str], shown: str | None
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    store = Store(tmp_path / "run")
    store.claim(profile.load("smoke", overrides=[f"metrics={json.dumps(chosen)}"]))
    write(store.data("test"), count=3)
    described = {
        "recipe": {"name": "old-photo", "sha256": "0123456789abcdef"},
        "photographs": {"train": 9, "val": 1, "test": 3},
    }
    atomicfiles.write_json(store.folder / "data.json", described)
    for name, gain in (("as_is", 1.0), ("brighter", 1.2)):
        _add(store, name, gain, metrics_=chosen)
    result = report.write(store)
    metric = picked.leading(result)
    assert (None if metric is None else metric.name.upper()) == shown
    for name in ("examples.png", "severity.svg"):
        assert (store.folder / "figures" / name).is_file() == (shown is not None)
    page = (store.folder / "report.html").read_text()
    assert ("to pick them by" in page) == (shown is None)
    tested = "3 degraded images of 3" if chosen != ["fid"] else "degraded images of 3"
    assert f"Tested on {tested} photographs" in page


def test_the_place_enlarged_is_where_outputs_differ() -> None:
    images = [picture(0, 80, 100) for _ in range(3)]
    images[1][50:60, 70:80] ^= 255
    top, left, side = figures.most_different(images, 20)
    assert side == 20
    assert top <= 50
    assert top + 20 >= 60
    assert left <= 70
    assert left + 20 >= 80
    assert figures.most_different(images, 500)[2] == 80


def test_a_run_without_results(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no benchmark run there"):
        report.read(Store(tmp_path))
    store = Store(tmp_path / "run")
    store.claim(profile.load("smoke"))
    with pytest.raises(DataError, match="no method is finished yet"):
        report.write(store)


def test_a_run_in_which_everything_failed(store: Store) -> None:
    for name in ("as_is", "brighter", "told"):
        store.remove(name)
    result = report.write(store)
    assert result.scored == []
    assert "broken" in (store.folder / "tables/summary.md").read_text()
    assert json.loads((store.folder / "methods/broken/failed.json").read_text())["stage"] == "train"


def test_values_that_do_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    store = Store(tmp_path / "run")
    chosen = ["psnr", "lpips_alex", "psnr_inside", "ms_ssim", "fid"]
    store.claim(profile.load("smoke", overrides=[f"metrics={json.dumps(chosen)}"]))
    pairs = PairSet(write(store.data("test"), count=3))
    intact = store.data("test") / "masks/any" / f"{pairs.stems[0]}.png"
    atomicfiles.write_bytes(intact, imagefiles.encode_png(np.zeros((64, 96), np.uint8)))
    described = {
        "recipe": {"name": "old-photo", "sha256": "0123456789abcdef"},
        "photographs": {"train": 9, "val": 1, "test": 3},
    }
    atomicfiles.write_json(store.folder / "data.json", described)
    for name in ("a", "b"):
        _add(store, name, 1.0 + 0.1 * (name == "b"), metrics_=chosen)
    result = report.write(store)
    for text in (tables.markdown(result), tables.latex(result)):
        assert "NA (weights missing)" in text
        assert "benchmark weights fetch alexnet" in text
        assert "161 pixels each way, got 96x64" in text
        assert "nan" not in text
    summaries = result.lines[0].summaries
    assert summaries["psnr_inside"].missing == 1
    assert (summaries["lpips_alex"].infinite, summaries["lpips_alex"].missing) == (0, 3)
    assert not summaries["lpips_alex"].best
    assert "Photographs without a value are not in the mean (psnr_inside)" in tables.markdown(result)
    lines = list(csv.DictReader(io.StringIO(tables.as_csv(result))))
    fid = next(line for line in lines if line["metric"] == "fid")
    assert (fid["mean"], fid["note"]) == ("NA", "weights missing: benchmark weights fetch inception")
    assert result.photographs == tuple(f"photo{number}.png" for number in range(3))


def test_a_detector_alone_has_curves(tmp_path: Path) -> None:
    asked = profile.load(
        "smoke", overrides=["data.recipe=torn-snapshot", "train.iterations=1", "train.every=1"]
    )
    Run(asked, [find("scratch_detector")], tmp_path / "run", True, 1).go()
    folder = tmp_path / "run"
    assert "curves are in figures" in (folder / "tables" / "summary.md").read_text()
    assert (folder / "figures" / "detection.svg").is_file()
    assert (folder / "report.html").is_file()
