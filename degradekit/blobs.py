"""Random ragged patches: where something flaked off, soaked in or was stuck on."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.fields import Field
from degradekit.noisegrids import CUBIC_GAIN, hashed
from degradekit.randomness import generator

#: Standard deviation of ln(radius).
SIZE_SPREAD = 0.7
#: How far, in radii, an outline can reach.
REACH = 2.6
#: The outline's noise: coarsest cell in radii, octaves, and the strength of each over the one before.
CELL, OCTAVES, PERSISTENCE = 0.9, 5, 0.5


def depth(
    shape: tuple[int, int], rng: Generator, count: int, radius_px: float, roughness: float, at_border: float
) -> Field:
    """How far inside the nearest of ``count`` blobs each pixel lies, in pixels; negative outside.

    ``radius_px`` is the median radius (lognormal), ``roughness`` in [0, 1] how ragged the outline is,
    ``at_border`` the share of blobs centred on the picture's border. Source: our choice.
    """
    deepest = np.full(shape, -1e6, dtype=np.float32)
    # All numbers of all blobs first, and a generator for each outline: the same blobs at any resolution.
    radius = radius_px * np.exp(SIZE_SPREAD * rng.standard_normal(count))
    x, y = rng.random((2, count)) * np.array(shape[::-1])[:, None]
    side = np.where(rng.random(count) < at_border, rng.integers(4, size=count), -1)
    x = np.select([side == 2, side == 3], [0.0, float(shape[1])], x)
    y = np.select([side == 0, side == 1], [0.0, float(shape[0])], y)
    for number, seed in enumerate(rng.integers(2**62, size=count)):
        if radius[number] >= 0.5:  # Under a pixel there is no shape to draw.
            _deepen(deepest, x[number], y[number], radius[number], roughness, generator(int(seed)))
    return deepest


def _deepen(deepest: Field, x: float, y: float, radius: float, roughness: float, rng: Generator) -> None:
    """Join one blob: an ellipse whose outline is warped by fractal noise at every scale."""
    angle, stretch = rng.uniform(0, math.pi), math.exp(0.35 * rng.standard_normal())
    stretch = min(max(stretch, 0.5), 2.0)
    height, width = deepest.shape
    reach = math.ceil(REACH * radius + 4)
    left, right = max(0, math.floor(x) - reach), min(width, math.ceil(x) + reach + 1)
    top, bottom = max(0, math.floor(y) - reach), min(height, math.ceil(y) + reach + 1)
    if left >= right or top >= bottom:
        return
    columns = np.arange(left, right, dtype=np.float32)[None] + np.float32(0.5 - x)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
    along = columns * np.float32(math.cos(angle)) + rows * np.float32(math.sin(angle))
    across = rows * np.float32(math.cos(angle)) - columns * np.float32(math.sin(angle))
    distance = np.hypot(along / np.float32(stretch), across * np.float32(stretch))
    noise = _noise((bottom - top, right - left), columns[0, 0] / radius, rows[0, 0] / radius, radius, rng)
    inside = np.float32(radius) - distance + np.float32(0.55 * roughness * radius) * noise
    # Noise must not open islands far away: it fades out beyond twice the radius.
    inside -= np.maximum(distance - np.float32(1.8 * radius), 0)
    # The noise steepens the field; dividing by its slope makes it a distance in pixels again.
    inside /= np.maximum(fields.slope(inside), 1)
    window = deepest[top:bottom, left:right]
    np.maximum(window, inside, out=window)


def _noise(shape: tuple[int, int], left: float, top: float, radius: float, rng: Generator) -> Field:
    """Fractal noise whose grid is fixed to the blob: (left, top) is the window's corner in radii from it."""
    total = np.zeros(shape, dtype=np.float32)
    power = 0.0
    for octave in range(OCTAVES):
        cell = CELL / 2**octave
        # The grid spans the blob's reach on both sides, with the two points more that a cubic needs.
        half = math.ceil(REACH / cell) + 6
        right, low = (int(key) for key in rng.integers(2**32, size=2))
        if octave and cell * radius < 1:  # Finer than a pixel.
            continue
        grid = hashed(2 * half + 1, 2 * half + 1, (right, low))
        step = 1 / (cell * radius)
        matrix = np.array([[step, 0, left / cell + half], [0, step, top / cell + half]], dtype=np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        gain = PERSISTENCE**octave
        total += np.float32(gain) * cv2.warpAffine(
            grid, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT
        )
        power += gain**2
    return total / np.float32(CUBIC_GAIN * math.sqrt(power))
