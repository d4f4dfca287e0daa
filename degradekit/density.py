"""sRGB, linear light and optical density: D = -log10(reflectance)."""

from __future__ import annotations

import cv2
import numpy as np

from degradekit.photo import Image, Mask

#: Reflectance added before the logarithm, so that black has density 2.7 (a good glossy print's) and the
#: conversion is its own inverse for every pixel.
FLARE = np.float32(0.002)


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


def veil(added: Image) -> Mask:
    """Opacity (H, W) of a layer of that density per channel.

    1 - the product of what red, green and blue let through: a rust spot that only stops blue still
    counts, and one that stops all light is 1. Our choice.
    """
    summed = np.maximum(added.sum(axis=2), 0)
    return np.asarray(1 - cv2.exp(summed * np.float32(-np.log(10))), dtype=np.float32).reshape(summed.shape)
