"""Procedural fields: smooth and fractal noise, paper, displacement. Arrays in, float32 arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import TypeAlias

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.tables import look_up

Field: TypeAlias = NDArray[np.float32]

#: Standard deviation of unit noise after cubic interpolation, averaged over the cell.
CUBIC_GAIN = 0.867
#: Noise whose grid points lie this far apart is drawn on pixels so many times larger, PAD more on each side.
COARSE_PX = 10.0
COARSER = 4
PAD = 2
#: Pixels over which an average over a picture is taken.
MANY = 240
#: Steps of the normal distribution in noise: 2 to this power.
QUANTILE_BITS = 12
#: Shifts and factors of the integer hash.
MIXING = ((np.uint32(16), np.uint32(0x7FEB352D)), (np.uint32(15), np.uint32(0x846CA68B)))
#: Grid points hashed at a time: few enough for the processor's cache.
HASHED_AT_ONCE = 1 << 14
#: Windows of one plane of noise lie within this many pixels of each other.
APART = 48
#: Places at which a grid is read at a time.
SAMPLED_AT_ONCE = 1 << 14
#: Most that pixels are divided for fine drawing, and how many of those are drawn at a time.
FINEST = 4
FINE_PIXELS = 1 << 19
#: Displacements stay under this part of the distance between grid points, so that no fold can appear.
NO_FOLD = 0.4


def smooth_noise(shape: tuple[int, int], cell_px: float, rng: Generator) -> Field:
    """Gaussian noise that varies over about ``cell_px`` pixels: zero mean, unit variance in expectation.

    A random grid, interpolated cubically; its phase is random, so no feature sits at the picture's corner.
    It takes the same numbers from ``rng`` whatever the shape, and with ``cell_px`` in proportion to the
    resolution it is the same field at any resolution. Source: our choice.
    """
    return _summed(shape, [_Layer.drawn(max(cell_px, 1.0), 1.0, rng)], (0.0, 0.0))


def fractal_noise(
    shape: tuple[int, int], cell_px: float, rng: Generator, *, octaves: int = 5, persistence: float = 0.55
) -> Field:
    """Sum of ``smooth_noise`` at ``cell_px``, half of it, ...; each octave ``persistence`` times as strong.

    Zero mean, unit variance in expectation. Octaves finer than a pixel are left out; the others stay as
    strong as they are where all are seen. Source: our choice.
    """
    return _summed(shape, _octaves(cell_px, rng, octaves, persistence), (0.0, 0.0))


def _octaves(cell_px: float, rng: Generator, octaves: int, persistence: float) -> list[_Layer]:
    gains = persistence ** np.arange(octaves)
    gains /= np.sqrt((gains**2).sum())
    cells = [cell_px / 2**octave if octave else max(cell_px, 1.0) for octave in range(octaves)]
    layers = [_Layer.drawn(cell, float(gain), rng) for cell, gain in zip(cells, gains, strict=True)]
    return [layer for layer in layers if layer.cell >= 1]


@dataclass(frozen=True, slots=True)
class _Layer:
    """One octave of noise: distance of its grid points in pixels, standard deviation, and its random part.

    ``phase`` (x, y) is how many pixels of the grid, enlarged from its side on, come before the picture.
    """

    cell: float
    gain: float
    phase: tuple[float, float]
    keys: tuple[int, int]

    @staticmethod
    def drawn(cell: float, gain: float, rng: Generator) -> _Layer:
        # The first pixel lies between grid points 1 and 4, so the cubic's four neighbours always exist.
        across, down = (2.5 + rng.random(2)) * cell
        if cell < COARSE_PX:
            # So that it can be drawn by enlarging, which is five times as fast.
            across, down = np.rint((across, down))
        right, low = rng.integers(2**32, size=2)
        return _Layer(cell, gain / _cubic_gain(cell), (float(across), float(down)), (int(right), int(low)))

    def coarser(self) -> _Layer:
        """The same noise on larger pixels."""
        across, down = self.phase
        return replace(self, cell=self.cell / COARSER, phase=(across / COARSER, down / COARSER))

    def drawn_on(self, shape: tuple[int, int], start: tuple[float, float]) -> Field:
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

    def at(self, shape: tuple[int, int], x: Field, y: Field) -> Callable[[float, float], Field]:
        """The noise at places (x, y) in pixels, each (N,), of a picture of that ``shape``, by a shift."""
        step, grid = np.float32(1 / self.cell), self._grid(shape)
        right, low = (np.float32((skipped + 0.5) / self.cell - 0.5) for skipped in self.phase)
        column, row = x * step + right, y * step + low

        def shifted(dx: float, dy: float) -> Field:
            return sampled(grid, column + np.float32(dx) * step, row + np.float32(dy) * step, cv2.INTER_CUBIC)

        return shifted

    def _grid(self, shape: tuple[int, int]) -> Field:
        """The grid points that pixels of that ``shape`` may need."""
        rows, columns = (math.ceil(side / self.cell) + 7 for side in shape)
        grid = hashed(rows, columns, self.keys)
        grid *= np.float32(self.gain)
        return grid


@lru_cache(maxsize=64)
def _cubic_gain(cell: float) -> float:
    """Standard deviation of unit noise after cubic interpolation, averaged over the picture.

    Fine grids may have a pixel on every point, or between points only.
    """
    if cell >= COARSE_PX:
        return CUBIC_GAIN
    part = ((np.arange(MANY) + 0.5) / cell - 0.5) % 1
    weights = _cubic(np.stack([1 + part, part, 1 - part, 2 - part]))
    return float((weights**2).sum(axis=0).mean())


def _cubic(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """OpenCV's kernel of cubic interpolation at a distance ``away`` of 0 to 2 grid points."""
    near = (1.25 * away - 2.25) * away**2 + 1
    far = -0.75 * (((away - 5) * away + 8) * away - 4)
    return np.where(away < 1, near, far)


