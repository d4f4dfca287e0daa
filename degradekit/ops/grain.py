"""Film grain."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.fields import Field
from degradekit.imagefiles import quantise
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Gauss-Hermite nodes over lognormal radii, and quadrature points over distance.
RADIUS_NODES = 24
DISTANCE_POINTS = 96


@op(neutral={"radius_um": 0.0})
def film_grain(
    photo: Photo,
    rng: Generator,
    *,
    radius_um: Annotated[float, Bounds(0, 200, "um")] = 15.0,
    radius_spread: Annotated[float, Bounds(0, 1, "1")] = 0.25,
    scanner_blur_px: Annotated[float, Bounds(0.3, 4, "px")] = 0.8,
    chroma: Annotated[float, Bounds(0, 1, "1")] = 0.2,
) -> Photo:
    """Fine noise that is strongest in the mid-tones and vanishes in black and white, as silver grain does.

    The second-order form of the Boolean model: Gaussian noise with the variance, at every gray level, of
    randomly placed opaque discs of lognormal radius (mean ``radius_um`` on the print, standard deviation
    ``radius_spread`` times that) seen through a Gaussian of ``scanner_blur_px``. ``chroma`` is the share of
    the variance that is independent between channels: 0 for silver, 1 for three separate dye layers.

    Valid while grains are not resolved, radius under about 0.3 px; above that real grain is also skewed.
    Source: Newson, Faraj, Delon, Galerne, SSVM 2017; Boolean model: Newson, Delon, Galerne, CGF 2017.
    The correlation's width is matched in its second moment (our choice).
    """
    radius_px = radius_um * 1e-3 * photo.px_per_mm
    if radius_px == 0:
        return photo
    lookup = amplitude(radius_px / scanner_blur_px, radius_spread)
    # Discs of radius r add r^2 / 4 per axis to half the covariance's second moment.
    blur = math.hypot(scanner_blur_px, radius_px / 2 * math.sqrt(1 + radius_spread**2))
    shape = (photo.height, photo.width)
    shared = _unit_noise(shape, blur, rng) if chroma < 1 else None
    planes = []
    for _ in range(3):
        own = _unit_noise(shape, blur, rng) if chroma > 0 else None
        planes.append(_mixed(shared, own, chroma))
    level = quantise(photo.image)
    strength = cv2.LUT(level, lookup)
    return photo.with_image(photo.image + strength * np.dstack(planes))


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
    nodes, weights = np.polynomial.hermite_e.hermegauss(RADIUS_NODES)
    weights = weights / weights.sum()
    radii = radius * np.exp(sigma_ln * nodes - sigma_ln**2 / 2)
    # Rarer, larger discs than the 99.9 % quantile are left out, as in the reference implementation's limit.
    radii = np.minimum(radii, radius * math.exp(3.09 * sigma_ln - sigma_ln**2 / 2))
    furthest = 2 * radii.max()
    distance = (np.arange(DISTANCE_POINTS) + 0.5) * furthest / DISTANCE_POINTS
    part = np.minimum(distance[:, None] / (2 * radii[None]), 1)
    overlap = (2 * radii**2 * (np.arccos(part) - part * np.sqrt(1 - part**2))) @ weights
    area = math.pi * (radii**2 @ weights)
    u = np.minimum(np.arange(256) / 255, 1 - 1e-6)
    rate = -np.log1p(-u) / area
    covariance = (1 - u[:, None]) ** 2 * np.expm1(rate[:, None] * overlap[None])
    ring = np.exp(-(distance**2) / 4) / (4 * math.pi) * 2 * math.pi * distance * furthest / DISTANCE_POINTS
    return np.asarray(np.sqrt(covariance @ ring), dtype=np.float32)


def _unit_noise(shape: tuple[int, int], blur_px: float, rng: Generator) -> Field:
    """Gaussian noise of unit variance, correlated over ``blur_px``."""
    white = rng.standard_normal(shape, dtype=np.float32)
    reach = max(1, math.ceil(3 * blur_px))
    kernel = cv2.getGaussianKernel(2 * reach + 1, blur_px, cv2.CV_32F)
    # Dividing by the kernel's own norm keeps the variance at one for the sampled, cut-off Gaussian too.
    kernel = kernel / np.linalg.norm(kernel)
    return np.asarray(
        cv2.sepFilter2D(white, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101),
        dtype=np.float32,
    )


def _mixed(shared: Field | None, own: Field | None, chroma: float) -> Field:
    if own is None or shared is None:
        mixed = shared if own is None else own
        assert mixed is not None
        return mixed
    return np.float32(math.sqrt(1 - chroma)) * shared + np.float32(math.sqrt(chroma)) * own
