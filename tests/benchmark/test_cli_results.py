from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Outcome
from pairfolders import write
from pictures import picture

from benchmark import importing, metrics, profile, scoring
from benchmark.data import PairSet
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles

Call = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no weights"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Folders of restored and clean images and masks, three of each, one in a subfolder."""
    made = tmp_path / "restored", tmp_path / "clean", tmp_path / "masks"
    for number, stem in enumerate(["a", "b", "album/c"]):
        clean = picture(number)
        restored = np.clip(clean.astype(int) + 3 + number, 0, 255).astype(np.uint8)
        mask = np.zeros((64, 96), np.uint8)
        mask[10:30, 10:40] = 255
        for folder, pixels in zip(made, (restored, clean, mask), strict=True):
            atomicfiles.write_bytes(folder / f"{stem}.png", imagefiles.encode_png(pixels))
    return made


def _run(folder: Path, gains: dict[str, float], chosen: tuple[str, ...] = ("psnr", "ssim")) -> Store:
    """A finished run of methods that brighten the degraded images of four photographs in two variants."""
    store = Store(folder)
    store.claim(profile.load("smoke", overrides=[f"metrics={json.dumps(chosen)}"]))
    pairs = PairSet(write(store.data("test"), count=4, variants=2))
    described = {
        "recipe": {"name": "old-photo", "sha256": "0123456789abcdef"},
        "photographs": {"train": 9, "val": 1, "test": 4},
    }
    atomicfiles.write_json(store.folder / "data.json", described)
    for name, gain in gains.items():
        for index, stem in enumerate(pairs.stems):
            pixels = np.clip(pairs.degraded(index) * gain, 0, 255).astype(np.uint8)
            atomicfiles.write_bytes(store.restored(name) / f"{stem}.png", imagefiles.encode_png(pixels))
        found = [metrics.find(metric) for metric in chosen]
        rows = scoring.score(name, store.restored(name), pairs, found, seed=0, on_progress=lambda *_: None)
        atomicfiles.write_text(store.method(name) / "scores.csv", scoring.to_csv(rows))
        atomicfiles.write_json(
            store.method(name) / "method.json", {"trains": "none", "needs_mask": False, "mask": "none"}
        )
        store.mark_done(name, "score", {})
    return store


