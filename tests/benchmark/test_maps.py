from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import maps
from degradekit import imagefiles
from degradekit.errors import DataError
from degradekit.levels import quantise


def _folders(tmp_path: Path, count: int = 2) -> tuple[Path, Path]:
    """Maps of 16, 8 bit and floats with the same content, and their masks."""
    scores, masks = tmp_path / "scores", tmp_path / "masks"
    scores.mkdir()
    masks.mkdir()
    rng = np.random.Generator(np.random.PCG64(0))
    for number in range(count):
        lost = rng.random((40, 50)) < 0.1
        found = np.clip(rng.normal(0.2 + 0.5 * lost, 0.2), 0, 1)
        stem = f"frame{number}"
        (scores / f"{stem}.png").write_bytes(imagefiles.encode_png(quantise(found, 16)))
        (masks / f"{stem}.png").write_bytes(imagefiles.encode_png(np.where(lost, 255, 0).astype(np.uint8)))
    return scores, masks


def _silent(done: int, total: int) -> None:
    pass


def test_one_map_scores_alike_in_every_format(tmp_path: Path) -> None:
    scores, masks = _folders(tmp_path, 1)
    first = maps.score(scores, masks, _silent).summary()
    path = scores / "frame0.png"
    found = maps.read_scores(path)
    path.unlink()
    np.save(scores / "frame0.npy", found)
    assert maps.score(scores, masks, _silent).summary() == first
    np.save(scores / "frame0.npy", (found / 65_535).astype(np.float32))
    assert maps.score(scores, masks, _silent).summary()["auc"] == pytest.approx(first["auc"], abs=1e-6)
    (scores / "frame0.npy").unlink()
    path.write_bytes(imagefiles.encode_png(quantise(found / np.float32(65_535))))
    assert maps.score(scores, masks, _silent).summary()["auc"] == pytest.approx(first["auc"], abs=2e-3)


def test_masks_count_from_half_on(tmp_path: Path) -> None:
    scores, masks = _folders(tmp_path, 1)
    halves = np.where(maps.read_mask(masks / "frame0.png") > 0, 128, 127).astype(np.uint8)
    expected = maps.score(scores, masks, _silent).summary()
    (masks / "frame0.png").write_bytes(imagefiles.encode_png(halves))
    assert maps.score(scores, masks, _silent).summary() == expected
    (masks / "frame0.png").write_bytes(imagefiles.encode_png(halves.astype(np.uint16) * 257))
    assert maps.score(scores, masks, _silent).summary() == expected


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    scores, masks = _folders(tmp_path)
    (masks / "frame1.png").rename(masks / "frame7.png")
    with pytest.raises(DataError, match=r"no mask in .*masks for frame1\.png"):
        maps.score(scores, masks, _silent)
    (scores / "frame1.png").unlink()
    with pytest.raises(DataError, match=r"no map in .*scores for frame7\.png"):
        maps.score(scores, masks, _silent)
    (masks / "frame7.png").unlink()
    np.save(scores / "frame0.npy", np.zeros((40, 50)))
    with pytest.raises(DataError, match="two maps of one stem"):
        maps.score(scores, masks, _silent)
    (scores / "frame0.png").unlink()
    for array, text in (
        (np.zeros((40, 51)), r"frame0\.npy is 51x40, .*frame0\.png is 50x40"),
        (np.full((40, 50), 1.5), r"frame0\.npy: scores are in \[0, 1\]"),
        (np.zeros((40, 50), np.int64), "got int64"),
        (np.zeros((40, 50, 3)), r"got float64 \(40, 50, 3\)"),
    ):
        np.save(scores / "frame0.npy", array)
        with pytest.raises(DataError, match=text):
            maps.score(scores, masks, _silent)
    (scores / "frame0.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="no array that can be read"):
        maps.score(scores, masks, _silent)
    coloured = np.zeros((40, 50, 3), np.uint8)
    coloured[3, 3, 1] = 9
    (masks / "frame0.png").write_bytes(imagefiles.encode_png(coloured))
    with pytest.raises(DataError, match="coloured"):
        maps.read_mask(masks / "frame0.png")


def test_a_pickled_array_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="no array that can be read"):
        maps.read_scores(tmp_path / "a.npy")


def test_the_command_scores_two_folders(tmp_path: Path, call: Callable[..., Any]) -> None:
    scores, masks = _folders(tmp_path)
    figure, points = tmp_path / "curves.svg", tmp_path / "points.csv"
    paths = ("--scores", scores, "--masks", masks)
    done = call("benchmark", "roc", *paths, "--figure", figure, "--csv", points, "--json")
    assert done.code == 0, done.err
    numbers = json.loads(done.out)
    assert {"auc", "ap", "f1", "prevalence"} <= set(numbers)
    assert numbers["auc"] > 0.9
    assert 0.05 < numbers["prevalence"] < 0.15
    assert b"AUC 0.9" in figure.read_bytes() or b"<svg" in figure.read_bytes()
    lines = points.read_text().splitlines()
    assert lines[0] == "detector,test,cut,recall,precision,false_alarms"
    assert len(lines) > 50
    shown = call("benchmark", "roc", *paths)
    assert "AUC" in shown.out
    assert f"{numbers['auc']:.4f}" in shown.out


def test_mistakes_on_the_command_line_are_told(tmp_path: Path, call: Callable[..., Any]) -> None:
    scores, masks = _folders(tmp_path)
    assert call("benchmark", "roc", "--scores", scores).code == 2
    assert call("benchmark", "roc", "--figure", tmp_path / "a.png").code == 2
    paths = ("--scores", scores, "--masks", masks)
    assert call("benchmark", "roc", *paths, "--figure", tmp_path / "a.gif").code == 2
    (masks / "frame1.png").unlink()
    done = call("benchmark", "roc", *paths)
    assert done.code == 4
    assert "frame1.png" in done.err
    blank = imagefiles.encode_png(np.zeros((40, 50), np.uint8))
    for number in range(2):
        (masks / f"frame{number}.png").write_bytes(blank)
    done = call("benchmark", "roc", *paths)
    assert done.code == 4
    assert "no pixel is lost" in done.err
