"""Damage that bares the paper under the picture."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.blending import over
from degradekit.curves import Dots, draw
from degradekit.fields import Field
from degradekit.ops import Bounds, op
from degradekit.photo import Image, Photo

#: Standard deviation of ln(diameter).
SIZE_SPREAD = 0.7
#: Width of the paler, freshly torn rim inside a hole, and of the emulsion edge's shadow outside it.
RIM_MM = 0.35
SHADOW_MM = 0.18
#: Reflectance (sRGB) of white paper, and how far full yellowing moves it.
WHITE = np.array([0.95, 0.94, 0.92], dtype=np.float32)
YELLOWING = np.array([-0.07, -0.13, -0.30], dtype=np.float32)
#: Fibres of the sheet: per mm2, length, thickness.
FIBRES_PER_MM2 = 1.2
FIBRE_MM = 1.0
FIBRE_UM = 40.0


@op(masks=("hole",), neutral={"density_per_dm2": 0.0})
def paper_holes(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 500, "per dm2")] = 4.0,
    diameter_mm: Annotated[float, Bounds(0.1, 100, "mm")] = 3.0,
    roughness: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    feather_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.12,
    at_border: Annotated[float, Bounds(0, 1, "1")] = 0.6,
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.3,
) -> Photo:
    """Flakes of picture are gone and the paper shows, with a pale torn rim and a fine shadow at its edge.

    ``diameter_mm`` is the median, ``feather_mm`` the softness of the edge, ``at_border`` the share of holes
    that sit on the sheet's border, ``yellowing`` the age of the paper. The mask is the hole's opacity.
    Source: random feathered shapes revealing paper texture are Wan et al., CVPR 2020, 3.3; shapes and
    paper are our own.
    """
    count = int(rng.poisson(density_per_dm2 * photo.area_mm2 / 1e4))
    if count == 0:
        return photo
    scale = photo.px_per_mm
    depth = _depth(photo, rng, count, diameter_mm, roughness, at_border)
    half_feather = max(0.5, feather_mm * scale / 2)
    alpha = fields.smoothstep(depth, -half_feather, half_feather)
    paper = paper_texture((photo.height, photo.width), scale, yellowing, rng)
    gone = alpha > 0.5
    rim = fields.smoothstep(fields.distance_inside(gone), 0.3 * RIM_MM * scale, 1.2 * RIM_MM * scale)
    bared = np.clip(paper * (1.05 - np.float32(0.11) * rim)[..., None], 0, 1)
    away = fields.distance_inside(~gone)
    shadow = np.float32(0.35) * (1 - fields.smoothstep(away, 0, SHADOW_MM * scale + 1.5))
    return photo.painted(over(photo.image * (1 - shadow)[..., None], bared, alpha), hole=alpha)


def paper_texture(shape: tuple[int, int], px_per_mm: float, yellowing: float, rng: Generator) -> Image:
    """Bare paper (H, W, 3) in sRGB: cloudy formation, fibres, tooth lit from one side. Our choice."""
    cloud = fields.fractal_noise(shape, 4.0 * px_per_mm, rng, octaves=4, persistence=0.6)
    tooth = fields.fractal_noise(shape, 0.4 * px_per_mm, rng, octaves=3, persistence=0.7)
    shade = fields.light_from_upper_left(tooth, 0.03) + np.float32(0.02) * cloud
    shade -= np.float32(0.07) * _fibres(shape, px_per_mm, rng)
    tint = np.float32(yellowing) * (1 + np.float32(0.15) * cloud)
    return np.asarray(
        np.clip((WHITE + tint[..., None] * YELLOWING) * shade[..., None], 0, 1), dtype=np.float32
    )


def _fibres(shape: tuple[int, int], px_per_mm: float, rng: Generator) -> Field:
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
    return draw(shape, Dots(*(values.ravel().astype(np.float32) for values in (x, y, radius, weight))))


def _depth(
    photo: Photo, rng: Generator, count: int, diameter_mm: float, roughness: float, at_border: float
) -> Field:
    """How far inside the nearest hole each pixel lies, in pixels; negative outside."""
    shape = (photo.height, photo.width)
    scale = photo.px_per_mm
    depth = np.full(shape, -1e6, dtype=np.float32)
    for _ in range(count):
        radius = diameter_mm / 2 * scale * math.exp(SIZE_SPREAD * rng.standard_normal())
        if radius < 0.5:  # Under a pixel there is no shape to draw.
            continue
        x, y = rng.random(2) * (photo.width, photo.height)
        if rng.random() < at_border:
            side = rng.integers(4)
            x = (x, x, 0.0, float(photo.width))[side]
            y = (0.0, float(photo.height), y, y)[side]
        _deepen(depth, x, y, radius, roughness, rng)
    return depth


def _deepen(depth: Field, x: float, y: float, radius: float, roughness: float, rng: Generator) -> None:
    """Join one hole: an ellipse whose outline is warped by fractal noise at every scale."""
    height, width = depth.shape
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
    window = depth[top:bottom, left:right]
    np.maximum(window, inside, out=window)
