"""sRGB, linear light and optical density: D = -log10(reflectance)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit.levels import Image, Mask, Pixels
from degradekit.photo import Change
from degradekit.tables import look_up

#: Reflectance added before the logarithm, so that black has density 2.7 (a good glossy print's) and the
#: conversion is its own inverse for every pixel.
FLARE = np.float32(0.002)
#: Pixels that are converted at a time.
BAND_PIXELS = 1 << 16
#: And looked up at a time: few enough that their integers take no memory to speak of.
LOOKED_UP_AT_ONCE = 1 << 19
#: The curves are tables of so many steps: five times as fast as powers and logarithms; there and back
#: they are at most 4 of 65,535 parts off. Whole numbers of files have tables of their own, which are exact.
STEPS = 32767
#: Densities outside these are white and black.
DENSITIES = (-0.01, 2.99)

Curve: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def to_linear(image: Image | Pixels) -> Image:
    """sRGB-encoded values, clipped to [0, 1], or whole numbers, to linear light (IEC 61966-2-1)."""
    return _looked_up(image, _linear)


def to_srgb(linear: Image, out: Image | None = None) -> Image:
    """Linear light to sRGB-encoded values, clipped to [0, 1] (IEC 61966-2-1); written to ``out`` if given."""
    # Steps that are even in the square root are fine in the shadows, where the curve is steep.
    if not linear.size:
        return linear
    # The root of what is under 0 is no number; that is rounded to 0.
    root = cv2.sqrt(linear)
    return _looked_up(np.asarray(root, np.float32).reshape(linear.shape), _srgb_of_root, out=out)


def to_density(image: Image | Pixels) -> Image:
    """sRGB-encoded values, clipped to [0, 1], or whole numbers, to optical density; white is 0."""
    return _looked_up(image, _density)


def from_density(density: Image, out: Image | None = None, plus: Image | None = None) -> Image:
    """Optical density per channel, with ``plus`` added, back to sRGB-encoded values in [0, 1]; written to
    ``out`` if given."""
    low, high = DENSITIES
    return _looked_up(density, _srgb_of_density, 1 / (high - low), -low / (high - low), out, plus)


def through(image: Image, added: Image, out: Image | None = None) -> Image:
    """The sRGB-encoded image seen through a layer of density ``added`` per channel, (H, W, 3); it may be
    negative where something was washed out. Written to ``out`` if given."""
    return from_density(to_density(image), out, plus=added)


def spread(plane: Mask, colour: Image | None = None) -> Image:
    """A plane (H, W) for each of three channels, (H, W, 3): far quicker to use than ``[..., None]``.

    Times ``colour`` (3,) if that is given.
    """
    three = np.asarray(cv2.cvtColor(np.ascontiguousarray(plane), cv2.COLOR_GRAY2RGB), dtype=np.float32)
    if colour is not None:
        # Along whole rows, not three numbers at a time.
        rows = three.reshape(len(three), -1)
        rows *= np.tile(colour.astype(np.float32), plane.shape[1])
    return three


def mixed(image: Image, matrix: NDArray[np.float64]) -> Image:
    """``matrix`` (N, 3), or (N, 4) with a column that is added, times every pixel: (H, W, N).

    (H, W) where N is 1.
    """
    return np.asarray(cv2.transform(image, np.asarray(matrix, np.float64)), dtype=np.float32)


def veil(amount: Mask, colour: Image) -> Mask:
    """Opacity (H, W) of a layer of density ``amount`` (H, W) times ``colour`` (3,).

    1 - the product of what red, green and blue let through: a rust spot that only stops blue still
    counts, and one that stops all light is 1. Our choice.
    """
    passed = cv2.exp(amount * np.float32(-np.log(10) * colour.sum()))
    return np.asarray(1 - passed, dtype=np.float32).reshape(amount.shape)


def developed(image: Image | Pixels, changes: Sequence[Change]) -> Image:
    """``image`` with ``changes`` made to its optical densities; see ``Photo.changed``."""
    return _converted(image, changes, to_density, from_density)


def exposed(image: Image | Pixels, changes: Sequence[Change]) -> Image:
    """``image`` with ``changes`` made to its linear light; see ``Photo.changed``."""
    return _converted(image, changes, to_linear, to_srgb)


def _converted(
    image: Image | Pixels,
    changes: Sequence[Change],
    there: Callable[[Image | Pixels], Image],
    back: Callable[[Image, Image], Image],
) -> Image:
    planes = [plane for _, own in changes for plane in own]
    mine = image.dtype == np.float32 and image.flags.writeable
    result = np.asarray(image, np.float32) if mine else np.empty(image.shape, np.float32)

    def changed(part: Image, given: Image | Pixels, *bands: Mask) -> Image:
        values, left = there(given), iter(bands)
        for change, own in changes:
            values = change(values, *islice(left, len(own)))
        return back(values, part)

    return in_bands(changed, result, image, *planes)


def in_bands(change: Callable[..., Image], image: Image, *planes: Mask | Pixels) -> Image:
    """``change(image, *planes)`` for a ``change`` that treats each pixel by itself, some rows at a time.

    So a scan of 100 megapixels needs no further large arrays, and a band stays in the processor's cache.
    Takes an ``image`` over that can be written to; a ``change`` that gives back the part it got, written to,
    is spared a copy.
    """
    result = image if image.flags.writeable else np.empty_like(image)
    rows = max(1, BAND_PIXELS // image.shape[1])
    for start in range(0, len(image), rows):
        band = slice(start, start + rows)
        part = image[band]
        changed = change(part, *(plane[band] for plane in planes))
        if changed is not part:
            result[band] = changed
    return result


def _looked_up(
    values: Image | Pixels,
    curve: Curve,
    scale: float = 1.0,
    offset: float = 0.0,
    out: Image | None = None,
    plus: Image | None = None,
) -> Image:
    """``curve`` at ``scale`` times ``values`` (and ``plus``) plus ``offset``, clipped to [0, 1].

    Whole numbers are looked up as they are.
    """
    result = np.empty(values.shape, np.float32) if out is None else out
    if not values.size:
        return result
    if values.dtype == np.uint8:
        cv2.LUT(values.reshape(len(values), -1), _table(curve, 255), dst=result.reshape(len(values), -1))
        return result
    if values.dtype == np.uint16:
        look_up(_table(curve, 65535), np.asarray(values, np.uint16), result)
        return result
    table = _table(curve, STEPS)
    rows = max(1, len(values) * 3 * LOOKED_UP_AT_ONCE // values.size)
    for start in range(0, len(values), rows):
        band, found = values[start : start + rows], result[start : start + rows]
        second, weight = (band, 0.0) if plus is None else (plus[start : start + rows], scale * STEPS)
        # Scales, adds, rounds and clips at once.
        whole = cv2.addWeighted(band, scale * STEPS, second, weight, offset * STEPS, dtype=cv2.CV_16U)
        look_up(table, np.asarray(whole, np.uint16).reshape(found.shape), found)
    return result


@lru_cache(maxsize=16)
def _table(curve: Curve, steps: int) -> NDArray[np.float32]:
    """The curve at so many even steps from 0 to 1, and its end for all that lies beyond."""
    table = curve(np.arange(steps + 1) / steps).astype(np.float32)
    return table if steps == 255 else np.pad(table, (0, 65535 - steps), mode="edge")


def _linear(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _srgb(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _srgb_of_root(root: NDArray[np.float64]) -> NDArray[np.float64]:
    return _srgb(root**2)


def _density(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log10(_linear(encoded) + FLARE)


def _srgb_of_density(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of densities from the first of DENSITIES to the second."""
    low, high = DENSITIES
    return _srgb(np.clip(10 ** -(low + (high - low) * part) - FLARE, 0, 1))
