"""Laying paint, dirt and bared paper over a picture in linear light, only where there is any.

Functions take the picture ``below`` over if it can be written to, and leave one that cannot as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from degradekit.coverage import Coverage, touched
from degradekit.density import from_density, in_bands, to_density, to_linear, to_srgb
from degradekit.levels import Image, Mask
from degradekit.photo import picked, put, taken


def covered(below: Image, *coats: tuple[Image, Mask]) -> Image:
    """Coats over ``below``, the last on top: a colour (sRGB; (3,) or (H, W, 3)) and its coverage (H, W).

    A pixel half covered gives off half the light of each, so the mixing is in linear light.
    """
    chosen = touched([alpha for _, alpha in coats])
    amounts = (alpha.reshape(-1)[chosen] for _, alpha in coats)
    return _coated(below, chosen, [colour for colour, _ in coats], amounts)


def coated(below: Image, coverage: Coverage, *colours: Image) -> Image:
    """``covered`` where it is known what is: each layer of the coverage has its colour, the last on top."""
    return _coated(below, coverage.touched, colours, coverage.amounts)


def _coated(
    below: Image, chosen: NDArray[np.intp], colours: Sequence[Image], amounts: Iterable[NDArray[np.float32]]
) -> Image:
    picture = taken(below)
    if chosen.size == 0:
        return picture
    light = to_linear(picked(picture, chosen))
    for colour, amount in zip(colours, amounts, strict=True):
        paint = to_linear(colour if colour.ndim == 1 else picked(colour, chosen))
        light += amount[:, None] * (paint - light)
    put(picture, chosen, to_srgb(light))
    return picture


def tinted(below: Image, *stains: tuple[Mask, Image]) -> Image:
    """``below`` seen through layers that add a density amount (H, W) times a colour (3,)."""

    def seen(part: Image, *amounts: Mask) -> Image:
        chosen = touched(amounts)
        picture = taken(part)
        if chosen.size == 0:
            return picture
        density = to_density(picked(picture, chosen))
        for amount, (_, colour) in zip(amounts, stains, strict=True):
            density += amount.reshape(-1)[chosen, None] * colour
        put(picture, chosen, from_density(density))
        return picture

    return in_bands(seen, below, *(amount for amount, _ in stains))
