"""Reading pictures at places between their pixels, however large they are."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

#: OpenCV reads pictures with sides under this, and gives such.
LIMIT = 32_767
#: Larger ones are taken in parts of at most this side.
PART = 16_384
#: Pixels around a place that cubic interpolation may need.
AROUND = 3

Values = NDArray[np.float32]


def remapped(
    picture: Values, x: Values, y: Values, how: int = cv2.INTER_LINEAR, border: int = cv2.BORDER_REPLICATE
) -> Values:
    """``picture``, (H, W) or (H, W, 3), at the places ``x`` and ``y`` in pixels, both (M, N).

    ``how`` is OpenCV's interpolation, ``border`` what it takes to lie around the picture. The same as
    ``cv2.remap``, which stops at sides of 32,766 pixels.
    """
    result = np.empty((*x.shape, *picture.shape[2:]), np.float32)
    parts = ((top, left) for top in range(0, x.shape[0], PART) for left in range(0, x.shape[1], PART))
    for top, left in parts:
        part = slice(top, top + PART), slice(left, left + PART)
        _fill(result[part], picture, x[part], y[part], how, border)
    return result


def sampled(picture: Values, x: Values, y: Values, how: int = cv2.INTER_LINEAR) -> Values:
    """``picture`` at single places, ``x`` and ``y`` both (N,): (N,) or (N, 3); mirrored at its sides."""
    return remapped(picture, x[None], y[None], how, cv2.BORDER_REFLECT).reshape(-1, *picture.shape[2:])


def _fill(result: Values, picture: Values, x: Values, y: Values, how: int, border: int) -> None:
    """``remapped`` to fewer places than the limit, which may lie far apart."""
    height, width = picture.shape[:2]
    if max(height, width) >= LIMIT:
        (left, right), (top, bottom) = _reach(x, width), _reach(y, height)
        if max(right - left, bottom - top) >= LIMIT:
            axis = int(np.argmax(x.shape))
            halves = (np.array_split(values, 2, axis) for values in (result, x, y))
            for part, across, down in zip(*halves, strict=True):
                _fill(part, picture, across, down, how, border)
            return
        picture = np.ascontiguousarray(picture[top:bottom, left:right])
        x, y = x - np.float32(left), y - np.float32(top)
    cv2.remap(picture, x, y, how, dst=result, borderMode=border, borderValue=0)


def _reach(places: Values, side: int) -> tuple[int, int]:
    """From which pixel to which other the ``places`` along a ``side`` may need, also those mirrored in it."""
    low, high = math.floor(float(places.min())), math.ceil(float(places.max()))
    first = min(low, 2 * (side - 1) - high) if high >= side else low
    last = max(high, -low) if low < 0 else high
    return max(0, min(first - AROUND, side - 1)), min(side, max(last + AROUND + 1, 1))