def sampled(grid: Field, x: Field, y: Field, how: int) -> Field:
    """``grid`` at (x, y), each (N,), interpolated as OpenCV calls ``how``, and mirrored at its sides."""
    if x.size == 0:
        return np.zeros(0, np.float32)
    # OpenCV wants a picture of places, with sides under 32768.
    length = min(x.size, SAMPLED_AT_ONCE)
    rows = -(-x.size // length)
    right, low = (np.resize(values, (rows, length)) for values in (x, y))
    found = cv2.remap(grid, right, low, how, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found, dtype=np.float32).reshape(-1)[: x.size]


def _summed(shape: tuple[int, int], layers: list[_Layer], start: tuple[float, float]) -> Field:
    """The sum of ``layers``; what is coarse is drawn on coarser pixels and enlarged, which is faster."""
    coarse = [layer for layer in layers if layer.cell >= COARSE_PX and min(shape) >= COARSE_PX]
    fine = [layer.drawn_on(shape, start) for layer in layers if layer not in coarse]
    if coarse:
        # Enlarging needs neighbours beyond the picture's sides.
        rows, columns = (side // COARSER + 1 + 2 * PAD for side in shape)
        corner = (start[0] / COARSER - PAD, start[1] / COARSER - PAD)
        small = _summed((rows, columns), [layer.coarser() for layer in coarse], corner)
        large = cv2.resize(small, (COARSER * columns, COARSER * rows), interpolation=cv2.INTER_CUBIC)
        inner = (slice(COARSER * PAD, COARSER * PAD + side) for side in shape)
        fine.append(np.asarray(large[tuple(inner)], np.float32))
    total = fine[0] + fine[1] if len(fine) > 1 else np.ascontiguousarray(fine[0])
    for field in fine[2:]:
        total += field
    return total


def hashed(rows: int, columns: int, keys: tuple[int, int]) -> Field:
    """Normal variates (rows, columns), each a function of its own row and column and of ``keys`` alone.

    So a grid with more points holds the smaller one, whatever way rounding made them differ.
    """
    sides = np.concatenate([np.arange(count, dtype=np.uint32) for count in (rows, columns)])
    sides[:rows] += np.uint32(keys[0])
    sides[rows:] += np.uint32(keys[1])
    down, across = _mixed(sides)[:rows], sides[rows:]
    grid = np.empty((rows, columns), np.float32)
    band = max(1, HASHED_AT_ONCE // columns)
    for start in range(0, rows, band):
        number = _mixed(down[start : start + band, None] ^ across[None]) >> np.uint32(32 - QUANTILE_BITS)
        np.take(_quantiles(QUANTILE_BITS), number, out=grid[start : start + band])
    return grid


def _mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Integer hash, in place (lowbias32, C. Wellons, public domain)."""
    shifted = np.empty_like(values)
    for shift, factor in MIXING:
        np.right_shift(values, shift, out=shifted)
        values ^= shifted
        values *= factor
    np.right_shift(values, MIXING[0][0], out=shifted)
    values ^= shifted
    return values


@lru_cache(maxsize=2)
def _quantiles(bits: int) -> Field:
    """The normal distribution as 2 to the power ``bits`` equally likely values, of unit variance."""
    normal, count = NormalDist(), 2**bits
    values = np.array([normal.inv_cdf((number + 0.5) / count) for number in range(count)])
    return np.asarray(values / values.std(), dtype=np.float32)


def displacement(
    shape: tuple[int, int], rms_px: float, correlation_px: float, rng: Generator
) -> tuple[Field, Field]:
    """Elastic displacement (dx, dy) in pixels: about ``rms_px`` strong, smooth over ``correlation_px``.

    Simard, Steinkraus, Platt 2003 with the smoothed noise replaced by an interpolated grid; bounded to 0.4
    of the grid's spacing so that the map never folds.
    """
    cell = max(correlation_px, 2.0)
    limit = NO_FOLD * cell
    dx, dy = (
        np.clip(smooth_noise(shape, cell, rng) * np.float32(rms_px), -limit, limit, dtype=np.float32)
        for _ in range(2)
    )
    return dx, dy


def displacement_at(
    shape: tuple[int, int],
    places: tuple[Field, Field],
    rms_px: float,
    correlation_px: float,
    rng: Generator,
) -> tuple[Field, Field]:
    """``displacement`` at ``places`` (x, y) in pixels, each (N,), of a picture of that ``shape``."""
    cell = max(correlation_px, 2.0)
    limit = NO_FOLD * cell
    dx, dy = (
        np.clip(_Layer.drawn(cell, rms_px, rng).at(shape, *places)(0, 0), -limit, limit) for _ in range(2)
    )
    return dx, dy


def fractal_noise_at(
    shape: tuple[int, int],
    places: tuple[Field, Field],
    cell_px: float,
    rng: Generator,
    *,
    octaves: int = 5,
    persistence: float = 0.55,
) -> Callable[[float, float], Field]:
    """``fractal_noise`` at ``places`` (x, y) in pixels, each (N,), as a function of a shift from there.

    For noise that is seen on little of a picture.
    """
    x, y = places
    layers = [layer.at(shape, x, y) for layer in _octaves(cell_px, rng, octaves, persistence)]

    def shifted(dx: float, dy: float) -> Field:
        total = np.zeros(x.size, dtype=np.float32)
        for layer in layers:
            total += layer(dx, dy)
        return total

    return shifted


def white_noise(shape: tuple[int, int], rng: Generator) -> Field:
    """Independent normal variates (H, W), of unit variance, in steps far under a gray level, up to 4.2.

    Four from each random number and looked up: several times as fast as the generator's own.
    """
    count = shape[0] * shape[1]
    words = rng.integers(2**64, size=-(-count // 4), dtype=np.uint64).astype("<u8", copy=False)
    noise = np.empty(shape, np.float32)
    look_up(_quantiles(16), words.view("<u2")[:count].reshape(shape), noise)
    return noise


def colour_noise(shape: tuple[int, int], rng: Generator) -> Field:
    """``white_noise`` for three channels, (H, W, 3): independent in each and from pixel to pixel.

    Every number serves once in each channel, in rows below each other and a third of the width apart.
    """
    height, width = shape
    # Not a multiple of three, so that a number's channel changes from row to row.
    stride = width + 1 if width % 3 == 0 else width
    rows = height + -(-3 * width // stride)
    noise = white_noise((rows, stride), rng)
    place = noise.itemsize
    return as_strided(noise, (height, width, 3), (stride * place, 3 * place, place), writeable=False)


def displaced(noise: Field, count: int, rng: Generator) -> list[Field]:
    """``noise`` without ``APART`` of its rows and columns, and ``count`` other such windows of it.

    The same noise some way off is as good as new noise, and drawing it would be most of the time.
    """
    height, width = (side - APART for side in noise.shape)
    corners = [(0, 0)]
    # Every window has rows of its own; windows of one op never show the same noise in one place.
    for number in range(1, count + 1):
        corners.append((number * APART // count, int(rng.integers(APART + 1))))
    return [noise[top : top + height, left : left + width] for top, left in corners]


def warp(array: Field, dx: Field, dy: Field) -> Field:
    """Each pixel (x, y) of the result is ``array`` at (x + dx, y + dy), bilinear; outside is 0."""
    height, width = dx.shape
    x = np.arange(width, dtype=np.float32)[None] + dx
    y = np.arange(height, dtype=np.float32)[:, None] + dy
    moved = cv2.remap(array, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(moved, dtype=np.float32)


def exp(values: Field) -> Field:
    """e to the power of ``values``; several times as fast as numpy's."""
    return np.asarray(cv2.exp(values), dtype=np.float32).reshape(values.shape)


def smoothstep(values: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, a smooth cubic between."""
    span = max(high - low, 1e-6)
    t: Field = values * np.float32(1 / span)
    t -= np.float32(low / span)
    np.clip(t, 0, 1, out=t)
    slowed = t * np.float32(-2)
    slowed += 3
    t *= t
    t *= slowed
    return t


def gradient(field: Field) -> tuple[Field, Field]:
    """Change per pixel along x and along y (Sobel, 3x3)."""
    dx = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    return np.asarray(dx, dtype=np.float32), np.asarray(dy, dtype=np.float32)


def slope(field: Field) -> Field:
    """Magnitude of the gradient, per pixel."""
    return np.asarray(cv2.magnitude(*gradient(field)), dtype=np.float32)


def distance_inside(inside: NDArray[np.bool_]) -> Field:
    """Distance in pixels from each True pixel to the nearest False one; 0 where False."""
    # Without any False pixel the transform has nothing to measure to, and answers with a huge number.
    field = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(field, dtype=np.float32)


def light_from_upper_left(height: Field, gain: float) -> Field:
    """Shading factor around 1 of a surface of that ``height`` (any unit), lit from the upper left."""
    dx, dy = gradient(height)
    return np.asarray(1 + np.float32(gain) * (dx + dy), dtype=np.float32)


def fineness(px_per_mm: float, wanted: float) -> int:
    """How many times smaller pixels have to be, so that there are ``wanted`` per mm; at most FINEST."""
    return min(max(1, math.ceil(wanted / px_per_mm)), FINEST)


def averaged(
    shape: tuple[int, int], fineness: int, drawn: Callable[[tuple[int, int], int], Field | None]
) -> Field:
    """What is drawn on pixels ``fineness`` times smaller, averaged to (H, W).

    ``drawn(shape, top)`` gives as many small rows from ``top`` on, or None where there is nothing.
    """
    total = np.zeros(shape, dtype=np.float32)
    rows = max(1, FINE_PIXELS // (shape[1] * fineness**2))
    for top in range(0, shape[0], rows):
        band = total[top : top + rows]
        fine = drawn((len(band) * fineness, shape[1] * fineness), top * fineness)
        if fine is not None:
            band[...] = cv2.resize(fine, band.shape[::-1], interpolation=cv2.INTER_AREA)
    return total


def border_distance(shape: tuple[int, int]) -> Field:
    """Pixels from the centre of each pixel to the nearest side of the picture."""
    down, across = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in shape)
    down = np.minimum(down, down[::-1])
    across = np.minimum(across, across[::-1])
    return np.asarray(np.minimum(down[:, None], across[None]), dtype=np.float32)


def strip(
    shape: tuple[int, int], start: tuple[float, float], end: tuple[float, float], half_width: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Rows and columns of the pixels near a segment of (x, y), each once, and which are in the picture.

    All three are (N, M); they hold every pixel within ``half_width`` of the segment. What is not in the
    picture may not be indexed.
    """
    (x0, y0), (x1, y1) = start, end
    steep = abs(y1 - y0) > abs(x1 - x0)
    if steep:
        x0, y0, x1, y1 = y0, x0, y1, x1
    length, breadth = shape if steep else shape[::-1]
    slope = (y1 - y0) / (x1 - x0) if x1 != x0 else 0.0
    low = max(0, math.floor(min(x0, x1) - half_width))
    high = min(length, math.ceil(max(x0, x1) + half_width) + 1)
    along = np.arange(low, max(low, high))[None]
    reach = math.ceil(half_width * math.hypot(1, slope)) + 1
    middle = np.rint(y0 + slope * (along - x0)).astype(np.int64)
    across = middle + np.arange(-reach, reach + 1)[:, None]
    inside = (across >= 0) & (across < breadth)
    along = np.broadcast_to(along, across.shape)
    return (along, across, inside) if steep else (across, along, inside)
