"""Random ragged patches: where something flaked off, soaked in or was stuck on."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.fields import Field

#: Standard deviation of ln(radius).
SIZE_SPREAD = 0.7


def depth(
    shape: tuple[int, int], rng: Generator, count: int, radius_px: float, roughness: float, at_border: float
) -> Field:
    """How far inside the nearest of ``count`` blobs each pixel lies, in pixels; negative outside.

    ``radius_px`` is the median radius (lognormal), ``roughness`` in [0, 1] how ragged the outline is,
    ``at_border`` the share of blobs centred on the picture's border. Source: our choice.
    """
    deepest = np.full(shape, -1e6, dtype=np.float32)
    for _ in range(count):
        radius = radius_px * math.exp(SIZE_SPREAD * rng.standard_normal())
        if radius < 0.5:  # Under a pixel there is no shape to draw.
            continue
        x, y = rng.random(2) * shape[::-1]
        if rng.random() < at_border:
            side = rng.integers(4)
            x = (x, x, 0.0, float(shape[1]))[side]
            y = (0.0, float(shape[0]), y, y)[side]
        _deepen(deepest, x, y, radius, roughness, rng)
    return deepest


def _deepen(deepest: Field, x: float, y: float, radius: float, roughness: float, rng: Generator) -> None:
    """Join one blob: an ellipse whose outline is warped by fractal noise at every scale."""
    height, width = deepest.shape
    reach = math.ceil(2.6 * radius + 4)
    left, right = max(0, math.floor(x) - reach), min(width, math.ceil(x) + reach + 1)
    top, bottom = max(0, math.floor(y) - reach), min(height, math.ceil(y) + reach + 1)
    angle, stretch = rng.uniform(0, math.pi), math.exp(0.35 * rng.standard_normal())
    if left >= right or top >= bottom:
        return
    columns = np.arange(left, right, dtype=np.float32)[None] - np.float32(x)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
    along = columns * np.float32(math.cos(angle)) + rows * np.float32(math.sin(angle))
    across = rows * np.float32(math.cos(angle)) - columns * np.float32(math.sin(angle))
    stretch = min(max(stretch, 0.5), 2.0)
    distance = np.hypot(along / np.float32(stretch), across * np.float32(stretch))
    noise = fields.fractal_noise(distance.shape, 0.9 * radius, rng, octaves=5, persistence=0.5)
    inside = np.float32(radius) - distance + np.float32(0.55 * roughness * radius) * noise
    # Noise must not open islands far away: it fades out beyond twice the radius.
    inside -= np.maximum(distance - np.float32(1.8 * radius), 0)
    # The noise steepens the field; dividing by its slope makes it a distance in pixels again.
    inside /= np.maximum(fields.slope(inside), 1)
    window = deepest[top:bottom, left:right]
    np.maximum(window, inside, out=window)
