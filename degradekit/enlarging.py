"""Fields that vary over many pixels, made on larger pixels and enlarged: far less work for the same field."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit.fields import PAD, Field

#: Rows and columns of a part of a picture, each from a start to a stop.
Window: TypeAlias = tuple[slice, slice]

#: The finest detail of a field spans this many of the larger pixels, or more.
DETAIL = 1.4
#: Most that pixels are enlarged.
LARGEST = 16


def times_larger(detail_px: float) -> int:
    """How many times larger pixels may be for a field whose finest detail spans ``detail_px`` pixels."""
    return max(1, min(int(detail_px / DETAIL), LARGEST))


def coarse_shape(shape: tuple[int, int], times: int) -> tuple[int, int]:
    """Rows and columns of pixels ``times`` larger that hold a picture of ``shape``."""
    return -(-shape[0] // times), -(-shape[1] // times)


def border_distance(shape: tuple[int, int], times: int) -> Field:
    """Pixels from the centres of pixels ``times`` larger to the nearest side of a picture of ``shape``.

    Negative where such a centre lies outside the picture.
    """
    down, across = (
        (np.arange(count, dtype=np.float32) + np.float32(0.5)) * np.float32(times)
        for count in coarse_shape(shape, times)
    )
    down, across = np.minimum(down, shape[0] - down), np.minimum(across, shape[1] - across)
    return np.asarray(np.minimum(down[:, None], across), dtype=np.float32)


def whole(shape: tuple[int, int]) -> Window:
    """All of a picture of ``shape``."""
    return slice(0, shape[0]), slice(0, shape[1])


def enlarged(coarse: Field, times: int, window: Window) -> Field:
    """The part of ``coarse`` that ``window`` holds, which is given in pixels ``times`` smaller; cubic.

    Beyond its sides a field goes on as it came to them, so that no slope flattens there.
    """
    if times == 1:
        return coarse[window]
    beside, mirrored = (
        cv2.copyMakeBorder(coarse, PAD, PAD, PAD, PAD, how)
        for how in (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)
    )
    around = np.float32(2) * beside - mirrored
    part = around[tuple(slice(side.start // times, -(-side.stop // times) + 2 * PAD) for side in window)]
    size = (times * part.shape[1], times * part.shape[0])
    fine = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)
    top, left = (times * PAD + side.start % times for side in window)
    height, width = (side.stop - side.start for side in window)
    return np.asarray(fine[top : top + height, left : left + width], dtype=np.float32)


def window_of(chosen: NDArray[np.bool_], times: int, shape: tuple[int, int]) -> Window:
    """The smallest part of a picture of ``shape`` that holds all ``chosen`` pixels, ``times`` larger ones.

    At least one is.
    """
    rows, columns = (np.flatnonzero(chosen.any(axis=axis)) for axis in (1, 0))
    ends = zip((rows, columns), shape, strict=True)
    top, left = (slice(int(at[0]) * times, min((int(at[-1]) + 1) * times, side)) for at, side in ends)
    return top, left
