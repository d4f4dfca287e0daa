from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import Outcome

from degradekit import imagefiles, labels
from degradekit.drawn import Drawn, DrawnStep
from degradekit.ops import OPS


def drawn(*names: str) -> Drawn:
    return Drawn("r", 1.0, tuple(DrawnStep(name, 0, {}) for name in names))


def test_every_class_of_every_op_has_a_number_of_its_own() -> None:
    classes = {name for op in OPS.values() for name in op.masks}
    assert set(labels.NUMBERS) == classes
    assert sorted(labels.NUMBERS.values()) == list(range(1, len(classes) + 1))


def test_what_was_laid_on_later_lies_on_top() -> None:
    assert labels.lying_order(drawn("dust", "fading", "scratches")) == ("dust", "scratch")
    # A class counts from its last step.
    assert labels.lying_order(drawn("dust", "scratches", "dust")) == ("scratch", "dust")


def test_topmost_class_labels_a_pixel() -> None:
    dust = np.array([[255, 255, 0, 127]], np.uint8)
    scratch = np.array([[0, 200, 128, 0]], np.uint8)
    masks = {"dust": dust, "scratch": scratch}
    numbers = labels.NUMBERS
    over = labels.label_map(masks, ("dust", "scratch"))
    assert over.tolist() == [[numbers["dust"], numbers["scratch"], numbers["scratch"], 0]]
    under = labels.label_map(masks, ("scratch", "dust"))
    assert under.tolist() == [[numbers["dust"], numbers["dust"], numbers["scratch"], 0]]
    assert labels.label_map(masks, ("dust",), least=1)[0, 3] == numbers["dust"]


def test_command(call: Callable[..., Outcome], photographs: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "dpi: 150\nsteps: [{paper_holes: {density_per_dm2: 300}}, {dust: {density_per_cm2: 60}}]\n"
    )
    out, written = tmp_path / "out", tmp_path / "labels"
    made = call("degradekit", "synth", photographs, "--recipe", recipe, "--out", out, "--workers", "1")
    assert made.code == 0, made.err
    done = call("degradekit", "labels", out, "--out", written)
    assert done.code == 0, done.err
    assert json.loads((written / "classes.json").read_text())[str(labels.NUMBERS["hole"])] == "hole"
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        picture = imagefiles.read(written / f"{row['stem']}.png").rgb
        plane = picture[..., 0] if picture.ndim == 3 else picture
        assert set(np.unique(plane)) <= {0, labels.NUMBERS["hole"], labels.NUMBERS["dust"]}
        hole = imagefiles.read(out / row["hole_mask_file_name"]).rgb[..., 0]
        assert (plane[hole >= 128] > 0).all()
    assert call("degradekit", "labels", tmp_path / "gone", "--out", written).code == 4
