"""Laying paint, dirt and bared paper over a picture in linear light, only where there is any.

Functions take the picture ``below`` over if it can be written to, and leave one that cannot as it is.
"""

from __future__ import annotations

import numpy as np

from degradekit.density import in_bands, through, to_linear, to_srgb
from degradekit.photo import Image, Mask, taken


def covered(below: Image, *coats: tuple[Image, Mask]) -> Image:
    """Coats over ``below``, the last on top: a colour (sRGB; (3,) or (H, W, 3)) and its coverage (H, W).

    A pixel half covered gives off half the light of each, so the mixing is in linear light.
    """
    chosen = np.flatnonzero(np.any([alpha.reshape(-1) != 0 for _, alpha in coats], axis=0))
    picture = taken(below)
    if chosen.size == 0:
        return picture
    flat = picture.reshape(-1, 3)
    light = to_linear(flat[chosen])
    for colour, alpha in coats:
        paint = colour.reshape(-1, 3)
        paint = to_linear(paint if len(paint) == 1 else paint[chosen])
        light += alpha.reshape(-1)[chosen, None] * (paint - light)
    flat[chosen] = to_srgb(light)
    return picture


def tinted(below: Image, *stains: tuple[Mask, Image]) -> Image:
    """``below`` seen through layers that add a density amount (H, W) times a colour (3,)."""

    def seen(part: Image, *amounts: Mask) -> Image:
        chosen = np.flatnonzero(np.any([amount.reshape(-1) != 0 for amount in amounts], axis=0))
        picture = taken(part)
        if chosen.size == 0:
            return picture
        flat = picture.reshape(-1, 3)
        density = np.zeros((len(chosen), 3), np.float32)
        for amount, (_, colour) in zip(amounts, stains, strict=True):
            density += amount.reshape(-1)[chosen, None] * colour
        flat[chosen] = through(flat[chosen], density)
        return picture

    return in_bands(seen, below, *(amount for amount, _ in stains))
