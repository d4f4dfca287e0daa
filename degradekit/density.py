"""sRGB, linear light and optical density: D = -log10(reflectance)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit.photo import Image, Mask

#: Reflectance added before the logarithm, so that black has density 2.7 (a good glossy print's) and the
#: conversion is its own inverse for every pixel.
FLARE = np.float32(0.002)
#: Pixels that are converted at a time.
BAND_PIXELS = 1 << 14
#: The curves are tables of 16 bits: five times as fast as powers and logarithms, and finer than any file.
STEPS = 65535
#: OpenCV looks up in tables of 16 bits from version 5 on, faster than numpy does.
WIDE_LOOKUP = int(cv2.__version__.split(".")[0]) >= 5
#: Densities outside these give white and black.
DENSITIES = (-0.5, 4.5)


def to_linear(image: Image) -> Image:
    """sRGB-encoded values, clipped to [0, 1], to linear light (IEC 61966-2-1)."""
    return _looked_up(image, _linear_table())


def to_srgb(linear: Image) -> Image:
    """Linear light to sRGB-encoded values, clipped to [0, 1] (IEC 61966-2-1)."""
    # Steps that are even in the square root are fine in the shadows, where the curve is steep.
    root = np.maximum(linear, 0)
    return _looked_up(np.sqrt(root, out=root), _srgb_table())


def to_density(image: Image) -> Image:
    """sRGB-encoded values, clipped to [0, 1], to optical density per channel; paper white is 0."""
    return _looked_up(image, _density_table())


def from_density(density: Image) -> Image:
    """Optical density per channel back to sRGB-encoded values in [0, 1]."""
    low, high = DENSITIES
    return _looked_up((density - np.float32(low)) * np.float32(1 / (high - low)), _from_density_table())


def through(image: Image, added: Image) -> Image:
    """The sRGB-encoded image seen through a layer of density ``added`` per channel, (H, W, 3); it may be
    negative where something was washed out."""
    passed = np.asarray(cv2.exp(added * np.float32(-np.log(10))), dtype=np.float32).reshape(added.shape)
    return _passed_through(image, passed)


def stained(image: Image, amount: Mask, colour: Image) -> Image:
    """``through`` a layer of density ``amount`` (H, W) times ``colour`` (3,)."""
    exponents = [amount * np.float32(-np.log(10) * float(density)) for density in colour]
    return _passed_through(image, np.asarray(cv2.exp(cv2.merge(exponents)), dtype=np.float32))


def _passed_through(image: Image, passed: Image) -> Image:
    light = to_linear(image)
    light += FLARE
    light *= passed
    light -= FLARE
    return to_srgb(light)


def spread(plane: Mask) -> Image:
    """A plane (H, W) for each of three channels, (H, W, 3): far quicker to use than ``[..., None]``."""
    return np.asarray(cv2.merge([plane, plane, plane]), dtype=np.float32)


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


def in_bands(change: Callable[..., Image], image: Image, *planes: Mask) -> Image:
    """``change(image, *planes)`` for a ``change`` that treats each pixel by itself, some rows at a time.

    So a scan of 100 megapixels needs no further large arrays, and a band stays in the processor's cache.
    Takes an ``image`` over that can be written to.
    """
    result = image if image.flags.writeable else np.empty_like(image)
    rows = max(1, BAND_PIXELS // image.shape[1])
    for start in range(0, len(image), rows):
        band = slice(start, start + rows)
        result[band] = change(image[band], *(plane[band] for plane in planes))
    return result


def _looked_up(values: Image, table: NDArray[np.float32]) -> Image:
    """``table`` at ``values`` in [0, 1], which are clipped."""
    if values.size > 6 * BAND_PIXELS and len(values) > 1:
        result = np.empty_like(values)
        rows = max(1, len(values) * 3 * BAND_PIXELS // values.size)
        for start in range(0, len(values), rows):
            result[start : start + rows] = _looked_up(values[start : start + rows], table)
        return result
    index = values * np.float32(STEPS)
    index += np.float32(0.5)
    np.clip(index, 0, STEPS, out=index)
    whole = index.astype(np.uint16)
    if not (WIDE_LOOKUP and whole.size):
        return np.take(table, whole)
    found = cv2.LUT(whole.reshape(len(whole), -1), table)
    return np.asarray(found, dtype=np.float32).reshape(whole.shape)


def _steps() -> NDArray[np.float64]:
    return np.arange(STEPS + 1) / STEPS


@lru_cache(maxsize=1)
def _linear_table() -> NDArray[np.float32]:
    return _linear(_steps()).astype(np.float32)


@lru_cache(maxsize=1)
def _srgb_table() -> NDArray[np.float32]:
    return _srgb(_steps() ** 2).astype(np.float32)


@lru_cache(maxsize=1)
def _density_table() -> NDArray[np.float32]:
    return (-np.log10(_linear(_steps()) + FLARE)).astype(np.float32)


@lru_cache(maxsize=1)
def _from_density_table() -> NDArray[np.float32]:
    low, high = DENSITIES
    return _srgb(np.clip(10 ** -(low + (high - low) * _steps()) - FLARE, 0, 1)).astype(np.float32)


def _linear(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _srgb(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
