"""Small irregular spots: where they fall, and their antialiased drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.fields import Field

Values = NDArray[np.float64]

#: Pixels drawn at a time, so that memory stays bounded whatever the picture's size.
BATCH = 400_000
#: Points leave the patch they were counted in by this part of its side, so that no patch shows its border.
JITTER = 0.4


@dataclass(frozen=True, slots=True)
class Spots:
    """Spots of one length N: centres and radii (of the disc of equal area) in pixels, weight 1 = opaque.

    ``outline`` (N, K): the radius at K even angles, in radii; ``stretch`` (N,): length over breadth along
    ``angle``.
    """

    x: Values
    y: Values
    radius: Values
    weight: Values
    outline: Values
    stretch: Values
    angle: Values


def scatter(
    size_mm: tuple[float, float],
    per_mm2: float,
    clustering: float,
    patch_mm: float,
    margin_mm: float,
    rng: Generator,
) -> Values:
    """Points (N, 2) in mm, x and y, on a sheet of ``size_mm`` (width, height) and ``margin_mm`` around it.

    Gamma-Poisson: each patch of ``patch_mm`` has its own density, of variance ``clustering`` times the
    squared mean ``per_mm2``; 0 is an even Poisson scatter. Drawn in mm, so the same at any resolution.
    """
    around = margin_mm + (2 * patch_mm if clustering > 0 else 0)
    low = -around - patch_mm * rng.random(2)
    columns, rows = (
        math.ceil((side + around - start) / patch_mm) for side, start in zip(size_mm, low, strict=True)
    )
    density = np.ones((rows, columns))
    if clustering > 0:
        density = rng.gamma(1 / clustering, clustering, (rows, columns))
    counts = rng.poisson(density.ravel() * per_mm2 * patch_mm**2)
    patch = np.repeat(np.arange(rows * columns), counts)
    corner = np.stack([patch % columns, patch // columns], axis=1)
    inside = rng.random((len(patch), 2)) + JITTER * rng.standard_normal((len(patch), 2))
    points = low + patch_mm * (corner + inside)
    near = ((points > -margin_mm) & (points < np.array(size_mm) + margin_mm)).all(axis=1)
    return np.asarray(points[near])


def outlines(count: int, vertices: int, roughness: float, rng: Generator) -> Values:
    """Closed outlines (count, vertices) around 1 whose mean square is 1, so that areas come out as asked."""
    # Half of the roughness is shared with the neighbour: lobes and dents rather than a star.
    noise = rng.standard_normal((count, vertices))
    noise = (noise + 0.6 * np.roll(noise, 1, axis=1)) / math.sqrt(1.36)
    radius = np.exp(np.clip(roughness * noise, -1.2, 0.9))
    return np.asarray(radius / np.sqrt((radius**2).mean(axis=1, keepdims=True)))


def cover(shape: tuple[int, int], spots: Spots) -> Field:
    """Coverage in [0, 1], (H, W); overlapping spots add, up to 1. Spots under a pixel fade, not vanish."""
    total = np.zeros(shape[0] * shape[1], dtype=np.float32)
    size = np.maximum(spots.radius, 0.5) * spots.outline.max(axis=1) * np.sqrt(spots.stretch)
    reaches = np.ceil(size + 1).astype(np.int64)
    for reach in np.unique(reaches):
        chosen = np.flatnonzero(reaches == reach)
        batch = max(1, BATCH // int(2 * reach + 1) ** 2)
        for start in range(0, len(chosen), batch):
            _add(total, shape, spots, chosen[start : start + batch], int(reach))
    return np.minimum(total, 1).reshape(shape)


def _add(total: Field, shape: tuple[int, int], spots: Spots, chosen: NDArray[np.int64], reach: int) -> None:
    height, width = shape
    x, y, true_radius, weight, stretch, angle = (
        values[chosen, None, None]
        for values in (spots.x, spots.y, spots.radius, spots.weight, spots.stretch, spots.angle)
    )
    span = np.arange(-reach, reach + 1)
    column = np.floor(x).astype(np.int64) + span[None, None, :]
    row = np.floor(y).astype(np.int64) + span[None, :, None]
    dx, dy = (column + 0.5 - x).astype(np.float32), (row + 0.5 - y).astype(np.float32)
    cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    along = (dx * cosine + dy * sine) / np.sqrt(stretch).astype(np.float32)
    across = (dy * cosine - dx * sine) * np.sqrt(stretch).astype(np.float32)
    distance = np.hypot(along, across)
    vertices = spots.outline.shape[1]
    turn = np.arctan2(across, along) * np.float32(vertices / (2 * math.pi)) + np.float32(vertices)
    before = np.floor(turn).astype(np.int64)
    part = turn - before.astype(np.float32)
    outline = spots.outline[chosen].astype(np.float32)
    spot = np.arange(len(chosen))[:, None, None]
    edge = outline[spot, before % vertices]
    edge += part * (outline[spot, (before + 1) % vertices] - edge)
    radius = np.maximum(true_radius, 0.5).astype(np.float32)
    # The ramp of one pixel at the edge holds pi (r^2 + 1/12); the weight brings that to the true area.
    weight = (weight * true_radius**2 / (radius**2 + 1 / 12)).astype(np.float32)
    inside = np.clip(radius * edge - distance + np.float32(0.5), 0, 1) * weight
    shown = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (inside > 0)
    np.add.at(total, (row * width + column)[shown], inside[shown])
