"""One sample: crop, draw, degrade, round to integers, describe. Used by synthesis, replay and proof alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from degradekit import __version__
from degradekit.drawn import Drawn
from degradekit.imagefiles import Bitmap, pixel_hash
from degradekit.levels import Mask, Pixels, as_float, quantise
from degradekit.photo import Photo
from degradekit.randomness import stream
from degradekit.recipe import Recipe
from degradekit.timings import Timings

#: The mask of everything: where any class hides the picture.
ANY = "any"


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of the photograph a sample shows: enlarged by ``scale``, then cropped at (left, top)."""

    left: int
    top: int
    scale: float


@dataclass(frozen=True, slots=True)
class Pair:
    """A finished sample: ``clean`` and ``degraded`` of equal size, one uint8 mask per class and ``any``."""

    clean: Bitmap
    degraded: Bitmap
    masks: Mapping[str, Pixels]
    drawn: Drawn

    def columns(self) -> dict[str, Any]:
        """What the manifest says of the pixels: sizes, hashes, coverage, the recipe, versions."""
        height, width = self.clean.rgb.shape[:2]
        columns: dict[str, Any] = {
            "width": width,
            "height": height,
            "bits": self.clean.bits,
            "alpha": self.clean.alpha is not None,
            "recipe_name": self.drawn.recipe,
            "recipe": self.drawn.to_json(),
            "sha256": bitmap_hash(self.degraded),
            "clean_sha256": bitmap_hash(self.clean),
        }
        for name, mask in self.masks.items():
            columns[f"coverage_{name}"] = round(float(mask.mean()) / 255, 6)
            columns[mask_column(name, "sha256")] = pixel_hash(mask)
        return {**columns, **versions()}


def mask_column(name: str, suffix: str) -> str:
    """The manifest column of a class's mask; the mask of everything is plain ``mask_...``."""
    return f"mask_{suffix}" if name == ANY else f"{name}_mask_{suffix}"


def versions() -> dict[str, str]:
    """The versions bit-exactness holds for."""
    return {"degradekit": __version__, "numpy": np.__version__, "opencv": str(cv2.__version__)}


def make(
    bitmap: Bitmap, recipe: Recipe, seed: int, key: str, variant: int, size: int | None
) -> tuple[Pair, Cut]:
    """The sample called (key, variant): a function of the arguments alone."""
    height, width = bitmap.rgb.shape[:2]
    clean, cut = crop(bitmap, size, seed, key, variant)
    px_per_mm = recipe.scale.px_per_mm(height, width) * cut.scale
    clean = as_clean(clean, recipe.draw_clean(seed, key, variant, px_per_mm))
    return degrade(clean, recipe.draw(seed, key, variant, px_per_mm), recipe.classes), cut


def as_clean(bitmap: Bitmap, drawn: Drawn, timings: Timings | None = None) -> Bitmap:
    """The clean image: ``bitmap`` with the recipe's clean steps applied; itself if there are none."""
    if not drawn.steps:
        return bitmap
    photo = drawn.apply(Photo(bitmap.rgb, drawn.px_per_mm), timings)
    return Bitmap(photo.levels(bitmap.bits), bitmap.alpha, bitmap.icc)


def crop(bitmap: Bitmap, size: int | None, seed: int, key: str, variant: int) -> tuple[Bitmap, Cut]:
    """A random square of ``size`` pixels; the whole photograph if None.

    A photograph with a side under ``size`` is first enlarged (cubic) until it holds the square.
    """
    if size is None:
        return bitmap, Cut(0, 0, 1.0)
    height, width = bitmap.rgb.shape[:2]
    scale = max(1.0, size / min(height, width))
    if scale > 1:
        height, width = max(size, math.ceil(height * scale)), max(size, math.ceil(width * scale))
        bitmap = _each(
            bitmap, lambda plane: cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC)
        )
    rng = stream(seed, key, variant, "crop")
    top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    window = (slice(top, top + size), slice(left, left + size))
    return _each(bitmap, lambda plane: plane[window]), Cut(left, top, scale)


def degrade(clean: Bitmap, drawn: Drawn, classes: tuple[str, ...], timings: Timings | None = None) -> Pair:
    """Render ``drawn`` over ``clean``; masks of ``classes`` that did not occur are blank.

    Starts from the integers that are written to disk, so the files and the record give the same pixels again.
    """
    alpha = None if clean.alpha is None else as_float(clean.alpha)
    photo = drawn.apply(Photo(clean.rgb, drawn.px_per_mm, alpha=alpha), timings)
    masks = _masks(photo, classes)
    opacity = None if photo.alpha is None else quantise(photo.alpha, clean.bits)
    degraded = Bitmap(photo.levels(clean.bits), opacity, clean.icc)
    return Pair(clean, degraded, masks, drawn)


def _masks(photo: Photo, classes: tuple[str, ...]) -> dict[str, Pixels]:
    """The mask of everything, then those of ``classes``; all blank ones are one array."""
    blank = np.zeros((photo.height, photo.width), np.uint8)
    drawn = {name: quantise(photo.masks[name]) for name in classes if name in photo.masks}
    every = _union([photo.masks[name] for name in drawn], list(drawn.values())) if drawn else blank
    return {ANY: every, **{name: drawn.get(name, blank) for name in classes}}


def _union(masks: list[Mask], levels: list[Pixels]) -> Pixels:
    """1 - (1 - a)(1 - b) ... of ``masks``, rounded; ``levels`` are each of them rounded."""
    every, twice = levels[0].copy(), np.zeros_like(levels[0])
    for level in levels[1:]:
        twice |= np.minimum(every, level)
        np.maximum(every, level, out=every)
    # Defects seldom lie on each other: only there is anything to work out.
    both = np.flatnonzero(twice != 0)
    spared = np.prod([1 - mask.reshape(-1)[both] for mask in masks], axis=0)
    every.reshape(-1)[both] = quantise(1 - spared).reshape(-1)
    return every


def _each(bitmap: Bitmap, change: Callable[[Any], Any]) -> Bitmap:
    """The bitmap with ``change`` made to its colours and to its alpha."""
    rgb, alpha = (
        None if plane is None else np.ascontiguousarray(change(plane)) for plane in (bitmap.rgb, bitmap.alpha)
    )
    assert rgb is not None
    return Bitmap(rgb, alpha, bitmap.icc)


def bitmap_hash(bitmap: Bitmap) -> str:
    """SHA-256 (hex) of colours and alpha."""
    if bitmap.alpha is None:
        return pixel_hash(bitmap.rgb)
    return pixel_hash(np.dstack([bitmap.rgb, bitmap.alpha]))
