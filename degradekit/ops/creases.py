"""Folds of the sheet, where the emulsion breaks and the paper shows."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import Dots, draw, line_weight, wander
from degradekit.fields import Field
from degradekit.folds import Fold, corners, lines
from degradekit.layers import covered
from degradekit.ops import Bounds, op
from degradekit.papersheet import WHITE, YELLOWING
from degradekit.photo import Photo
from degradekit.randomness import child

#: Half of the band in which a fold acts, and how wide its shading is (standard deviation).
BAND_MM = 4.0
SHADING_MM = 0.9
#: Size of the flakes that break off along a fold.
FLAKE_MM = 0.55
#: One crack branches off per this length, where ``branching`` is 1.
BRANCH_MM = 6.0
#: What varies along a fold is drawn at this distance.
KNOT_MM = 0.05
#: Flakes are drawn at least this finely, in pixels per mm, so that they are as many at any resolution, and
#: this far from the fold; they seldom break off farther away.
FINE_PX_PER_MM = 10.0
LOST_MM = 2.5
#: A fold's pull on the picture fades over this much beyond its ends.
WARP_ENDS_MM = 3.0


Values = NDArray[np.float64]


@op(masks=("crease",), neutral={"length_cm_per_dm2": 0.0, "corner_folds": 0.0}, moves=True)
def creases(
    photo: Photo,
    rng: Generator,
    *,
    length_cm_per_dm2: Annotated[float, Bounds(0, 200, "cm per dm2")] = 14.0,
    corner_folds: Annotated[float, Bounds(0, 6, "per corner")] = 0.6,
    width_um: Annotated[float, Bounds(20, 3000, "um")] = 330.0,
    loss: Annotated[float, Bounds(0, 1, "1")] = 0.8,
    branching: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    shading: Annotated[float, Bounds(0, 0.5, "1")] = 0.07,
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.2,
    warp_mm: Annotated[float, Bounds(0, 0.5, "mm")] = 0.15,
) -> Photo:
    """Folds right across the print and over its corners: white, frayed, broken lines that branch.

    ``length_cm_per_dm2`` is the mean length of straight folds per area before some stop short,
    ``corner_folds`` their mean number at each corner, ``width_um`` the median width of the bared paper,
    ``loss`` the part of a fold's length that is bared, ``branching`` the rate of side cracks, ``shading``
    the light and shade of the bent sheet on both sides, A (d / s) exp(-d^2 / 2 s^2) of the distance d.
    ``warp_mm`` is how far the picture is drawn into the fold from both sides, at most and at the distance s
    of 0.9 mm, with earlier masks; beyond 4 mm it stays in place. The mask is the coverage of bared
    paper, joined with the part of the light that the shading takes or adds. Source: our choice, made by eye
    after creased photographs; folds are a Poisson process of lines, so their number follows the sheet's size.
    """
    size = (photo.width / photo.px_per_mm, photo.height / photo.px_per_mm)
    folds = lines(size, length_cm_per_dm2 / 1000, rng) + corners(size, corner_folds, rng)
    if not folds:
        return photo
    if warp_mm > 0:
        photo = _drawn_in(photo, folds, warp_mm)
    image = photo.editable()
    alpha, shaded = (np.zeros((photo.height, photo.width), np.float32) for _ in range(2))
    cracks: list[Dots] = []
    for fold in folds:
        width, own = width_um * 1e-3 * fold.wear, child(rng)
        planes = (image, alpha, shaded)
        cracks.extend(_bared(planes, photo.px_per_mm, fold, width, loss, shading, child(own)))
        for _ in range(own.poisson(branching * fold.length / BRANCH_MM)):
            cracks.append(_branch(fold, width, photo.px_per_mm, child(own)))
    np.maximum(alpha, draw(alpha.shape, Dots.join(cracks)), out=alpha)
    paper = WHITE + np.float32(yellowing) * YELLOWING
    image = covered(image, (paper, alpha))
    # 1 - (1 - alpha)(1 - shaded), without further planes: scans may be large.
    shaded -= shaded * alpha
    shaded += alpha
    return photo.painted(image, crease=shaded)


def _drawn_in(photo: Photo, folds: list[Fold], warp_mm: float) -> Photo:
    """The photograph with everything near the folds moved towards them."""
    scale = np.float32(photo.px_per_mm)
    dx, dy = (np.zeros((photo.height, photo.width), np.float32) for _ in range(2))
    for fold in folds:
        rows, columns, inside, s, d = _near(fold, dx.shape, photo.px_per_mm)
        pull = d * fields.exp(d * d * np.float32(-0.5 / SHADING_MM**2))
        pull *= np.float32(warp_mm * math.exp(0.5) / SHADING_MM) * scale
        # Where a fold runs out within the sheet so does its pull.
        pull *= np.clip((np.float32(fold.length) - s) / np.float32(WARP_ENDS_MM) + 1, 0, 1)
        pull *= np.clip(s / np.float32(WARP_ENDS_MM) + 1, 0, 1)
        where = rows[inside], columns[inside]
        dx[where] -= pull[inside] * np.float32(math.sin(fold.angle))
        dy[where] += pull[inside] * np.float32(math.cos(fold.angle))
    dx += np.arange(photo.width, dtype=np.float32)[None]
    dy += np.arange(photo.height, dtype=np.float32)[:, None]

    def move(plane: Field) -> Field:
        moved = cv2.remap(plane, dx, dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.float32)

    # Made here, so the op may go on working on it.
    return replace(photo.moved(move), owned=True)


def _near(
    fold: Fold, shape: tuple[int, ...], px_per_mm: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], Field, Field]:
    """``fields.strip`` of the band in which a fold acts, and where its pixels lie along and across, in mm."""
    x, y = fold.x * px_per_mm, fold.y * px_per_mm
    end = tuple(px_per_mm * value for value in fold.at(fold.length))
    rows, columns, inside = fields.strip((shape[0], shape[1]), (x, y), (end[0], end[1]), BAND_MM * px_per_mm)
    right, below = (
        (numbers.astype(np.float32) + np.float32(0.5 - at)) / np.float32(px_per_mm)
        for numbers, at in ((columns, x), (rows, y))
    )
    return (rows, columns, inside, *_turned(right, below, fold.angle))


def _bared(
    planes: tuple[Field, Field, Field],
    px_per_mm: float,
    fold: Fold,
    width_mm: float,
    loss: float,
    shading: float,
    rng: Generator,
) -> list[Dots]:
    """Shade the picture along the fold, add its bared paper and its shading to two planes; gives the thin
    crack where none is lost.

    Distances are in mm along and across the fold.
    """
    image, alpha, shaded = planes
    rows, columns, inside, s, d = _near(fold, alpha.shape, px_per_mm)
    if rows.size == 0:
        return []
    # What varies along the fold is drawn on fixed knots and looked up.
    around = 1.5 * BAND_MM
    knots = np.arange(-around, fold.length + around, KNOT_MM)
    waves, swells, gaps, lumps, grains = (child(rng) for _ in range(5))
    bend = 0.22 * wander(knots, 9.0, waves) + 0.10 * wander(knots, 1.4, waves, octaves=5, persistence=0.6)
    swell = np.exp(0.42 * wander(knots, 5.0, swells, octaves=4) - 0.1)
    threshold = NormalDist().inv_cdf(1 - min(max(loss, 1e-3), 1 - 1e-3))
    gate = fields.smoothstep(wander(knots, 7.0, gaps).astype(np.float32), threshold - 0.35, threshold + 0.35)
    # Folds that stop within the sheet run out thinly.
    gate = gate * np.clip((fold.length - knots) / 2.5, 0, 1)
    at = np.clip((s + np.float32(around)) * np.float32(1 / KNOT_MM), 0, len(knots) - 1.001)
    left = at.astype(np.int64)
    part = at - left.astype(np.float32)
    bent, width, bare = (
        _between(np.asarray(values, np.float32), left, part)
        for values in (bend, width_mm * swell * gate, gate)
    )
    # The noise lies along the fold, so that it is the same however its pixels fall.
    fine = max(px_per_mm, FINE_PX_PER_MM)
    unrolled = (math.ceil(2 * LOST_MM * fine), math.ceil((fold.length + 2 * around) * fine))
    right = (s + np.float32(around)) * np.float32(fine) - np.float32(0.5)
    low = (d + np.float32(LOST_MM)) * np.float32(fine) - np.float32(0.5)
    flakes, crumbs = (
        np.asarray(cv2.remap(noise, right, low, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
        for noise in (
            fields.fractal_noise(unrolled, FLAKE_MM * fine, lumps, octaves=5, persistence=0.7),
            fields.smooth_noise(unrolled, 0.25 * fine, grains),
        )
    )
    d -= bent
    half = np.float32(0.5) * width * fields.exp(np.float32(0.42) * flakes)
    thick = half * np.float32(px_per_mm)
    edge = (half - np.abs(d)) * np.float32(px_per_mm) + np.float32(0.5)
    # Under a pixel the ramps of both sides overlap, and hold (thick + 1/2)^2 where 2 thick is wanted.
    thin = np.minimum(thick, np.float32(0.5))
    lost = np.clip(edge, 0, 1) * (2 * thin / (thin + np.float32(0.5)) ** 2)
    # Chips beside the fold: the fewer, the farther.
    chips = fields.smoothstep(flakes - np.abs(d) / (np.float32(1.6) * width + np.float32(1e-3)), 0.95, 1.35)
    lost = np.maximum(lost, chips * bare)
    # Crumbs of emulsion stick to the paper.
    lost *= 1 - np.float32(0.3) * np.clip(crumbs, 0, 1.5)
    shade = np.float32(1) + np.float32(shading * rng.choice((-1, 1)) * math.exp(0.5)) * (
        d / np.float32(SHADING_MM)
    ) * fields.exp(d * d * np.float32(-0.5 / SHADING_MM**2))
    # Grime gathers in the groove and the lifted edges throw a fine shadow.
    shade -= (
        np.float32(1.2 * shading)
        * fields.exp(-np.square((np.abs(d) - half) / np.float32(0.22)))
        * (bare + np.float32(0.3))
    )
    where = rows[inside], columns[inside]
    shade = np.maximum(shade, 0)[inside]
    image[where] *= shade[:, None]
    shaded[where] = 1 - (1 - shaded[where]) * (1 - np.minimum(np.abs(shade - 1), 1))
    alpha[where] = np.maximum(alpha[where], lost[inside])
    return [_crack(knots, bend, fold, width_mm, px_per_mm, rng)]


def _turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """The same places, measured along a line of that angle and across it."""
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _between(values: Field, left: NDArray[np.int64], part: Field) -> Field:
    """``values`` at ``part`` of the way from the index ``left`` to the next."""
    found: Field = np.diff(values).take(left, mode="clip")
    found *= part
    found += values.take(left, mode="clip")
    return found


def _crack(
    knots: NDArray[np.float64],
    bend: NDArray[np.float64],
    fold: Fold,
    width_mm: float,
    px_per_mm: float,
    rng: Generator,
) -> Dots:
    """The hairline at the bottom of the fold, seen where the emulsion cracked without falling off."""
    radius = 0.12 * width_mm * px_per_mm
    count = max(2, math.ceil(fold.length * px_per_mm / 0.5))
    along = np.linspace(0, fold.length, count)
    across = np.interp(along, knots, bend)
    pressure = np.clip(0.55 + 0.5 * wander(along, 3.0, rng), 0, 1) * np.clip((fold.length - along) / 3, 0, 1)
    return _dots(fold, along, across, np.full(count, radius), pressure, px_per_mm)


def _branch(fold: Fold, width_mm: float, px_per_mm: float, rng: Generator) -> Dots:
    """A side crack that leaves the fold at a small angle and often bends back beside it."""
    start = rng.uniform(0, fold.length)
    length = 6.0 * math.exp(0.7 * rng.standard_normal())
    leaving = math.tan(math.radians(5 + 45 * rng.random() ** 2)) * rng.choice((-1, 1))
    back = rng.choice((-1, 1))
    count = max(3, math.ceil(length * px_per_mm / 0.5))
    t = np.linspace(0, 1, count)
    across = length * leaving * (t - 0.55 * t**2) * 0.6 + 0.16 * wander(
        t * length, 1.5, rng, octaves=5, persistence=0.6
    ) * np.minimum(6 * t, 1)
    taper = np.minimum(1, 2.2 * (1 - t)) ** 0.7
    radius = (
        0.5
        * px_per_mm
        * width_mm
        * rng.uniform(0.2, 0.6)
        * taper
        * np.exp(0.5 * wander(t * length, 1.5, rng))
    )
    pressure = np.clip(0.8 + 0.6 * wander(t * length, 2.0, rng), 0, 1) * taper
    return _dots(fold, start + back * t * length, across, radius, pressure, px_per_mm)


def _dots(
    fold: Fold,
    along: NDArray[np.float64],
    across: NDArray[np.float64],
    radius: NDArray[np.float64],
    pressure: NDArray[np.float64],
    px_per_mm: float,
) -> Dots:
    cosine, sine = math.cos(fold.angle), math.sin(fold.angle)
    x = (fold.x + along * cosine - across * sine) * px_per_mm - 0.5
    y = (fold.y + along * sine + across * cosine) * px_per_mm - 0.5
    step = np.hypot(np.gradient(x), np.gradient(y))
    weight = pressure * line_weight(step, radius)
    return Dots(*(np.asarray(values, dtype=np.float32) for values in (x, y, radius, weight)))