def test_any_two_folders_are_scored(call: Call, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    restored, clean, masks = folders
    done = call(
        "benchmark", "score", restored, clean, "--masks", masks, "--out", tmp_path / "rows.csv", "--json"
    )
    assert done.code == 0, done.err
    results = json.loads(done.out)
    expected = np.mean(
        [
            metrics.find("psnr")(
                imagefiles.read(restored / f"{stem}.png").rgb, imagefiles.read(clean / f"{stem}.png").rgb
            )
            for stem in ("a", "b", "album/c")
        ]
    )
    assert results["psnr"]["mean"] == pytest.approx(expected, abs=1e-12)
    assert results["psnr"]["convention"] == "psnr[rgb,255,crop0]"
    assert results["psnr_inside"]["images"] == 3
    assert results["lpips_alex"]["mean"] is None
    assert results["lpips_alex"]["note"] == "weights missing: benchmark weights fetch alexnet"
    assert results["ms_ssim"]["note"].startswith("ms_ssim needs at least 161")
    rows = scoring.from_csv(tmp_path / "rows.csv")
    assert {row.image for row in rows if row.metric == "psnr"} == {"a", "b", "album/c"}
    shown = call("benchmark", "score", restored, clean, "--metrics", "psnr,fid")
    assert shown.code == 0
    assert shown.out.splitlines()[0].startswith(f"psnr           {expected:.2f} [")
    assert (
        shown.out.splitlines()[1] == "fid            NA  (weights missing: benchmark weights fetch inception)"
    )


def test_the_ending_does_not_matter_and_the_name_does(
    call: Call, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    restored, clean, _ = folders
    pixels = imagefiles.read(restored / "a.png").rgb
    import cv2

    assert cv2.imwrite(str(restored / "a.bmp"), pixels[..., ::-1])
    twice = call("benchmark", "score", restored, clean)
    assert (twice.code, "a.bmp and a.png are both called 'a'" in twice.err) == (4, True)
    (restored / "a.png").unlink()
    done = call("benchmark", "score", restored, clean, "--metrics", "psnr", "--json")
    assert json.loads(done.out)["psnr"]["images"] == 3


@pytest.mark.parametrize("fault", ["missing", "surplus", "size", "mask size", "no mask", "bits", "empty"])
def test_what_does_not_match_is_named(
    call: Call, folders: tuple[Path, Path, Path], tmp_path: Path, fault: str
) -> None:
    restored, clean, masks = folders
    text = {
        "missing": "1 images are missing (b)",
        "surplus": "1 images are not of any pair (z.png)",
        "size": "b.png: its clean image is uint8 (64, 96, 3), this one is uint8 (63, 96, 3)",
        "mask size": "b.png: the mask is 96x63, its clean image 96x64",
        "no mask": f"{masks}: 1 images are missing (b)",
        "bits": "b.png: its clean image is uint8 (64, 96, 3), this one is uint16",
        "empty": "holds no image",
    }[fault]
    small = imagefiles.encode_png(picture(1)[:63])
    if fault == "missing":
        (restored / "b.png").unlink()
    elif fault == "surplus":
        shutil.copy(restored / "a.png", restored / "z.png")
    elif fault == "size":
        (restored / "b.png").write_bytes(small)
    elif fault == "mask size":
        (masks / "b.png").write_bytes(small)
    elif fault == "no mask":
        (masks / "b.png").unlink()
    elif fault == "bits":
        (restored / "b.png").write_bytes(imagefiles.encode_png(picture(1).astype(np.uint16)))
    else:
        shutil.rmtree(restored)
        restored.mkdir()
    outcome = call("benchmark", "score", restored, clean, "--masks", masks)
    assert outcome.code == 4
    assert text in outcome.err


def test_score_options_that_do_not_fit(call: Call, folders: tuple[Path, Path, Path]) -> None:
    restored, clean, _ = folders
    for names, text in [
        ("psnr_inside", "name the masks with --masks DIR"),
        ("blur", "is no number of restored and clean images"),
        ("psrn", "did you mean 'psnr'"),
        (",", "takes names"),
    ]:
        outcome = call("benchmark", "score", restored, clean, "--metrics", names)
        assert (outcome.code, text in outcome.err) == (2, True)


def test_outputs_of_another_system_join_a_run(call: Call, tmp_path: Path) -> None:
    store = _run(tmp_path / "run", {"as_is": 1.0})
    outputs = tmp_path / "outputs"
    pairs = PairSet(store.data("test"))
    for index, stem in enumerate(pairs.stems):
        pixels = pairs.clean(index)
        atomicfiles.write_bytes(outputs / f"{stem}.png", imagefiles.encode_png(pixels ^ 1))
    command = ("import", store.folder, outputs, "--method", "their-net")
    done = call("benchmark", *command, "--summary", "Their network, 2021")
    assert done.code == 0, done.err
    table = (store.folder / "tables/summary.md").read_text()
    assert table.splitlines()[2].startswith("| their-net |")
    assert importing.is_imported(store, "their-net")
    again = call("benchmark", *command)
    assert (again.code, "--replace" in again.err) == (2, True)
    itself = ("import", store.folder, store.restored("their-net"), "--method", "their-net", "--replace")
    outcome = call("benchmark", *itself)
    assert (outcome.code, "a folder outside the run" in outcome.err) == (2, True)
    assert call("benchmark", *command, "--replace", "--told-masks").code == 0
    assert "| their-net † |" in (store.folder / "tables/summary.md").read_text()


def test_an_import_that_does_not_fit_changes_nothing(call: Call, tmp_path: Path) -> None:
    store = _run(tmp_path / "run", {"as_is": 1.0})
    outputs = tmp_path / "outputs"
    shutil.copytree(store.data("test") / "degraded", outputs)
    command = ("import", store.folder, outputs, "--method")
    for name, text in [("identity", "a method of ours is called that"), ("../x", "a name is of")]:
        outcome = call("benchmark", *command, name)
        assert (outcome.code, text in outcome.err) == (2, True)
    (outputs / "photo1_0.png").write_bytes(imagefiles.encode_png(picture(0, 10, 10)))
    outcome = call("benchmark", *command, "theirs")
    assert outcome.code == 4
    assert "photo1_0.png: is 10x10, 8 bit; the degraded image is 96x64, 8 bit" in outcome.err
    (outputs / "photo1_0.png").unlink()
    assert "1 images are missing (photo1_0)" in call("benchmark", *command, "theirs").err
    assert not store.method("theirs").exists()
    nothing = call("benchmark", "import", outputs, outputs, "--method", "theirs")
    assert (nothing.code, "no benchmark run there" in nothing.err) == (4, True)


def test_runs_are_compared_photograph_by_photograph(call: Call, tmp_path: Path) -> None:
    first = _run(tmp_path / "a", {"m": 1.2, "only_here": 1.0})
    second = _run(tmp_path / "b", {"m": 1.1})
    done = call("benchmark", "compare", first.folder, second.folder, "--json")
    assert done.code == 0, done.err
    found = {(one["method"], one["metric"]): one for one in json.loads(done.out)}
    assert set(found) == {("m", "psnr"), ("m", "ssim")}
    rows = [
        {
            row.image: row.value
            for row in scoring.from_csv(s.method("m") / "scores.csv")
            if row.metric == "psnr"
        }
        for s in (first, second)
    ]
    expected = np.mean([rows[1][image] - rows[0][image] for image in rows[0]])
    psnr = found["m", "psnr"]
    assert psnr["mean"] == pytest.approx(expected, abs=1e-9)
    assert psnr["mean"] == pytest.approx(psnr["second"] - psnr["first"], abs=1e-9)
    assert psnr["low"] <= psnr["mean"] <= psnr["high"]
    assert psnr["photographs"] == 4
    same = call("benchmark", "compare", first.folder, first.folder, "--gate", "psnr>=0,ssim>=0")
    assert same.code == 0
    assert "+0.000" in same.out


def test_a_photograph_is_compared_by_the_images_of_both_runs(call: Call, tmp_path: Path) -> None:
    first, second = _run(tmp_path / "a", {"m": 1.2}), _run(tmp_path / "b", {"m": 1.2})
    # Variants of a photograph differ by far more than nothing, which is what the runs differ by.
    for store, left in ((first, 1), (second, 3)):
        path = store.method("m") / "scores.csv"
        rows = scoring.from_csv(path)
        images = sorted({row.image for row in rows})[left:]
        path.write_text(scoring.to_csv(row for row in rows if row.image in images))
    found = json.loads(call("benchmark", "compare", first.folder, second.folder, "--json").out)
    assert [(one["mean"], one["photographs"]) for one in found] == [(0, 3), (0, 3)]
    for one in found:
        assert one["first"] == one["second"]


def test_runs_of_no_image_in_common_have_no_difference(call: Call, tmp_path: Path) -> None:
    first, second = _run(tmp_path / "a", {"m": 1.2}), _run(tmp_path / "b", {"m": 1.2})
    for store, variant in ((first, 0), (second, 1)):
        path = store.method("m") / "scores.csv"
        rows = scoring.from_csv(path)
        path.write_text(scoring.to_csv(row for row in rows if row.variant == variant))
    done = call("benchmark", "compare", first.folder, second.folder, "--gate", "psnr>=-1")
    assert (done.code, "(no value)" in done.err) == (5, True)


def test_gates(call: Call, tmp_path: Path) -> None:
    first, second = _run(tmp_path / "a", {"m": 1.2}), _run(tmp_path / "b", {"m": 1.1})
    pair = (first.folder, second.folder)
    change = json.loads(call("benchmark", "compare", *pair, "--json").out)[0]["mean"]
    assert change < 0
    assert call("benchmark", "compare", *pair, "--gate", f"psnr >= {change - 0.01:.6f}").code == 0
    failed = call("benchmark", "compare", *pair, "--gate", f"psnr>={change + 0.01:.6f}, ssim<=1")
    assert failed.code == 5
    assert "1 gates do not hold: m psnr>=" in failed.err
    assert "fails psnr>=" in failed.out
    for gate, text in [
        ("psnr=>1", "expected METRIC>=NUMBER"),
        ("psrn>=1", "did you mean 'psnr'"),
        ("psnr>=1.2.3", "is no number"),
        ("psnr_y>=0", "unknown metric of both runs 'psnr_y'"),
    ]:
        outcome = call("benchmark", "compare", *pair, "--gate", gate)
        assert (outcome.code, text in outcome.err) == (2, True), outcome
    unknown = call("benchmark", "compare", *pair, "--methods", "n")
    assert (unknown.code, "unknown method of both runs" in unknown.err) == (2, True)


def test_a_gate_on_what_has_no_value_does_not_hold(call: Call, tmp_path: Path) -> None:
    chosen = ("psnr", "lpips_alex")
    first, second = (_run(tmp_path / name, {"m": 1.2}, chosen) for name in "ab")
    outcome = call("benchmark", "compare", first.folder, second.folder, "--gate", "lpips_alex<=0.01")
    assert outcome.code == 5
    assert "m lpips_alex<=0.01 (no value)" in outcome.err


def test_other_test_images_cannot_be_compared(call: Call, tmp_path: Path) -> None:
    first, second = _run(tmp_path / "a", {"m": 1.2}), _run(tmp_path / "b", {"n": 1.2})
    outcome = call("benchmark", "compare", first.folder, second.folder)
    assert (outcome.code, "no method is in both runs: m in the first, n in the second" in outcome.err) == (
        4,
        True,
    )
    lines = (second.data("test") / "metadata.jsonl").read_text().splitlines()
    changed = json.loads(lines[0])
    changed["sha256"] = "0" * 64
    lines[0] = json.dumps(changed)
    (second.data("test") / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    outcome = call("benchmark", "compare", first.folder, second.folder)
    assert (outcome.code, "were tested on different images (1 differ" in outcome.err) == (4, True)


def test_what_methods_cost(call: Call, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    tiny = ("data.size=64", "data.test_size=48", "train.crop=64", "train.threads=1", "data.test_frac=0.4")
    overrides = [part for override in tiny for part in ("-o", override)]
    command = ("run", "--methods", "identity,median", "--profile", "smoke", "--workers", "1", "--out", out)
    assert call("benchmark", *command, "--train", photographs, *overrides).code == 0
    measured = call("benchmark", "efficiency", out, "--size", "40", "--repeats", "3", "--json")
    assert measured.code == 0, measured.err
    found = json.loads(measured.out)
    assert set(found) == {"identity", "median"}
    assert found["median"]["parameters"] == 0
    assert 0 < found["median"]["latency_p50_ms"] <= found["median"]["latency_p95_ms"]
    written = json.loads((out / "methods/median/efficiency.json").read_text())
    assert (written["size"], written["device"], written["repeats"]) == (40, "cpu", 3)
    assert "images/s" in call("benchmark", "efficiency", out, "--methods", "identity", "--repeats", "3").out
    wrong = call("benchmark", "efficiency", out, "--methods", "pix2pix")
    assert (wrong.code, "unknown finished method of this run 'pix2pix'" in wrong.err) == (2, True)
