from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from plans import tree

from degradekit import atomicfiles, imagefiles, manifest, recipe, sources
from degradekit.coding import Coding
from degradekit.errors import DataError, OptionError, OutputFolderError
from degradekit.sources import FileSource
from degradekit.synth import Plan, Summary, remove, synthesize


def plan(photographs: Path, out: Path, copies: int = 2, size: int | None = None, seed: int = 5) -> Plan:
    found = tuple(sources.find([str(photographs)]))
    return Plan(found, recipe.load("old-photo"), out, copies, size, seed)


def make(photographs: Path, out: Path, **changes: int) -> Summary:
    return synthesize(plan(photographs, out, **changes))


def test_layout_and_manifest(photographs: Path, tmp_path: Path) -> None:
    summary = make(photographs, tmp_path / "out")
    assert (summary.rows, summary.made, summary.errors) == (10, 10, ())
    rows = manifest.read_rows(tmp_path / "out")
    assert [(row["key"], row["variant"]) for row in rows[:3]] == [
        ("a.png", 0),
        ("a.png", 1),
        ("album/e.png", 0),
    ]
    assert len({tuple(row) for row in rows}) == 1, "every row has the same columns in the same order"
    for row in rows:
        clean = imagefiles.read(tmp_path / "out" / row["clean_file_name"]).rgb
        degraded = imagefiles.read(tmp_path / "out" / row["file_name"]).rgb
        assert clean.shape == degraded.shape == (row["height"], row["width"], 3)
        assert imagefiles.pixel_hash(degraded) == row["sha256"]
        classes = [column for column in row if column.endswith("_mask_file_name")]
        assert len(classes) == len(recipe.load("old-photo").classes)
        masks = {
            column: imagefiles.read(tmp_path / "out" / row[column]).rgb[..., 0] / 255
            for column in [*classes, "mask_file_name"]
        }
        kept = np.prod([1 - masks[column] for column in classes], axis=0)
        assert np.abs(masks["mask_file_name"] - (1 - kept)).max() <= len(classes) * 1.01 / 255
        assert row["coverage_scratch"] == pytest.approx(masks["scratch_mask_file_name"].mean(), abs=1e-6)
    assert any(row["coverage_any"] > 0 for row in rows)


def test_clean_files_hold_the_source_pixels(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "out")
    there = imagefiles.read(tmp_path / "out/clean/album/e_1.png").rgb
    assert np.array_equal(there, imagefiles.read(photographs / "album/e.png").rgb)


def test_same_bytes_at_any_worker_count_and_order(photographs: Path, tmp_path: Path) -> None:
    one = plan(photographs, tmp_path / "one")
    synthesize(one, workers=1)
    files = [str(path) for path in photographs.rglob("*.png")]
    shuffled = {source.path: source for source in one.sources if isinstance(source, sources.FileSource)}
    assert {path.name for path in shuffled} == {Path(file).name for file in files}
    synthesize(plan(photographs, tmp_path / "two"), workers=3)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_more_copies_leave_the_first_ones_as_they_were(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "one", copies=1)
    make(photographs, tmp_path / "two", copies=3)
    one, two = (tree(tmp_path / name) for name in ("one", "two"))
    images = [name for name in one if name.endswith(".png")]
    assert all(one[name] == two[name] for name in images)
    assert two["degraded/a_0.png"] != two["degraded/a_1.png"]


def test_running_again_makes_nothing(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "out")
    before = tree(tmp_path / "out")
    assert make(photographs, tmp_path / "out").made == 0
    assert tree(tmp_path / "out") == before


