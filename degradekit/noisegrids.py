"""Grids of random numbers, each a function of its place alone, and the smooth noise between their points."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.levels import Plane
from degradekit.remapping import sampled
from degradekit.tables import look_up

#: Standard deviation of unit noise after cubic interpolation, averaged over the cell.
CUBIC_GAIN = 0.867
#: Noise whose grid points lie this far apart is drawn on pixels so many times larger.
COARSE_PX = 10.0
COARSER = 4
#: Pixels over which an average over a picture is taken.
MANY = 240
#: Shifts and factors of the integer hash, and the factor that spreads a sum's low bits over its high ones.
MIXING = ((np.uint32(16), np.uint32(0x7FEB352D)), (np.uint32(15), np.uint32(0x846CA68B)))
SPREADING = np.uint32(0x9E3779B1)
#: Grid points hashed at a time: few enough for the processor's cache.
HASHED_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Layer:
    """One octave of noise: distance of its grid points in pixels, standard deviation, and its random part.

    ``phase`` (x, y) is how many pixels of the grid, enlarged from its side on, come before the picture.
    """

    cell: float
    gain: float
    phase: tuple[float, float]
    keys: tuple[int, int]

    @staticmethod
    def drawn(cell: float, gain: float, rng: Generator) -> Layer:
        """A layer with numbers from ``rng``; as many whatever the others are."""
        # The first pixel lies between grid points 1 and 4, so the cubic's four neighbours always exist.
        across, down = (2.5 + rng.random(2)) * cell
        if cell < COARSE_PX:
            # So that it can be drawn by enlarging, which is five times as fast.
            across, down = np.rint((across, down))
        return Layer(cell, gain / _cubic_gain(cell), (float(across), float(down)), _keys(rng))

    def coarser(self) -> Layer:
        """The same noise on larger pixels."""
        across, down = self.phase
        return replace(self, cell=self.cell / COARSER, phase=(across / COARSER, down / COARSER))

    def drawn_on(self, shape: tuple[int, int], start: tuple[float, float]) -> Plane:
        """The noise on pixels from ``start`` (x, y) on, which may lie a cell outside the picture."""
        left, top = (phase + at for phase, at in zip(self.phase, start, strict=True))
        grid = self._grid(shape)
        if left.is_integer() and top.is_integer():
            large = cv2.resize(grid, None, fx=self.cell, fy=self.cell, interpolation=cv2.INTER_CUBIC)
            inner = slice(int(top), int(top) + shape[0]), slice(int(left), int(left) + shape[1])
            return np.asarray(large[inner], dtype=np.float32)
        step = 1 / self.cell
        right, low = ((skipped + 0.5) * step - 0.5 for skipped in (left, top))
        matrix = np.array([[step, 0, right], [0, step, low]], dtype=np.float64)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        field = cv2.warpAffine(grid, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(field, dtype=np.float32)

    def beside(self, rng: Generator) -> Layer:
        """Other noise on the same grid points."""
        return replace(self, keys=_keys(rng))

    def at(self, shape: tuple[int, int], x: Plane, y: Plane, *others: Layer) -> Plane:
        """The noise, and that of ``others`` on its grid points, at places (x, y) in pixels, each (N,), of a
        picture of that ``shape``: (N, 1 + others)."""
        step = np.float32(1 / self.cell)
        right, low = (np.float32((skipped + 0.5) / self.cell - 0.5) for skipped in self.phase)
        grids = np.dstack([layer._grid(shape) for layer in (self, *others)])
        return sampled(grids, x * step + right, y * step + low, cv2.INTER_CUBIC)

    def _grid(self, shape: tuple[int, int]) -> Plane:
        """The grid points that pixels of that ``shape`` may need."""
        rows, columns = (math.ceil(side / self.cell) + 7 for side in shape)
        grid = hashed(rows, columns, self.keys)
        grid *= np.float32(self.gain)
        return grid


def _keys(rng: Generator) -> tuple[int, int]:
    """Two numbers of 32 bits."""
    both = int(rng.integers(2**63))
    return both >> 31, both % 2**32


@lru_cache(maxsize=64)
def _cubic_gain(cell: float) -> float:
    """Standard deviation of unit noise after cubic interpolation, averaged over the picture.

    Fine grids may have a pixel on every point, or between points only.
    """
    if cell >= COARSE_PX:
        return CUBIC_GAIN
    if cell < 1:
        return 1.0  # Finer than a pixel: never drawn.
    part = ((np.arange(MANY) + 0.5) / cell - 0.5) % 1
    weights = _cubic(np.stack([1 + part, part, 1 - part, 2 - part]))
    return float((weights**2).sum(axis=0).mean())


def _cubic(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """OpenCV's kernel of cubic interpolation at a distance ``away`` of 0 to 2 grid points."""
    near = (1.25 * away - 2.25) * away**2 + 1
    far = -0.75 * (((away - 5) * away + 8) * away - 4)
    return np.where(away < 1, near, far)


def hashed(rows: int, columns: int, keys: tuple[int, int]) -> Plane:
    """Normal variates (rows, columns), each a function of its own row and column and of ``keys`` alone, two
    numbers of 32 bits.

    So a grid with more points holds the smaller one, whatever way rounding made them differ.
    What lies 65,536 rows or columns apart is alike.
    """
    numbers = _numbers()
    down, across = (
        numbers.take(np.arange(key % numbers.size, key % numbers.size + count), mode="wrap")
        for key, count in zip(keys, (rows, columns), strict=True)
    )
    across ^= np.uint32(keys[0] & 0xFFFF0000 | keys[1] >> 16)
    grid = np.empty((rows, columns), np.float32)
    band = max(1, HASHED_AT_ONCE // columns)
    for start in range(0, rows, band):
        number = down[start : start + band, None] ^ across
        number *= SPREADING
        number >>= np.uint32(16)
        look_up(_shuffled_quantiles(), number.astype(np.uint16), grid[start : start + band])
    return grid


@lru_cache(maxsize=1)
def _numbers() -> NDArray[np.uint32]:
    """65,536 numbers of 32 bits that have nothing in common: 0, 1, 2, ... hashed.

    The hash is lowbias32 (C. Wellons, public domain).
    """
    values = np.arange(2**16, dtype=np.uint32)
    for shift, factor in MIXING:
        values ^= values >> shift
        values *= factor
    return values ^ (values >> MIXING[0][0])


@lru_cache(maxsize=1)
def _shuffled_quantiles() -> Plane:
    """The normal distribution in an order in which neighbours have nothing in common."""
    return quantiles(16)[np.argsort(_numbers(), kind="stable")]


@lru_cache(maxsize=2)
def quantiles(bits: int) -> Plane:
    """The normal distribution as 2 to the power ``bits`` equally likely values, of unit variance.

    Zeros follow, up to 65,536 numbers.
    """
    normal, count = NormalDist(), 2**bits
    values = np.array([normal.inv_cdf((number + 0.5) / count) for number in range(count)])
    return np.pad(np.asarray(values / values.std(), np.float32), (0, 2**16 - count))
