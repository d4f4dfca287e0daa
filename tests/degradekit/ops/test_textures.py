from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Outcome
from pictures import picture

from degradekit import imagefiles, manifest, recipe
from degradekit.errors import DataError, RecipeError
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    """A folder for each kind: a transparent stroke, a gray speck, a stain, a sheet of coloured paper."""
    root = tmp_path / "textures"
    stroke, speck = np.zeros((50, 200), np.uint8), np.zeros((80, 80), np.uint8)
    stroke[20:30, 10:190] = 255
    cv2.circle(speck, (40, 40), 30, 255, -1)
    white = np.full((50, 200, 3), 255, np.uint8)
    files = {
        "scratches/a.png": imagefiles.encode_png(white, stroke),
        "dust/b.png": imagefiles.encode_png(speck),
        "stain/c.png": imagefiles.encode_png(speck),
        "paper/d.png": imagefiles.encode_png(picture(1)),
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def applied(name: str, folder: Path, seed: int = 1, px_per_mm: float = 5.0, **values: float | str) -> Photo:
    photo = Photo(np.full((300, 400, 3), 0.4, np.float32), px_per_mm)
    defaults = {key: item.default for key, item in OPS[name].parameters.items()}
    return OPS[name](photo, generator(seed), **{**defaults, "folder": str(folder), **values})


@pytest.mark.parametrize(
    ("name", "kind", "defect"),
    [
        ("scratch_textures", "scratches", "scratch"),
        ("dust_textures", "dust", "dust"),
        ("stain_textures", "stain", "stain"),
        ("paper_textures", "paper", "hole"),
    ],
)
def test_masks_and_picture_agree(textures: Path, name: str, kind: str, defect: str) -> None:
    result = applied(name, textures / kind, stamps_per_dm2=20.0)
    mask, changed = result.masks[defect], np.abs(result.image - 0.4).max(axis=2)
    assert mask.max() > 0.3
    assert (changed[mask == 0] < 1e-4).all()
    assert (changed[mask > 0.3] > 0.02).mean() > 0.9


def test_size_is_in_millimetres(textures: Path) -> None:
    # The stroke is 0.9 of its image's long side; largest over several stamps, drawn within 0.25 in ln(size).
    lengths = []
    for seed in range(60):
        mask = applied(
            "scratch_textures", textures / "scratches", seed, size_mm=20.0, stamps_per_dm2=1.0, elastic=0.0
        )
        contours, _ = cv2.findContours(
            (mask.masks.get("scratch", np.zeros((2, 2))) > 0.4).astype(np.uint8), 0, 1
        )
        whole = [contour for contour in contours if contour[..., 0].min() > 2 and contour[..., 0].max() < 397]
        lengths += [
            max(cv2.minAreaRect(c)[1]) / 5 for c in whole if c[..., 1].min() > 2 and c[..., 1].max() < 297
        ]
    assert len(lengths) > 5
    assert np.median(lengths) == pytest.approx(18, rel=0.2)


def test_elastic_distortion_bends_straight_strokes(textures: Path) -> None:
    def straightness(elastic: float) -> float:
        boxes = []
        for seed in range(60):
            values = {"elastic": elastic, "stamps_per_dm2": 0.7}
            mask = applied("scratch_textures", textures / "scratches", seed, **values).masks.get("scratch")
            if mask is not None:
                contours, _ = cv2.findContours((mask > 0.4).astype(np.uint8), cv2.RETR_EXTERNAL, 1)
                boxes += [sorted(cv2.minAreaRect(contour)[1]) for contour in contours if len(contour) > 60]
        return float(np.median([short / long for short, long in boxes]))

    assert straightness(0.02) > 1.15 * straightness(0.0)


def test_a_whole_run_with_textures(
    call: Callable[..., Outcome], textures: Path, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("synth", photographs, "--out", out, "--textures", textures, "--workers", "1")
    assert call("degradekit", *arguments).code == 0
    rows = manifest.read_rows(out)
    assert {"dust_mask_file_name", "stain_mask_file_name", "hole_mask_file_name"} <= set(rows[0])
    assert call("degradekit", "verify", out).code == 0
    # A texture that is no longer the one that was used is noticed.
    (textures / "dust/b.png").write_bytes(imagefiles.encode_png(np.full((9, 9), 255, np.uint8)))
    refused = call("degradekit", *arguments)
    assert refused.code == 2
    assert "recipe" in refused.err


def test_changed_textures_are_noticed(textures: Path) -> None:
    parsed = recipe.parse(
        {"format": "35mm", "steps": [{"dust_textures": {"folder": str(textures / "dust")}}]}
    )
    record = parsed.draw(0, "a", 0, 5.0)
    (textures / "dust/more.png").write_bytes(imagefiles.encode_png(picture(2)))
    from degradekit.ops import textures as module

    module._content_now.cache_clear()
    with pytest.raises(DataError, match="changed since"):
        record.apply(Photo(np.full((50, 50, 3), 0.4, np.float32), 5.0))


def test_steps_come_before_the_scan(textures: Path) -> None:
    extended = recipe.with_textures(recipe.load("old-photo"), textures)
    names = [next(key for key in step if key != "p") for step in extended.raw["steps"]]
    assert names.index("paper_textures") < names.index("jpeg")
    assert names.index("scratch_textures") > names.index("scratches")


def test_bad_folders(textures: Path, tmp_path: Path) -> None:
    base = recipe.load("old-photo")
    with pytest.raises(DataError, match="no such folder"):
        recipe.with_textures(base, tmp_path / "gone")
    with pytest.raises(RecipeError, match="no folder named for a texture; known names: dirt"):
        recipe.with_textures(base, textures / "dust")
    (textures / "stain/c.png").unlink()
    with pytest.raises(DataError, match="stain: the folder holds no image"):
        recipe.with_textures(base, textures)
