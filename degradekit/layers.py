"""Laying paint, dirt and bared paper over a picture in linear light, only where there is any."""

from __future__ import annotations

import numpy as np

from degradekit.density import to_linear, to_srgb
from degradekit.photo import Image, Mask


def covered(below: Image, colour: Image, alpha: Mask) -> Image:
    """``colour`` (sRGB; (3,) or (H, W, 3)) over ``below`` with coverage ``alpha`` (H, W).

    A pixel half covered gives off half the light of each, so the mixing is in linear light.
    """
    chosen = np.flatnonzero(alpha)
    picture = below.copy()
    if chosen.size == 0:
        return picture
    flat = picture.reshape(-1, 3)
    paint = colour.reshape(-1, 3)
    light = to_linear(flat[chosen])
    light += alpha.reshape(-1)[chosen, None] * (
        to_linear(paint if len(paint) == 1 else paint[chosen]) - light
    )
    flat[chosen] = to_srgb(light)
    return picture


def filtered(below: Image, density: Image) -> Image:
    """``below`` seen through a layer that adds ``density``, (H, W) or (H, W, 3)."""
    planes = density.reshape(*below.shape[:2], -1)
    chosen = np.flatnonzero(planes.any(axis=2))
    picture = below.copy()
    if chosen.size == 0:
        return picture
    flat = picture.reshape(-1, 3)
    passed = np.power(np.float32(10), -planes.reshape(-1, planes.shape[2])[chosen])
    flat[chosen] = to_srgb(to_linear(flat[chosen]) * passed)
    return picture
