"""A sheet of bare paper, seen where the picture is gone."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.curves import Dots, draw
from degradekit.fields import Field
from degradekit.photo import Image, Mask

#: Reflectance (sRGB) of white paper, and how far full yellowing moves it.
WHITE = np.array([0.95, 0.94, 0.92], dtype=np.float32)
YELLOWING = np.array([-0.07, -0.13, -0.30], dtype=np.float32)
#: Fibres of the sheet: per mm2, length, thickness.
FIBRES_PER_MM2 = 1.2
FIBRE_MM = 1.0
FIBRE_UM = 40.0
#: Thinner fibres than this part of a pixel cannot be seen and are left out.
THINNEST_PX = 0.08


def texture(
    shape: tuple[int, int], px_per_mm: float, yellowing: float, rng: Generator, seen: Mask | None = None
) -> Image:
    """Bare paper (H, W, 3) in sRGB: cloudy formation, fibres, tooth lit from one side. Our choice.

    Fibres are drawn where ``seen`` (H, W) is not 0; everywhere if it is None.
    """
    cloud = fields.fractal_noise(shape, 4.0 * px_per_mm, rng, octaves=4, persistence=0.6)
    tooth = fields.fractal_noise(shape, 0.4 * px_per_mm, rng, octaves=3, persistence=0.7)
    shade = fields.light_from_upper_left(tooth, 0.03) + np.float32(0.02) * cloud
    shade -= np.float32(0.07) * _fibres(shape, px_per_mm, rng, seen)
    tint = np.float32(yellowing) * (1 + np.float32(0.15) * cloud)
    return np.asarray(
        np.clip((WHITE + tint[..., None] * YELLOWING) * shade[..., None], 0, 1), dtype=np.float32
    )


def _fibres(shape: tuple[int, int], px_per_mm: float, rng: Generator, seen: Mask | None) -> Field:
    if FIBRE_UM * 1e-3 * px_per_mm < THINNEST_PX:
        return np.zeros(shape, dtype=np.float32)
    area = shape[0] * shape[1] / px_per_mm**2
    count = rng.poisson(FIBRES_PER_MM2 * area)
    points = max(4, math.ceil(FIBRE_MM * px_per_mm / 0.7))
    along = np.linspace(-0.5, 0.5, points)[None]
    heading = rng.uniform(0, 2 * math.pi, (count, 1)) + along * rng.standard_normal((count, 1)) * 1.5
    length = FIBRE_MM * px_per_mm * np.exp(0.4 * rng.standard_normal((count, 1)))
    x = rng.random((count, 1)) * shape[1] + np.cumsum(np.cos(heading), axis=1) * length / points
    y = rng.random((count, 1)) * shape[0] + np.cumsum(np.sin(heading), axis=1) * length / points
    radius = np.full(x.size, FIBRE_UM * 5e-4 * px_per_mm)
    weight = np.repeat(rng.uniform(0.3, 1, count), points) * 0.7
    values = [value.ravel().astype(np.float32) for value in (x, y, radius, weight)]
    if seen is not None:
        column, row = (np.clip(values[axis].astype(np.int64), 0, shape[1 - axis] - 1) for axis in (0, 1))
        shown = seen[row, column] > 0
        values = [value[shown] for value in values]
    return draw(shape, Dots(*values))
