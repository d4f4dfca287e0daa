"""A sheet of bare paper, seen where the picture is gone."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import Dots, draw
from degradekit.fields import Field
from degradekit.photo import Image

#: Reflectance (sRGB) of white paper, and how far full yellowing moves it.
WHITE = np.array([0.95, 0.94, 0.92], dtype=np.float32)
YELLOWING = np.array([-0.07, -0.13, -0.30], dtype=np.float32)
#: Fibres of the sheet: per mm2, length, thickness.
FIBRES_PER_MM2 = 1.2
FIBRE_MM = 1.0
FIBRE_UM = 40.0
#: None is longer than this many times that.
FIBRE_REACH = 3.0
#: Thinner fibres than this part of a pixel cannot be seen and are left out.
THINNEST_PX = 0.08


def texture(
    shape: tuple[int, int], px_per_mm: float, yellowing: float, rng: Generator, seen: NDArray[np.int64]
) -> Image:
    """Bare paper in sRGB, (N, 3): cloudy formation, fibres, tooth lit from one side. Our choice.

    ``seen`` (N,) says at which pixels of a picture of that ``shape``, counted along its rows, rising.
    """
    row, column = np.divmod(seen, shape[1])
    places = column.astype(np.float32), row.astype(np.float32)
    cloud = fields.fractal_noise_at(shape, places, 4.0 * px_per_mm, rng, octaves=4, persistence=0.6)(0, 0)
    tooth = fields.fractal_noise_at(shape, places, 0.4 * px_per_mm, rng, octaves=3, persistence=0.7)
    # The slope towards the light, which comes from the upper left.
    lit = tooth(1, 1) - tooth(-1, -1)
    shade = 1 + np.float32(0.03 / 2) * lit + np.float32(0.02) * cloud
    shade -= np.float32(0.07) * _fibres(shape, px_per_mm, rng, seen).reshape(-1)[seen]
    tint = np.float32(yellowing) * (1 + np.float32(0.15) * cloud)
    paper = (WHITE + tint[:, None] * YELLOWING) * shade[:, None]
    return np.clip(paper, 0, 1, out=paper)


def _fibres(shape: tuple[int, int], px_per_mm: float, rng: Generator, seen: NDArray[np.int64]) -> Field:
    """Coverage by fibres, right at the pixels ``seen``; elsewhere some are left out."""
    if FIBRE_UM * 1e-3 * px_per_mm < THINNEST_PX or not seen.size:
        return np.zeros(shape, dtype=np.float32)
    area = shape[0] * shape[1] / px_per_mm**2
    count = rng.poisson(FIBRES_PER_MM2 * area)
    turn, bow, grown = rng.uniform(0, 2 * math.pi, count), *rng.standard_normal((2, count), dtype=np.float32)
    start = rng.random((2, count), dtype=np.float32) * np.array(shape[::-1], np.float32)[:, None]
    opacity = rng.uniform(0.3, 1, count)
    chosen = _near(shape, start, seen, FIBRE_REACH * FIBRE_MM * px_per_mm)
    points = max(4, math.ceil(FIBRE_MM * px_per_mm / 0.7))
    along = np.linspace(-0.5, 0.5, points, dtype=np.float32)
    heading = turn[chosen, None].astype(np.float32) + along * bow[chosen, None] * np.float32(1.5)
    length = FIBRE_MM * px_per_mm * np.minimum(np.exp(np.float32(0.4) * grown[chosen, None]), FIBRE_REACH)
    step = length / np.float32(points)
    x = start[0, chosen, None] + np.cumsum(np.cos(heading), axis=1) * step
    y = start[1, chosen, None] + np.cumsum(np.sin(heading), axis=1) * step
    radius = np.full(x.size, FIBRE_UM * 5e-4 * px_per_mm)
    weight = np.repeat(opacity[chosen], points) * 0.7
    return draw(shape, Dots(*(np.asarray(values, np.float32).ravel() for values in (x, y, radius, weight))))


def _near(shape: tuple[int, int], start: Field, seen: NDArray[np.int64], reach: float) -> NDArray[np.int64]:
    """Which of the points ``start`` (2, N), x and y, may lie within ``reach`` of a pixel that is seen."""
    side = math.ceil(reach)
    blocks = np.zeros((-(-shape[0] // side) + 2, -(-shape[1] // side) + 2), np.uint8)
    blocks[seen // shape[1] // side + 1, seen % shape[1] // side + 1] = 1
    around = cv2.dilate(blocks, np.ones((3, 3), np.uint8))
    column, row = (start / np.float32(side)).astype(np.int64) + 1
    return np.flatnonzero(around[row, column])
