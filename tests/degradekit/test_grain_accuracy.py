"""Grain within 3 %: the fast model of K(u), the exact one of discs that are thrown here in another way."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from degradekit.grainmodel import covered
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
#: The disc simulation has this many points along a pixel.
FINE = 16


def k_of(u: float) -> float:
    """K(u) = r^-2 times the integral over the plane of the covariance of a Boolean model of discs of radius
    r = 1: (1 - u)^2 (exp(lambda gamma(h)) - 1), gamma the overlap of two discs at distance h.
    """
    h = np.linspace(0, 2, 20_001)
    overlap = 2 * np.arccos(h / 2) - h / 2 * np.sqrt(np.maximum(4 - h**2, 0))
    covariance = (1 - u) ** 2 * np.expm1(-math.log(1 - u) / math.pi * overlap)
    return float(np.trapezoid(2 * math.pi * h * covariance, h))


def thrown(level: float, radius: float, sigma: float, side: int, seed: int) -> np.ndarray:
    """Discs of one radius in pixels, each point tested against each disc, seen through a Gaussian."""
    rng = np.random.Generator(np.random.PCG64(seed))
    count = rng.poisson(-math.log(1 - level) / (math.pi * radius**2) * side**2)
    centres = rng.random((count, 2)) * side * FINE
    reach = math.ceil(radius * FINE)
    span = np.arange(-reach, reach + 1)
    whole = np.floor(centres).astype(int)
    part = centres - whole
    canvas = np.zeros((side * FINE, side * FINE), np.float32)
    for dy in span:
        for dx in span:
            inside = (dx + 0.5 - part[:, 0]) ** 2 + (dy + 0.5 - part[:, 1]) ** 2 <= (radius * FINE) ** 2
            x, y = (whole[inside] + (dx, dy)).T % (side * FINE)
            canvas[y, x] = 1
    # Averaging four by four first changes the Gaussian by less than a thousandth.
    small = cv2.resize(canvas, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    step = FINE // 4
    blurred = cv2.GaussianBlur(small, (0, 0), sigma * step)
    return blurred[step // 2 :: step, step // 2 :: step][6:-6, 6:-6]


@pytest.mark.parametrize("level", LEVELS)
def test_second_order_grain_has_k_of_u(level: float) -> None:
    radius, sigma, px_per_mm = 0.1, 0.8, 10.0
    photo = Photo(np.full((520, 520, 3), level, np.float32), px_per_mm)
    values = {name: item.default for name, item in OPS["film_grain"].parameters.items()}
    values |= {"radius_um": 1000 * radius / px_per_mm, "radius_spread": 0.0, "scanner_blur_px": sigma}
    image = OPS["film_grain"](photo, generator(4), **{**values, "chroma": 1.0}).image
    expected = radius * math.sqrt(k_of(level)) / (2 * sigma * math.sqrt(math.pi))
    assert image.astype(np.float64).std() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("level", [0.1, 0.3, pytest.param(0.9, marks=pytest.mark.slow)])
def test_exact_grain_is_a_simulation_of_discs(level: float) -> None:
    radius, sigma, side = 0.4, 0.8, 200
    direct = np.sqrt(np.mean([thrown(level, radius, sigma, side, seed).var() for seed in range(3)]))
    flat = np.full((side, side), level, np.float32)
    ours = [covered(flat, radius, 0.0, sigma, generator(seed))[6:-6, 6:-6].var() for seed in range(3)]
    assert math.sqrt(np.mean(ours)) == pytest.approx(direct, rel=0.03)
