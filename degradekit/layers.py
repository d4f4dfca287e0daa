"""Laying paint, dirt and bared paper over a picture in linear light, only where there is any.

Functions take the picture ``below`` over if it can be written to, and leave one that cannot as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit.coverage import Coverage, touched
from degradekit.density import from_density, mixed, to_density, to_linear, to_srgb, veil
from degradekit.levels import Image, Mask
from degradekit.photo import picked, put, taken

#: Pixels that are looked through together for what is tinted: usually a small part of them.
TINTED_AT_ONCE = 1 << 17


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


def tinted(below: Image, *stains: tuple[Mask, Image]) -> tuple[Image, Mask]:
    """``below`` seen through up to three layers that add a density amount (H, W) times a colour (3,).

    And how opaque they are together, (H, W): their ``veil``, where what is washed out counts as well.
    """
    picture, hidden = taken(below), np.zeros(below.shape[:2], np.float32)
    colours = np.stack([colour for _, colour in stains])
    weights = np.abs(colours).sum(axis=1)
    rows = max(1, TINTED_AT_ONCE // picture.shape[1])
    for start in range(0, len(picture), rows):
        band = slice(start, start + rows)
        amounts = [amount[band] for amount, _ in stains]
        chosen = touched(amounts)
        if chosen.size:
            amounts = [amount.reshape(-1).take(chosen) for amount in amounts]
            density = to_density(picked(picture[band], chosen))
            density += _summed(amounts, colours)
            put(picture[band], chosen, from_density(density, out=density))
            opaque = sum(amount * weight for amount, weight in zip(amounts, weights, strict=True))
            hidden[band].reshape(-1)[chosen] = veil(np.asarray(opaque), np.ones(1, np.float32))
    return picture, hidden


def _summed(amounts: Sequence[Mask], colours: Image) -> Image:
    """One to three amounts (N,), each times one of the ``colours`` (1 to 3, 3): (N, 3)."""
    # Three channels to three: OpenCV does other numbers of them many times slower.
    matrix = np.zeros((3, 3))
    matrix[:, : len(colours)] = colours.T
    three = [amounts[min(number, len(amounts) - 1)][None] for number in range(3)]
    summed: Image = mixed(np.asarray(cv2.merge(three), np.float32), matrix)[0]
    return summed