def test_what_was_lost_is_made_again(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "out")
    before = tree(tmp_path / "out")
    # What a run leaves that is killed within a shard: pixels without their mark, and a partial file.
    manifest.shard_file(tmp_path / "out", 3).unlink()
    for name in (manifest.METADATA, manifest.DONE, "degraded/album/e_1.png"):
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out/degraded/album/.e_1.png.partial").write_bytes(b"half")
    assert make(photographs, tmp_path / "out").made == 1
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_and_started_again(photographs: Path, tmp_path: Path, workers: int) -> None:
    synthesize(plan(photographs, tmp_path / "whole", copies=8))
    command = [
        sys.executable,
        "-m",
        "degradekit",
        "synth",
        str(photographs),
        "--out",
        str(tmp_path / "killed"),
    ]
    command += ["--copies", "8", "--seed", "5", "--workers", str(workers)]
    for wait in (0.5, 0.9, 1.2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.2)  # Workers notice that their parent is gone.
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_interrupt_ends_cleanly_and_resumes(photographs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "degradekit", "synth", str(photographs), "--out", str(tmp_path / "out")]
    command += ["--copies", "24", "--workers", "2", "--seed", "5"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out" / manifest.HIDDEN / "shards").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert not list((tmp_path / "out").rglob("*.partial"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert len(manifest.read_rows(tmp_path / "out")) == 120


def test_a_corrupt_photograph_is_listed_and_the_rest_is_made(photographs: Path, tmp_path: Path) -> None:
    good = (photographs / "b.png").read_bytes()
    (photographs / "b.png").write_bytes(good[:-40])
    summary = make(photographs, tmp_path / "out")
    assert (summary.rows, len(summary.errors)) == (8, 2)
    listed = [json.loads(line) for line in (tmp_path / "out" / manifest.ERRORS).read_text().splitlines()]
    assert [(error["key"], error["variant"]) for error in listed] == [("b.png", 0), ("b.png", 1)]
    assert "truncated" in listed[0]["error"]


def test_a_mended_photograph_is_another_source(photographs: Path, tmp_path: Path) -> None:
    good = (photographs / "b.png").read_bytes()
    (photographs / "b.png").write_bytes(good[:-40])
    make(photographs, tmp_path / "out")
    (photographs / "b.png").write_bytes(good)
    with pytest.raises(OutputFolderError, match=r"'b\.png' is new, gone or changed"):
        make(photographs, tmp_path / "out")


def test_errors_are_tried_again(photographs: Path, tmp_path: Path) -> None:
    good = (photographs / "b.png").read_bytes()
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    (photographs / "b.png").write_bytes(damaged)
    assert len(make(photographs, tmp_path / "out").errors) == 2
    (photographs / "b.png").write_bytes(good)
    summary = make(photographs, tmp_path / "out")
    assert (summary.rows, summary.made) == (10, 2)
    assert not (tmp_path / "out" / manifest.ERRORS).exists()
    make(photographs, tmp_path / "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "message"), [({"seed": 6}, "seed: 5 there, 6"), ({"copies": 3}, "copies: 2 there, 3")]
)
def test_another_run_in_the_folder_is_refused(
    photographs: Path, tmp_path: Path, change: dict[str, int], message: str
) -> None:
    make(photographs, tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(OutputFolderError, match=message):
        make(photographs, tmp_path / "out", **change)
    assert tree(tmp_path / "out") == before


def test_marks_without_a_run_are_refused(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "out")
    for entry in (tmp_path / "out").iterdir():
        if entry.name != manifest.HIDDEN:
            entry.unlink() if entry.is_file() else shutil.rmtree(entry)
    with pytest.raises(OutputFolderError, match=r"what is left of a data set \(\.degradekit, no run\.json\)"):
        make(photographs, tmp_path / "out")


def test_overwriting_removes_nothing_before_all_is_known_to_be_well(
    photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make(photographs, out)
    before = tree(out)
    whole = plan(photographs, out, seed=6)
    with pytest.raises(OptionError, match="--scheduler is for"):
        synthesize(whole, overwrite=True, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(OptionError, match="other parts too"):
        synthesize(whole, overwrite=True, part=(1, 2))
    inside = Plan(tuple(sources.find([str(out / "clean")])), recipe.load("attic"), out)
    with pytest.raises(OptionError, match=r"a_0\.png: is in the data set that --overwrite would remove"):
        synthesize(inside, overwrite=True)
    names = ("a.b.png", "a_b.png", "a.b.jpg", "a_b.jpg")
    clashing = Plan(tuple(FileSource(name, name, name) for name in names), recipe.load("attic"), out)
    with pytest.raises(DataError, match="both would be written"):
        synthesize(clashing, overwrite=True)
    assert tree(out) == before
    assert synthesize(whole, overwrite=True).made == 10
    assert manifest.read_run(out)["seed"] == 6


def test_a_photograph_that_no_jpeg_can_hold_is_listed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, width in (("wide", 66_000), ("usual", 64)):
        pixels = np.full((8, width, 3), 99, np.uint8)
        (tmp_path / f"in/{name}.png").write_bytes(imagefiles.encode_png(pixels))
    found = tuple(sources.find([str(tmp_path / "in")]))
    compressed = recipe.parse({"dpi": 100, "steps": ["jpeg"]}, "compressed")
    for coding in (Coding(), Coding("jpeg")):
        summary = synthesize(Plan(found, compressed, tmp_path / coding.format, coding=coding))
        assert summary.made == 1
        assert [error["error"] for error in summary.errors] == [
            "wide.png: a JPEG's sides are at most 65535 px, got 66000 x 8"
        ]


def test_another_recipe_in_the_folder_is_refused(photographs: Path, tmp_path: Path) -> None:
    one = plan(photographs, tmp_path / "out")
    synthesize(one)
    other = recipe.parse({**one.recipe.raw, "format": "35mm"})
    with pytest.raises(OutputFolderError, match="recipe: 'old-photo' there differs"):
        synthesize(Plan(one.sources, other, one.out, 2, None, 5))


def test_somebody_elses_folder_is_left_alone(photographs: Path) -> None:
    with pytest.raises(OutputFolderError, match="no data set of ours"):
        make(photographs, photographs)
    assert len(list(photographs.rglob("*"))) == 6


def test_full_disk_loses_nothing(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, 0

    def failing(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(atomicfiles.os, "fsync", failing)
    with pytest.raises(OSError, match="No space left on device") as caught:
        make(photographs, tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value.filename)
    assert not list((tmp_path / "out").rglob("*.partial"))
    make(photographs, tmp_path / "out")
    make(photographs, tmp_path / "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_crops(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "small", size=32)
    rows = manifest.read_rows(tmp_path / "small")
    assert len({(row["left"], row["top"]) for row in rows}) > 5
    coloured = 0
    for row in rows:
        clean = imagefiles.read(tmp_path / "small" / row["clean_file_name"]).rgb
        whole = imagefiles.read(photographs / row["key"]).rgb
        window = whole[row["top"] : row["top"] + 32, row["left"] : row["left"] + 32]
        if np.ptp(clean, axis=2).any():  # The recipe makes some black and white.
            assert np.array_equal(clean, window)
            coloured += 1
    assert coloured > 5
    make(photographs, tmp_path / "large", size=80)
    enlarged = manifest.read_rows(tmp_path / "large")[0]
    assert (enlarged["width"], enlarged["height"], enlarged["scale"]) == (80, 80, 80 / 64)


def test_sixteen_bits_and_alpha_come_through(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    rng = np.random.Generator(np.random.PCG64(0))
    rgb = rng.integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    alpha = rng.integers(0, 65536, (40, 50), dtype=np.uint16)
    (tmp_path / "deep/x.png").write_bytes(imagefiles.encode_png(rgb, alpha))
    no_jpeg = recipe.parse({"format": "35mm", "steps": ["scratches", "fading"]})
    synthesize(Plan(tuple(sources.find([str(tmp_path / "deep")])), no_jpeg, tmp_path / "out"))
    degraded = imagefiles.read(tmp_path / "out/degraded/x_0.png")
    assert degraded.bits == 16
    assert np.array_equal(np.asarray(degraded.alpha), alpha)
    assert len(np.unique(degraded.rgb)) > 1000, "not 256 levels spread out"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"copies": 0}, "copies is"),
        ({"size": 0}, "size is"),
        ({"seed": -1}, "seed is"),
        ({"seed": 2**63}, "seed is"),
    ],
)
def test_bad_plans(photographs: Path, tmp_path: Path, change: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        plan(photographs, tmp_path / "out", **change)


def test_no_source() -> None:
    with pytest.raises(DataError, match="no photograph"):
        Plan((), recipe.load("old-photo"), Path("out"))


def test_clear_removes_a_data_set_and_nothing_else(photographs: Path, tmp_path: Path) -> None:
    make(photographs, tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    remove(tmp_path / "out")
    assert list(tree(tmp_path / "out")) == ["notes.txt"]
    shutil.rmtree(tmp_path / "out")
