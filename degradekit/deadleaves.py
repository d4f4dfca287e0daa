"""Dead-leaves pictures: opaque overlapping shapes whose sizes follow a power law, as in natural scenes.

They share the edge, occlusion and scale statistics of photographs and cost nothing to get.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.randomness import stream

#: Goes up whenever the same index would give another picture.
VERSION = 1
SIZE = 512
#: Shapes are drawn at this multiple of the size and averaged down, so edges are antialiased.
OVERSAMPLING = 2
LEAVES = 2600
SMALLEST, LARGEST = 0.006, 0.35


def render(index: int) -> NDArray[np.uint8]:
    """Picture ``index``: uint8 sRGB (512, 512, 3), a function of the index alone.

    Radii have density r^-3 between 0.6 % and 35 % of the side, which makes the picture scale invariant.
    Source: Lee, Mumford, Huang, IJCV 2001; shapes, colours and leaf texture our choice.
    """
    rng = stream(0, "dead-leaves", VERSION, index)
    side = SIZE * OVERSAMPLING
    palette = _palette(rng)
    canvas = np.zeros((side, side, 3), np.uint8)
    numbers = np.zeros((side, side), np.float32)
    # Inverse of the distribution function of a density r^-3 on [SMALLEST, LARGEST].
    part = rng.random(LEAVES)
    radii = side / np.sqrt((1 - part) / SMALLEST**2 + part / LARGEST**2)
    for number, radius in enumerate(radii):
        colour = palette[rng.integers(len(palette))] + rng.normal(0, 12, 3)
        outline = _outline(rng.random(2) * side, float(radius), rng)
        cv2.fillPoly(canvas, [outline], np.clip(colour, 0, 255).tolist())
        cv2.fillPoly(numbers, [outline], number + 1)
    textured = canvas + _texture(numbers.astype(np.int64), rng)[..., None]
    small = cv2.resize(np.asarray(textured, np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, 0, 255)).astype(np.uint8)


def _palette(rng: Generator) -> NDArray[np.float64]:
    """A dozen RGB colours around a few hues, mostly muted, from dark to light."""
    hues = (rng.random(3) + rng.normal(0, 0.04, (4, 3))).ravel() % 1
    saturation = rng.beta(1.6, 3.0, hues.size)
    value = rng.uniform(0.05, 1.0, hues.size)
    hsv = np.stack([hues * 360, saturation, value], axis=1).astype(np.float32)[None]
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0] * 255, dtype=np.float64)


def _outline(centre: NDArray[np.float64], radius: float, rng: Generator) -> NDArray[np.int32]:
    """A disc, a polygon or a lobed leaf, stretched and turned; vertices (N, 1, 2)."""
    kind = rng.integers(3)
    count = (24, int(rng.integers(3, 7)), 32)[kind]
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False) + rng.uniform(0, 2 * math.pi)
    reach = np.full(count, radius)
    if kind == 2:
        reach = reach * (1 + rng.uniform(0.1, 0.4) * np.cos(int(rng.integers(2, 6)) * angle))
    stretch = math.exp(0.4 * rng.standard_normal())
    turn = rng.uniform(0, math.pi)
    x, y = reach * np.cos(angle) * stretch, reach * np.sin(angle) / stretch
    points = np.stack(
        [x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], axis=1
    )
    return np.rint(points + centre).astype(np.int32)[:, None]


def _texture(numbers: NDArray[np.int64], rng: Generator) -> NDArray[np.float32]:
    """Fine structure and shading, of its own strength on every leaf; in 8-bit units, (H, W)."""
    shape = (numbers.shape[0], numbers.shape[1])
    fine = rng.exponential(7.0, LEAVES + 1).astype(np.float32)[numbers]
    broad = rng.normal(0, 12.0, LEAVES + 1).astype(np.float32)[numbers]
    grain = fields.fractal_noise(shape, 24.0, rng, octaves=4, persistence=0.8)
    shade = fields.fractal_noise(shape, 200.0, rng, octaves=3)
    return np.asarray(fine * grain + broad * shade, dtype=np.float32)
