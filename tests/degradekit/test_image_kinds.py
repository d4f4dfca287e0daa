"""Every kind of image file, through the whole program and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Outcome
from pictures import picture
from PIL import Image as PillowImage

from degradekit import imagefiles, manifest, pairs, recipe
from degradekit.drawn import Drawn
from degradekit.imagefiles import Bitmap


def files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Write one photograph of each kind; file name -> shape of the clean image, with bits and alpha."""
    folder.mkdir()
    rgb, gray = picture(1, 40, 60), picture(2, 40, 60)[..., 0]
    deep = rgb.astype(np.uint16) * 257
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(rgb).save(folder / "turned.jpg", exif=exif)
    PillowImage.fromarray(rgb).convert("CMYK").save(folder / "cmyk.jpg")
    PillowImage.fromarray(gray).save(folder / "gray.jpg")
    PillowImage.fromarray(gray).save(folder / "gray.png")
    PillowImage.fromarray(rgb).quantize(20).save(folder / "palette.png")
    PillowImage.fromarray(rgb).save(folder / "lossless.webp", lossless=True)
    PillowImage.fromarray(rgb).save(folder / "plain.tif")
    PillowImage.fromarray(rgb[:1, :1]).save(folder / "dot.png")
    PillowImage.fromarray(np.repeat(rgb[:2], 20, axis=1)).save(folder / "strip.png")
    (folder / "deep.png").write_bytes(imagefiles.encode_png(deep))
    (folder / "glass.png").write_bytes(imagefiles.encode_png(rgb, gray))
    (folder / "deepglass.png").write_bytes(imagefiles.encode_png(deep, gray.astype(np.uint16) * 257))
    return {
        "turned.jpg": (60, 40, 8, 0), "cmyk.jpg": (40, 60, 8, 0), "gray.jpg": (40, 60, 8, 0),
        "gray.png": (40, 60, 8, 0), "palette.png": (40, 60, 8, 0), "lossless.webp": (40, 60, 8, 0),
        "plain.tif": (40, 60, 8, 0), "dot.png": (1, 1, 8, 0), "strip.png": (2, 1200, 8, 0),
        "deep.png": (40, 60, 16, 0), "glass.png": (40, 60, 8, 1), "deepglass.png": (40, 60, 16, 1),
    }  # fmt: skip


def test_every_kind_goes_through_and_verifies(call: Callable[..., Outcome], tmp_path: Path) -> None:
    expected = files(tmp_path / "in")
    out = tmp_path / "out"
    done = call("degradekit", "synth", tmp_path / "in", "--out", out, "--recipe", "attic", "--workers", "1")
    assert done.code == 0, done.err
    rows = {row["key"]: row for row in manifest.read_rows(out)}
    for name, (height, width, bits, alpha) in expected.items():
        row = rows[name]
        assert (row["height"], row["width"], row["bits"], row["alpha"]) == (
            height,
            width,
            bits,
            bool(alpha),
        ), name
        degraded = imagefiles.read(out / row["file_name"])
        assert degraded.bits == bits
        if alpha:
            clean = imagefiles.read(out / row["clean_file_name"])
            assert np.array_equal(np.asarray(degraded.alpha), np.asarray(clean.alpha)), (
                "alpha is never degraded"
            )
    assert call("degradekit", "verify", out).code == 0


@pytest.mark.parametrize("name", recipe.shipped())
@pytest.mark.parametrize("shape", [(1, 1), (48, 64)])
def test_every_recipe_renders(name: str, shape: tuple[int, int]) -> None:
    bitmap = Bitmap(picture(3, 48, 64)[: shape[0], : shape[1]].copy())
    loaded = recipe.load(name)
    changed = 0
    for variant in range(3):
        pair, _ = pairs.make(bitmap, loaded, 1, "x", variant, None)
        assert pair.degraded.rgb.shape == pair.clean.rgb.shape == (*shape, 3)
        assert set(pair.masks) == {"any", *loaded.classes}
        changed += not np.array_equal(pair.clean.rgb, pair.degraded.rgb)
        replayed = pairs.degrade(pair.clean, Drawn.from_json(pair.drawn.to_json()), loaded.classes)
        assert np.array_equal(replayed.degraded.rgb, pair.degraded.rgb)
    assert changed


def test_clean_steps_make_the_clean_image_only() -> None:
    raw = {
        "format": "10x15cm",
        "clean": [{"monochrome": {}, "p": 0.5, "together": "gray"}],
        "steps": [{"toning": {}, "p": 0.5, "together": "gray"}, {"vignette": {}}],
    }
    parsed = recipe.parse(raw)
    seen = set()
    for variant in range(20):
        pair, _ = pairs.make(Bitmap(picture(1)), parsed, 0, "x", variant, None)
        is_gray = bool((np.ptp(pair.clean.rgb.astype(int), axis=2) <= 1).all())
        toned = "toning" in [step.op for step in pair.drawn.steps]
        assert is_gray == toned
        assert "monochrome" not in [step.op for step in pair.drawn.steps]
        seen.add(is_gray)
    assert seen == {True, False}


@pytest.mark.parametrize("step", ["scratches", "scanner_tilt"])
def test_clean_steps_cannot_hide_or_move(step: str) -> None:
    from degradekit.errors import RecipeError

    with pytest.raises(RecipeError, match="cannot make the clean image"):
        recipe.parse({"format": "35mm", "clean": [step], "steps": ["jpeg"]})
