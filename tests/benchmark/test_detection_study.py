from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import picture

from benchmark import detection_study
from degradekit import imagefiles, recipe
from degradekit.errors import OutputFolderError
from degradekit.photo import Photo

SMALL = ["train.iterations=2", "train.every=2", "train.crop=32", "data.size=48", "data.test_size=48"]


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    folder = tmp_path / "textures" / "scratches"
    folder.mkdir(parents=True)
    shape = np.zeros((60, 60), np.uint8)
    cv2.line(shape, (5, 5), (55, 50), 255, 2)
    (folder / "line.png").write_bytes(imagefiles.encode_png(shape))
    return tmp_path / "textures"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for part in ("images", "masks"):
        (tmp_path / "labelled" / part).mkdir(parents=True)
    mask = np.zeros((64, 96), np.uint8)
    mask[20:24] = 255
    (tmp_path / "labelled" / "images" / "a.png").write_bytes(imagefiles.encode_png(picture(9)))
    (tmp_path / "labelled" / "masks" / "a.png").write_bytes(imagefiles.encode_png(mask))
    return tmp_path / "labelled"


def test_elastic_distortion_goes_and_nothing_else() -> None:
    raw = {
        "format": "10x15cm",
        "steps": [
            "scratches",
            {"one_of": [{"scratch_textures": {"elastic": 0.02}}, {"dust": {"opacity": 0.5}}], "p": 0.5},
        ],
    }
    straight = detection_study.without_elastic(recipe.parse(raw))
    assert straight.raw["steps"] == [
        {"scratches": {"elastic_mm": 0.0}},
        {"one_of": [{"scratch_textures": {"elastic": 0.0}}, {"dust": {"opacity": 0.5}}], "p": 0.5},
    ]
    shipped = recipe.load("detector-training")
    bent, flat = (one.draw(0, "a", 0, 4.0) for one in (shipped, detection_study.without_elastic(shipped)))
    assert [step.op for step in bent.steps] == [step.op for step in flat.steps]
    differing = {
        (step.op, name)
        for step, other in zip(bent.steps, flat.steps, strict=True)
        for name in step.values
        if step.values[name] != other.values[name]
    }
    assert differing <= {("scratches", "elastic_mm")}


def test_unseen_textures_are_the_only_damage(textures: Path) -> None:
    damage = detection_study.unseen_textures(textures)
    assert damage.classes == ("scratch",)
    photo = Photo(np.full((160, 240, 3), 0.4, np.float32), 1.6)
    masks = [damage.draw(0, "a", variant, 1.6).apply(photo).masks for variant in range(8)]
    assert any(mask["scratch"].any() for mask in masks if mask)


def test_the_study_trains_tests_draws_and_goes_on(
    tmp_path: Path, textures: Path, labelled: Path, photographs: Path, call: Callable[..., Any]
) -> None:
    out = tmp_path / "study"
    arguments = ["benchmark", "roc", "--profile", "smoke", "--out", out, "--workers", "1", "--json"]
    arguments += ["--train", photographs, "--textures", textures, "--unseen-textures", textures]
    arguments += ["--labelled", labelled, "-o", "width=0.03", "-o", "data.test_copies=3"]
    for override in SMALL:
        arguments += ["-o", override]
    done = call(*arguments)
    assert done.code == 0, done.err
    results = json.loads(done.out)
    assert set(results) == {"test-synthetic", "test-textures"}
    for detectors in results.values():
        assert list(detectors) == ["straight", "elastic", "textures", "labelled"]
        for numbers in detectors.values():
            assert 0 <= numbers["auc"] <= 1
            assert numbers["prevalence"] > 0
    weights = {
        name: (out / name / "methods/scratch_detector/weights.safetensors")
        for name in ("elastic", "labelled")
    }
    assert weights["elastic"].read_bytes() != weights["labelled"].read_bytes()
    for name in ("curves.png", "curves.svg", "curves.csv", "results.json"):
        assert (out / name).stat().st_size > 100
    before = weights["elastic"].stat().st_mtime_ns
    again = call(*arguments)
    assert json.loads(again.out) == results
    assert weights["elastic"].stat().st_mtime_ns == before
    maps = ("--scores", out / "elastic/maps/test-synthetic", "--masks", out / "data/test-synthetic/masks/any")
    assert json.loads(call("benchmark", "roc", *maps, "--json").out) == results["test-synthetic"]["elastic"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputFolderError, match="no such study"):
        detection_study.refuse_strangers(tmp_path)
