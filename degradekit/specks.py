"""Small irregular spots: where they fall, and their antialiased drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.fields import Field, averaged
from degradekit.randomness import child

Values = NDArray[np.float64]

#: Pixels of spots drawn at a time: few enough for the processor's cache.
BATCH = 50_000
#: Less clustering than this is an even scatter.
EVEN = 1e-3
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
    around = margin_mm + (2 * patch_mm if clustering > EVEN else 0)
    low = -around - patch_mm * rng.random(2)
    columns, rows = (
        math.ceil((side + around - start) / patch_mm) for side, start in zip(size_mm, low, strict=True)
    )
    # Numbered along the long side first: where rounding the short side to pixels adds a row of patches, it is
    # the last, and with a generator for each array nothing else changes.
    densities, numbers, places, moves = (child(rng) for _ in range(4))
    wide = size_mm[0] >= size_mm[1]
    inner = columns if wide else rows
    density = np.ones(rows * columns)
    if clustering > EVEN:
        density = densities.gamma(1 / clustering, clustering, rows * columns)
    patch = np.repeat(np.arange(rows * columns), numbers.poisson(density * per_mm2 * patch_mm**2))
    corner = np.stack([patch % inner, patch // inner][:: 1 if wide else -1], axis=1)
    inside = places.random((len(patch), 2)) + JITTER * moves.standard_normal((len(patch), 2))
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
    size = np.maximum(spots.radius, 0.5) * spots.outline.max(axis=1) * np.sqrt(spots.stretch)
    reaches = np.ceil(size + 1).astype(np.int64)
    near = (spots.x > -reaches) & (spots.x < shape[1] + reaches)
    near &= (spots.y > -reaches) & (spots.y < shape[0] + reaches)
    if not near.any():
        return np.zeros(shape, dtype=np.float32)
    # With this many pixels around, no spot has to be clipped.
    margin = 2 * int(reaches[near].max()) + 1
    total = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin), dtype=np.float32)
    for reach in np.flatnonzero(np.bincount(reaches[near])):
        chosen = np.flatnonzero(near & (reaches == reach))
        batch = max(1, BATCH // int(2 * reach + 1) ** 2)
        for start in range(0, len(chosen), batch):
            _add(total, margin, spots, chosen[start : start + batch], int(reach))
    return np.minimum(total[margin:-margin, margin:-margin], 1)


def cover_finely(shape: tuple[int, int], spots: Spots, fineness: int, most: float) -> Field:
    """``cover`` on pixels ``fineness`` times smaller, up to ``most`` on each, averaged to (H, W).

    Where spots under a pixel overlap, they cover less together than their sum; this tells.
    """
    if fineness == 1:
        coverage = cover(shape, spots)
        return np.minimum(coverage, np.float32(most), out=coverage)
    reach = 2 * spots.radius * fineness * spots.outline.max(axis=1) * np.sqrt(spots.stretch) + 2

    def drawn(band: tuple[int, int], top: int) -> Field | None:
        y = spots.y * fineness - top
        chosen = np.flatnonzero((y + reach > 0) & (y - reach < band[0]))
        if chosen.size == 0:
            return None
        fine = replace(spots, x=spots.x * fineness, y=y, radius=spots.radius * fineness)
        parts = (getattr(fine, name)[chosen] for name in Spots.__slots__)
        return np.minimum(cover(band, Spots(*parts)), np.float32(most))

    return averaged(shape, fineness, drawn)


def _add(total: Field, margin: int, spots: Spots, chosen: NDArray[np.int64], reach: int) -> None:
    """Add spots of one ``reach`` to the plane; the last axis is the spots', which numpy is fast along."""
    span = np.arange(-reach, reach + 1)
    x, y = spots.x[chosen], spots.y[chosen]
    left, top = np.floor(x), np.floor(y)
    true_radius, weight, stretch, angle = (
        values[chosen].astype(np.float32)
        for values in (spots.radius, spots.weight, spots.stretch, spots.angle)
    )
    dx = (span[:, None] + (left + 0.5 - x)).astype(np.float32)[None]
    dy = (span[:, None] + (top + 0.5 - y)).astype(np.float32)[:, None]
    cosine, sine, length = np.cos(angle), np.sin(angle), np.sqrt(stretch)
    along = (dx * cosine + dy * sine) / length
    across = (dy * cosine - dx * sine) * length
    distance = np.sqrt(along * along + across * across)
    vertices = spots.outline.shape[1]
    turn = np.arctan2(across, along) * np.float32(vertices / (2 * math.pi)) + np.float32(vertices)
    before = turn.astype(np.int64)
    turn -= before.astype(np.float32)
    # One more vertex, so that the last has one that follows it.
    outline = spots.outline[chosen].astype(np.float32)
    outline = np.concatenate([outline, outline[:, :1]], axis=1)
    at = np.arange(len(chosen)) * (vertices + 1) + before % vertices
    edge = outline.reshape(-1)[at]
    edge += turn * (outline.reshape(-1)[at + 1] - edge)
    radius = np.maximum(true_radius, np.float32(0.5))
    # The ramp of one pixel at the edge holds pi (r^2 + 1/12); the weight brings that to the true area.
    weight = np.asarray(weight * true_radius**2 / (radius**2 + np.float32(1 / 12)), dtype=np.float32)
    inside = np.clip(radius * edge - distance + np.float32(0.5), 0, 1) * weight
    corner = (top.astype(np.int64) + margin) * total.shape[1] + left.astype(np.int64) + margin
    place = (span[:, None] * total.shape[1] + span)[..., None] + corner
    np.add.at(total.reshape(-1), place.reshape(-1), inside.reshape(-1))
