"""Random ragged patches: where something flaked off, soaked in or was stuck on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields, pyramids
from degradekit.fields import Field
from degradekit.noisegrids import hashed

#: Standard deviation of ln(radius), and of ln(stretch).
SIZE_SPREAD = 0.7
STRETCH_SPREAD = 0.35
#: How far, in radii, an outline can reach, and from where on it is drawn back.
REACH, DRAWN_BACK = 2.6, 1.8
#: The outline's noise: strength in radii, coarsest cell in radii, cells along the side of its grid, octaves,
#: the strength of each over the one before, and standard deviations that it does not exceed.
RAGGED, CELL, CELLS, OCTAVES, PERSISTENCE, MOST_NOISE = 0.55, 0.9, 8, 5, 0.5, 3.5


@dataclass(frozen=True, slots=True)
class Blob:
    """An ellipse with a ragged outline: centre and radius in pixels, length over radius, and random keys."""

    x: float
    y: float
    radius: float
    angle: float
    stretch: float
    keys: tuple[int, int]


def depth(
    shape: tuple[int, int],
    rng: Generator,
    count: int,
    radius_px: float,
    roughness: float,
    at_border: float,
    outside_px: float = math.inf,
) -> Field:
    """How far inside the nearest of ``count`` blobs each pixel lies, in pixels; negative outside.

    ``radius_px`` is the median radius (lognormal), ``roughness`` in [0, 1] how ragged the outline is,
    ``at_border`` the share of blobs centred on the picture's border. Pixels that lie further outside than
    ``outside_px`` may be given as far away. Source: our choice.
    """
    deepest = np.full(shape, -1e6, dtype=np.float32)
    # All numbers of all blobs first, and keys for each outline: the same blobs at any resolution.
    radius = radius_px * np.exp(SIZE_SPREAD * rng.standard_normal(count))
    x, y = rng.random((2, count)) * np.array(shape[::-1])[:, None]
    side = np.where(rng.random(count) < at_border, rng.integers(4, size=count), -1)
    y[side == 0], y[side == 1] = 0, shape[0]
    x[side == 2], x[side == 3] = 0, shape[1]
    angle = rng.uniform(0, math.pi, count)
    stretch = np.exp(STRETCH_SPREAD * rng.standard_normal(count)).clip(0.5, 2.0)
    keys = rng.integers(2**32, size=(count, 2))
    for number in np.flatnonzero(radius >= 0.5):  # Under a pixel there is no shape to draw.
        key = int(keys[number, 0]), int(keys[number, 1])
        blob = Blob(x[number], y[number], radius[number], angle[number], stretch[number], key)
        _deepen(deepest, blob, roughness, outside_px)
    return deepest


def _deepen(deepest: Field, blob: Blob, roughness: float, outside_px: float) -> None:
    """Join one blob: an ellipse whose outline is warped by fractal noise at every scale."""
    height, width = deepest.shape
    radius, stretch = blob.radius, blob.stretch
    ragged = RAGGED * roughness * radius
    # Where noise at its strongest is no longer seen.
    reach = radius + MOST_NOISE * ragged + outside_px
    reach = min(reach, (reach + DRAWN_BACK * radius) / 2, REACH * radius + 4)
    cosine, sine = math.cos(blob.angle), math.sin(blob.angle)
    across = math.ceil(reach * math.hypot(cosine * stretch, sine / stretch)) + 1
    down = math.ceil(reach * math.hypot(sine * stretch, cosine / stretch)) + 1
    left, right = max(0, math.floor(blob.x) - across), min(width, math.ceil(blob.x) + across)
    top, bottom = max(0, math.floor(blob.y) - down), min(height, math.ceil(blob.y) + down)
    if left >= right or top >= bottom:
        return
    columns = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - blob.x)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - blob.y)
    along = columns * np.float32(cosine / stretch) + rows * np.float32(sine / stretch)
    beside = rows * np.float32(cosine * stretch) - columns * np.float32(sine * stretch)
    distance = fields.magnitude(along, beside)
    inside = _noise(distance.shape, float(columns[0]), float(rows[0, 0]), radius, blob.keys)
    inside *= np.float32(ragged)
    inside += np.float32(radius) - distance
    # Noise must not open islands far away: it fades out beyond twice the radius.
    distance -= np.float32(DRAWN_BACK * radius)
    inside -= np.maximum(distance, 0, out=distance)
    # The noise steepens the field; dividing by its slope makes it a distance in pixels again.
    inside /= np.maximum(fields.slope(inside), 1)
    window = deepest[top:bottom, left:right]
    np.maximum(window, inside, out=window)


def _noise(shape: tuple[int, int], left: float, top: float, radius: float, keys: tuple[int, int]) -> Field:
    """Fractal noise whose grid is fixed to the blob: (left, top) is the window's corner, in pixels from it.

    Each octave's grid has two points for one of the octave before, and is added to that, enlarged.
    """
    # None finer than a pixel.
    octaves = min(OCTAVES, 1 + max(0, math.floor(math.log2(CELL * radius))))
    sides = [CELLS << octave for octave in range(octaves)]
    ends = list(accumulate(side * side for side in sides))
    numbers = hashed(1, ends[-1], keys)[0]
    grids = (
        numbers[end - side * side : end].reshape(side, side) for side, end in zip(sides, ends, strict=True)
    )
    total = pyramids.stacked(grids, pyramids.gains(octaves, PERSISTENCE))
    step = sides[-1] / (CELLS * CELL * radius)
    across, down = (at * step + sides[-1] / 2 - 0.5 for at in (left, top))
    matrix = np.array([[step, 0, across], [0, step, down]], dtype=np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    shown = cv2.warpAffine(total, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(shown, np.float32)
