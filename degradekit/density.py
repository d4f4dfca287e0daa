"""sRGB, linear light and optical density: D = -log10(reflectance)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from degradekit.photo import Image, Mask

#: Reflectance added before the logarithm, so that black has density 2.7 (a good glossy print's) and the
#: conversion is its own inverse for every pixel.
FLARE = np.float32(0.002)
#: Pixels that are converted at a time.
BAND_PIXELS = 1 << 16


def to_linear(image: Image) -> Image:
    """sRGB-encoded values in [0, 1] to linear light (IEC 61966-2-1)."""
    low = image * np.float32(1 / 12.92)
    high = cv2.pow((image + np.float32(0.055)) * np.float32(1 / 1.055), 2.4)
    return np.where(image <= 0.04045, low, high).astype(np.float32)


def to_srgb(linear: Image) -> Image:
    """Linear light to sRGB-encoded values, clipped to [0, 1] (IEC 61966-2-1)."""
    clipped = np.clip(linear, 0, 1)
    high = cv2.pow(clipped, 1 / 2.4) * np.float32(1.055) - np.float32(0.055)
    return np.where(clipped <= 0.0031308, clipped * np.float32(12.92), high).astype(np.float32)


def to_density(image: Image) -> Image:
    """sRGB-encoded values to optical density per channel; paper white is 0."""
    return np.asarray(cv2.log(to_linear(image) + FLARE) * np.float32(-1 / np.log(10)), dtype=np.float32)


def from_density(density: Image) -> Image:
    """Optical density per channel back to sRGB-encoded values in [0, 1]."""
    return to_srgb(np.asarray(cv2.exp(density * np.float32(-np.log(10))), dtype=np.float32) - FLARE)


def through(image: Image, added: Image) -> Image:
    """The sRGB-encoded image seen through a layer of density ``added`` per channel, (H, W, 3); it may be
    negative where something was washed out."""
    passed = np.asarray(cv2.exp(added * np.float32(-np.log(10))), dtype=np.float32)
    return to_srgb((to_linear(image) + FLARE) * passed - FLARE)


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
    """
    result = np.empty_like(image)
    rows = max(1, BAND_PIXELS // image.shape[1])
    for start in range(0, len(image), rows):
        band = slice(start, start + rows)
        result[band] = change(image[band], *(plane[band] for plane in planes))
    return result
