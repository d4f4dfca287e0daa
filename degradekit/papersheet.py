"""A sheet of bare paper, seen where the picture is gone."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import pyramids
from degradekit.curves import Dots, draw
from degradekit.fields import Field
from degradekit.levels import Image
from degradekit.noisegrids import CUBIC_GAIN, hashed

#: Reflectance (sRGB) of white paper, and how far full yellowing moves it.
WHITE = np.array([0.95, 0.94, 0.92], dtype=np.float32)
YELLOWING = np.array([-0.07, -0.13, -0.30], dtype=np.float32)
#: Fibres of the sheet: per mm2, length, thickness.
FIBRES_PER_MM2 = 1.2
FIBRE_MM = 1.0
FIBRE_UM = 40.0
#: None is longer than this many times that.
FIBRE_REACH = 3.0
#: Side of the piece of paper that a larger sheet repeats.
PIECE_MM = 30.0
#: Thinner fibres than this part of a pixel cannot be seen and are left out.
THINNEST_PX = 0.08


def texture(
    shape: tuple[int, int], px_per_mm: float, yellowing: float, rng: Generator, seen: NDArray[np.int64]
) -> Image:
    """Bare paper in sRGB, (N, 3): cloudy formation, fibres, tooth lit from one side. Our choice.

    ``seen`` (N,) says at which pixels of a picture of that ``shape``, counted along its rows, rising. A large
    sheet repeats a piece of itself, there and back: little of it is ever seen.
    """
    row, column = np.divmod(seen, shape[1])
    height, width = (min(side, math.ceil(PIECE_MM * px_per_mm)) for side in shape)
    cloud = _noise((height, width), 4.0 * px_per_mm, rng, octaves=4, persistence=0.6)
    tooth = _noise((height, width), 0.4 * px_per_mm, rng, octaves=3, persistence=0.7)
    down, across = _there_and_back(shape[0], height) * width, _there_and_back(shape[1], width)

    def at(piece: Field, shift: int) -> Field:
        place = down[row + (1 + shift)] + across[column + (1 + shift)]
        found: Field = piece.take(place)
        return found

    clouds = at(cloud, 0)
    # The slope towards the light, which comes from the upper left.
    shade = np.float32(0.03 / 2) * (at(tooth, 1) - at(tooth, -1))
    shade += np.float32(0.02) * clouds
    shade += 1
    size_mm = min(shape[0] / px_per_mm, PIECE_MM), min(shape[1] / px_per_mm, PIECE_MM)
    shade -= np.float32(0.07) * _fibres(size_mm, px_per_mm, rng, row % height, column % width)
    tint = np.float32(yellowing) * (1 + np.float32(0.15) * clouds)
    paper: Image = (WHITE + tint[:, None] * YELLOWING) * shade[:, None]
    return paper.clip(0, 1, out=paper)


def _noise(
    shape: tuple[int, int], cell_px: float, rng: Generator, *, octaves: int, persistence: float
) -> Field:
    """``fields.fractal_noise`` with one phase for all octaves, which is several times as fast."""
    keys = rng.integers(2**32, size=(octaves, 2)).tolist()
    cell = max(cell_px, 1.0)
    top, left = (int(part * cell) for part in rng.random(2))
    seen = min(octaves, 1 + math.floor(math.log2(cell)))
    rows, columns = (math.ceil(side / cell) + 2 for side in shape)
    grids = (hashed(rows << octave, columns << octave, keys[octave]) for octave in range(seen))
    total = pyramids.stacked(grids, pyramids.gains(octaves, persistence))
    finest = cell / 2 ** (seen - 1)
    if finest == 1:  # Nothing lies between the points.
        total *= np.float32(CUBIC_GAIN)
    large = cv2.resize(total, None, fx=finest, fy=finest, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[top : top + shape[0], left : left + shape[1]], np.float32)


def _there_and_back(count: int, side: int) -> NDArray[np.int64]:
    """Places from -1 to ``count`` on a piece of that ``side``, which is mirrored at its ends."""
    place = np.arange(-1, count + 1) % (2 * side)
    return np.asarray(np.minimum(place, 2 * side - 1 - place))


def _fibres(
    size_mm: tuple[float, float],
    px_per_mm: float,
    rng: Generator,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Coverage by fibres (N,) at the pixels in these rows and columns of a piece of paper.

    A fibre that leaves on one side comes in on the other.
    """
    count = int(rng.poisson(FIBRES_PER_MM2 * size_mm[0] * size_mm[1]))
    if FIBRE_UM * 1e-3 * px_per_mm < THINNEST_PX or not row.size or not count:
        return np.zeros(row.shape, dtype=np.float32)
    turn, bow, grown = rng.uniform(0, 2 * math.pi, count), *rng.standard_normal((2, count), dtype=np.float32)
    start = rng.random((2, count), dtype=np.float32)
    opacity = rng.uniform(0.3, 1, count)
    points = max(4, math.ceil(FIBRE_MM * px_per_mm / 0.7))
    along, summed = _steps(points)
    heading = turn[:, None].astype(np.float32) + along * bow[:, None] * np.float32(1.5)
    length = FIBRE_MM * px_per_mm * np.minimum(np.exp(np.float32(0.4) * grown[:, None]), FIBRE_REACH)
    steps = cv2.polarToCart(np.repeat(length / np.float32(points), points, axis=1), heading)
    shape = math.ceil(size_mm[0] * px_per_mm), math.ceil(size_mm[1] * px_per_mm)
    x, y = (
        _wrapped(first[:, None] * np.float32(side) + step @ summed, side).ravel()
        for first, side, step in zip(start, shape[::-1], steps, strict=True)
    )
    # Only those near what is seen are drawn.
    near = np.zeros((shape[0] + 1, shape[1] + 1), np.uint8)
    near[row, column] = 1
    around = np.asarray(cv2.dilate(near, np.ones((5, 5), np.uint8)))
    chosen = np.flatnonzero(around.take(y.astype(np.intp) * near.shape[1] + x.astype(np.intp)))
    radius = np.full(chosen.size, FIBRE_UM * 5e-4 * px_per_mm, np.float32)
    weight = (opacity[chosen // points] * 0.7).astype(np.float32)
    return draw(shape, Dots(x[chosen], y[chosen], radius, weight)).reshape(-1).take(row * shape[1] + column)


@lru_cache(maxsize=16)
def _steps(points: int) -> tuple[Field, Field]:
    """Where the steps of a fibre lie along it, from -1/2 to 1/2, and a matrix that sums each and all before.

    As a product it takes an eighth of the time of numpy's running sum.
    """
    along = np.linspace(-0.5, 0.5, points, dtype=np.float32)
    return along, np.triu(np.ones((points, points), np.float32))


def _wrapped(place: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """``place`` modulo ``side``."""
    return np.asarray(place - np.floor(place * np.float32(1 / side)) * np.float32(side), np.float32)
