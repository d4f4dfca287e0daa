"""Small irregular spots: where they fall, and their antialiased drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import coverage
from degradekit.coverage import Coverage, Indices, Part
from degradekit.fields import Field, averaged
from degradekit.randomness import child

Values = NDArray[np.float64]
Plain = NDArray[np.float32]

#: Less clustering than this is an even scatter.
EVEN = 1e-3
#: Points leave the patch they were counted in by up to this part of its side either way, so that no patch
#: shows its border.
JITTER = 0.7


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

    def only(self, chosen: Indices) -> Spots:
        """Those that are ``chosen``."""
        return Spots(*(getattr(self, name)[chosen] for name in Spots.__slots__))


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
    numbers, places = child(rng), child(rng)
    wide = size_mm[0] >= size_mm[1]
    inner = columns if wide else rows
    mean = per_mm2 * patch_mm**2
    if clustering > EVEN:
        # Poisson counts of gamma densities.
        counts = numbers.negative_binomial(1 / clustering, 1 / (1 + clustering * mean), rows * columns)
    else:
        counts = numbers.poisson(mean, rows * columns)
    corner = np.divmod(np.repeat(np.arange(rows * columns), counts), inner)[:: -1 if wide else 1]
    x, y, right, down = places.random((corner[0].size, 4)).T
    x += corner[0] + JITTER * (2 * right - 1)
    y += corner[1] + JITTER * (2 * down - 1)
    points = low + patch_mm * np.array([x, y]).T
    middle = np.array(size_mm) / 2
    near = (np.abs(points - middle) < middle + margin_mm).all(axis=1)
    return np.asarray(points[near])


def outlines(count: int, vertices: int, roughness: float, rng: Generator) -> Values:
    """Closed outlines (count, vertices) around 1 whose mean square is 1, so that areas come out as asked."""
    # Half of the roughness is shared with the neighbour: lobes and dents rather than a star.
    noise = rng.standard_normal((count, vertices))
    noise += 0.6 * noise.take(range(-1, vertices - 1), axis=1)
    noise *= roughness / math.sqrt(1.36)
    radius = np.exp(noise.clip(-1.2, 0.9, out=noise), out=noise)
    radius *= np.sqrt(vertices / np.einsum("ij,ij->i", radius, radius))[:, None]
    return radius


def cover(shape: tuple[int, int], spots: Spots, most: float = 1.0, layer: Indices | None = None) -> Coverage:
    """Coverage of (H, W); overlapping spots of one ``layer`` (0 or 1) add, up to ``most``.

    Spots under a pixel fade, not vanish.
    """
    return Coverage.summed(shape, _blots(shape, spots), most, layer)


def cover_finely(
    shape: tuple[int, int], spots: Spots, fineness: int, most: float, layer: Indices
) -> Coverage:
    """``cover`` on pixels ``fineness`` times smaller, averaged to (H, W).

    Where spots under a pixel overlap, they cover less together than their sum; this tells.
    """
    if fineness == 1:
        return cover(shape, spots, most, layer)
    fine = replace(spots, x=spots.x * fineness, y=spots.y * fineness, radius=spots.radius * fineness)
    reach = 2 * fine.radius * fine.outline.max(axis=1) * np.sqrt(fine.stretch) + 2

    def averaged_layer(number: int) -> Field:
        def drawn(band: tuple[int, int], top: int) -> Field | None:
            y = fine.y - top
            chosen = np.flatnonzero((layer == number) & (y + reach > 0) & (y - reach < band[0]))
            if chosen.size == 0:
                return None
            return coverage.plane(band, _blots(band, replace(fine, y=y).only(chosen)), most)

        return averaged(shape, fineness, drawn)

    return Coverage.of(averaged_layer(0), averaged_layer(1))


def _blots(shape: tuple[int, int], spots: Spots) -> Iterator[Part]:
    radius = np.maximum(spots.radius, 0.5)
    # The ramp of one pixel at the edge holds pi (r^2 + 1/12); the weight brings that to the true area.
    weight = spots.weight * spots.radius**2 / (radius**2 + 1 / 12)
    edges = (spots.outline * radius[:, None]).astype(np.float32)
    length = np.sqrt(spots.stretch)
    reach = edges.max(axis=1, initial=0) * length + 0.5
    # The first vertex follows the last; twice, as rounding may turn to the one after that.
    edges = np.concatenate([edges, edges[:, :2]], axis=1)
    rises = (edges[:, 1:] - edges[:, :-1]).reshape(-1)
    vertices, per_radian = edges.shape[1] - 1, np.float32(spots.outline.shape[1] / (2 * math.pi))
    edges = (edges[:, :-1] + np.float32(0.5)).reshape(-1)
    cosine, sine = np.cos(spots.angle), np.sin(spots.angle)
    axes = [cosine / length, sine / length, cosine * length, sine * length]
    for owner, place, values in _boxes(shape, spots, reach * (weight > 0), [weight, *axes]):
        dx, dy, most, along_x, along_y, across_y, across_x = values
        away, turn = cv2.cartToPolar(dx * along_x + dy * along_y, dy * across_y - dx * across_x)
        turn = turn.reshape(-1) * per_radian
        before = turn.astype(np.intp)
        turn -= before
        before += owner * vertices
        amount = rises.take(before)
        amount *= turn
        amount += edges.take(before)
        amount -= away.reshape(-1)
        amount.clip(0, 1, out=amount)
        amount *= most
        yield Part(owner, place, amount)


def _boxes(
    shape: tuple[int, int], spots: Spots, reach: Values, values: list[Values]
) -> Iterator[tuple[Indices, Indices, Plain]]:
    """Pixels of a picture within ``reach`` (N,) of spots along both axes, in batches of M.

    Which spot each is of, its place along the rows, and (2 + len(values), M): how far it is from the spot's
    centre, along x and y, and the spot's ``values`` (N,).
    """
    left, width = _interval(spots.x - 0.5, reach, shape[1])
    top, height = _interval(spots.y - 0.5, reach, shape[0])
    area = width * height
    counted = np.array([np.arange(len(area)), width, top * shape[1] + left, np.cumsum(area) - area])
    measured = np.array([left + 0.5 - spots.x, top + 0.5 - spots.y, *values], np.float32)
    for batch in coverage.batches(area):
        owner, wide, corner, first = np.repeat(counted[:, batch], area[batch], axis=1)
        here = np.repeat(measured[:, batch], area[batch], axis=1)
        row, column = np.divmod(np.arange(first[0], first[0] + owner.size) - first, wide)
        here[0] += column
        here[1] += row
        yield owner, corner + row * shape[1] + column, here


def _interval(centre: Values, reach: Values, side: int) -> tuple[Indices, Indices]:
    """The first pixel within ``reach`` along one axis, and how many there are."""
    first = np.maximum(np.ceil(centre - reach), 0)
    count = np.minimum(np.floor(centre + reach) + 1, side) - first
    return first.astype(np.intp), np.maximum(count, 0).astype(np.intp)
