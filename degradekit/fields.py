"""Procedural fields: smooth and fractal noise, paper, displacement. Arrays in, float32 arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.noisegrids import COARSE_PX, COARSER, Layer, quantiles
from degradekit.tables import look_up

Field: TypeAlias = NDArray[np.float32]

#: Pixels drawn around what is then enlarged, on larger pixels.
PAD = 2
#: White noise has 2 to this power steps: so many stay in the processor's nearest cache.
QUANTILE_BITS = 12
#: Windows of one plane of noise lie within this many pixels of each other.
APART = 24
#: Most that pixels are divided for fine drawing, and how many of those are drawn at a time.
FINEST = 4
FINE_PIXELS = 1 << 19
#: Displacements stay under this part of the distance between grid points, so that no fold can appear.
NO_FOLD = 0.4


def smooth_noise(shape: tuple[int, int], cell_px: float, rng: Generator) -> Field:
    """Gaussian noise that varies over about ``cell_px`` pixels: zero mean, unit variance in expectation.

    A random grid, interpolated cubically; its phase is random, so no feature sits at the picture's corner.
    It takes the same numbers from ``rng`` whatever the shape, and with ``cell_px`` in proportion to the
    resolution it is the same field at any resolution, to half a pixel. Source: our choice.
    """
    return _summed(shape, [Layer.drawn(max(cell_px, 1.0), 1.0, rng)], (0.0, 0.0))


def fractal_noise(
    shape: tuple[int, int], cell_px: float, rng: Generator, *, octaves: int = 5, persistence: float = 0.55
) -> Field:
    """Sum of ``smooth_noise`` at ``cell_px``, half of it, ...; each octave ``persistence`` times as strong.

    Zero mean, unit variance in expectation. Octaves finer than a pixel are left out; the others stay as
    strong as they are where all are seen. Source: our choice.
    """
    return _summed(shape, _octaves(cell_px, rng, octaves, persistence), (0.0, 0.0))


def _octaves(cell_px: float, rng: Generator, octaves: int, persistence: float) -> list[Layer]:
    gains = persistence ** np.arange(octaves)
    gains /= np.sqrt((gains**2).sum())
    cells = [cell_px / 2**octave if octave else max(cell_px, 1.0) for octave in range(octaves)]
    layers = [Layer.drawn(cell, float(gain), rng) for cell, gain in zip(cells, gains, strict=True)]
    return [layer for layer in layers if layer.cell >= 1]


def _summed(shape: tuple[int, int], layers: list[Layer], start: tuple[float, float]) -> Field:
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


def displacement(
    shape: tuple[int, int], rms_px: float, correlation_px: float, rng: Generator
) -> tuple[Field, Field]:
    """Elastic displacement (dx, dy) in pixels: about ``rms_px`` strong, smooth over ``correlation_px``.

    Simard, Steinkraus, Platt 2003 with the smoothed noise replaced by an interpolated grid; bounded to 0.4
    of the grid's spacing so that the map never folds.
    """
    limit, layers = _bending(rms_px, correlation_px, rng)
    dx, dy = (np.clip(_summed(shape, [layer], (0.0, 0.0)), -limit, limit) for layer in layers)
    return dx, dy


def displacement_at(
    shape: tuple[int, int],
    places: tuple[Field, Field],
    rms_px: float,
    correlation_px: float,
    rng: Generator,
) -> tuple[Field, Field]:
    """``displacement`` at ``places`` (x, y) in pixels, each (N,), of a picture of that ``shape``."""
    limit, (along, across) = _bending(rms_px, correlation_px, rng)
    moved = along.at(shape, *places, across)
    np.clip(moved, -limit, limit, out=moved)
    return moved[:, 0], moved[:, 1]


def _bending(rms_px: float, correlation_px: float, rng: Generator) -> tuple[np.float32, tuple[Layer, Layer]]:
    """The most a displacement may be, and its noise along x and y."""
    cell = max(correlation_px, 2.0)
    layer = Layer.drawn(cell, rms_px, rng)
    return np.float32(NO_FOLD * cell), (layer, layer.beside(rng))


def white_noise(shape: tuple[int, int], rng: Generator) -> Field:
    """Independent normal variates (H, W), of unit variance, in steps far under a gray level, up to 3.7.

    Four from each random number and looked up: several times as fast as the generator's own.
    """
    count = shape[0] * shape[1]
    words = rng.integers(2**64, size=-(-count // 4), dtype=np.uint64).astype("<u8", copy=False)
    numbers = words.view("<u2")[:count].reshape(shape)
    numbers >>= np.uint16(16 - QUANTILE_BITS)
    noise = np.empty(shape, np.float32)
    look_up(quantiles(QUANTILE_BITS), numbers, noise)
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


def magnitude(x: Field, y: Field) -> Field:
    """Length of vectors. OpenCV's own may round otherwise wherever in memory its arrays happen to lie."""
    squared = x * x
    squared += y * y
    return np.asarray(cv2.sqrt(squared), dtype=np.float32).reshape(squared.shape)


def slope(field: Field) -> Field:
    """Magnitude of the gradient, per pixel."""
    return magnitude(*gradient(field))


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
