"""The Boolean model of film grain: opaque discs thrown at random, seen through a Gaussian.

Newson, Delon, Galerne, "A stochastic film grain model for resolution-independent rendering", CGF 2017, gives
the model; Newson, Faraj, Delon, Galerne, SSVM 2017, its second-order form. A gray level u in [0, 1] is the
chance that a point is covered, so discs of mean area E fall at the rate -ln(1 - u) / E.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.fields import Field

#: Gauss-Hermite nodes over lognormal radii, and quadrature points over distance.
RADIUS_NODES = 24
DISTANCE_POINTS = 96
#: Gray levels of 255 at which the variance is worked out; between them it is nearly straight.
LEVELS = np.array([*range(8), *range(8, 248, 4), *range(248, 256)])
#: Rarer, larger discs than this many standard deviations of ln(radius) are not drawn (99.9 %).
LARGEST = 3.09
#: Covered points are counted on a grid this many times finer than the mean radius, at most 16 per pixel.
POINTS_PER_RADIUS, FINEST = 3.0, 16
#: Grains drawn at a time, so that memory stays bounded.
BATCH = 400_000
#: The level of pure white would need infinitely many discs; it is taken as this.
WHITEST = 1 - 1 / 512


def amplitude(radius: float, spread: float) -> NDArray[np.float32]:
    """Standard deviation of the rendered grain at each of 256 gray levels.

    ``radius``: mean disc radius in units of the Gaussian's standard deviation; ``spread``: standard
    deviation of the radius over its mean. Var(u) = integral of C_u(h) exp(-h^2/4) / 4 pi dh with
    C_u(h) = (1-u)^2 (exp(lambda gamma(h)) - 1), lambda = -ln(1-u) / E[area], gamma the mean overlap of two
    discs at distance h. Source: the papers named in ``film_grain``.
    """
    return _amplitude(float(f"{radius:.6g}"), float(f"{spread:.6g}"))


@lru_cache(maxsize=64)
def _amplitude(radius: float, spread: float) -> NDArray[np.float32]:
    sigma_ln = math.sqrt(math.log1p(spread**2))
    nodes, weights = _radius_nodes()
    radii = radius * np.exp(sigma_ln * nodes - sigma_ln**2 / 2)
    # Rarer, larger discs than the 99.9 % quantile are left out, as in the reference implementation's limit.
    radii = np.minimum(radii, radius * math.exp(3.09 * sigma_ln - sigma_ln**2 / 2))
    furthest = 2 * radii.max()
    distance = (np.arange(DISTANCE_POINTS) + 0.5) * furthest / DISTANCE_POINTS
    part = np.minimum(distance[:, None] / (2 * radii[None]), 1)
    overlap = (2 * radii**2 * (np.arccos(part) - part * np.sqrt(1 - part**2))) @ weights
    area = math.pi * (radii**2 @ weights)
    u = np.minimum(LEVELS / 255, 1 - 1e-6)
    rate = -np.log1p(-u) / area
    covariance = (1 - u[:, None]) ** 2 * np.expm1(rate[:, None] * overlap[None])
    ring = np.exp(-(distance**2) / 4) / (4 * math.pi) * 2 * math.pi * distance * furthest / DISTANCE_POINTS
    variance = np.interp(np.arange(256), LEVELS, covariance @ ring)
    return np.asarray(np.sqrt(variance), dtype=np.float32)


@lru_cache(maxsize=1)
def _radius_nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Hermite nodes, and weights whose sum is one."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(RADIUS_NODES)
    return nodes, weights / weights.sum()


def covered(level: Field, radius_px: float, spread: float, blur_px: float, rng: Generator) -> Field:
    """The exact model: discs are really thrown; (H, W) gray levels in, grained levels in [0, 1] out.

    The share of covered points is taken on a regular fine grid and averaged with a Gaussian of ``blur_px``,
    where the papers draw Monte-Carlo points from it. Time grows with the number of discs, which is about
    -ln(1 - u) / (pi radius^2) per pixel: meant for grains of half a pixel and more.
    """
    finer = min(FINEST, max(2, math.ceil(POINTS_PER_RADIUS / radius_px)))
    height, width = level.shape
    sigma_ln = math.sqrt(math.log1p(spread**2))
    area = math.pi * radius_px**2 * (1 + spread**2)
    rate = -np.log1p(-np.minimum(level, np.float32(WHITEST))) / np.float32(area)
    counts = rng.poisson(rate).ravel()
    points = np.zeros((height * finer, width * finer), dtype=np.uint8)
    pixels = np.repeat(np.arange(counts.size), counts)
    for start in range(0, len(pixels), BATCH):
        chosen = pixels[start : start + BATCH]
        z = np.clip(rng.standard_normal(len(chosen)), -LARGEST, LARGEST)
        radii = radius_px * finer * np.exp(sigma_ln * z - sigma_ln**2 / 2)
        x = (chosen % width + rng.random(len(chosen))) * finer
        y = (chosen // width + rng.random(len(chosen))) * finer
        _cover(points, x, y, radii)
    fine = cv2.GaussianBlur(
        points.astype(np.float32), (0, 0), blur_px * finer, borderType=cv2.BORDER_REFLECT_101
    )
    # Averaging over the pixel as well would blur twice; the Gaussian's value at the pixel's centre is meant.
    half = finer // 2
    return np.asarray(fine[half::finer, half::finer], dtype=np.float32)


def _cover(
    points: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64], radii: NDArray[np.float64]
) -> None:
    """Set every point of the fine grid that lies within one of the discs."""
    height, width = points.shape
    flat = points.reshape(-1)
    reaches = np.ceil(radii).astype(np.int64)
    for reach in np.unique(reaches):
        span = np.arange(-reach, reach + 1)
        chosen = np.flatnonzero(reaches == reach)
        step = max(1, 8_000_000 // len(span) ** 2)
        for some in np.array_split(chosen, math.ceil(len(chosen) / step)):
            column = np.floor(x[some]).astype(np.int64)[:, None, None] + span[None, None, :]
            row = np.floor(y[some]).astype(np.int64)[:, None, None] + span[None, :, None]
            dx = column + 0.5 - x[some][:, None, None]
            dy = row + 0.5 - y[some][:, None, None]
            inside = dx**2 + dy**2 <= radii[some][:, None, None] ** 2
            inside &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
            flat[(row * width + column)[inside]] = 1
