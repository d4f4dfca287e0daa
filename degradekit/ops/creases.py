"""Folds of the sheet, where the emulsion breaks and the paper shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import Dots, draw, line_weight, wander_each
from degradekit.fields import Field
from degradekit.folds import Fold, corners, lines
from degradekit.layers import covered
from degradekit.noisegrids import sampled
from degradekit.ops import Bounds, op
from degradekit.papersheet import WHITE, YELLOWING
from degradekit.photo import Photo, picked, put
from degradekit.randomness import child

#: Half of the band in which a fold acts, and how wide its shading is (standard deviation).
BAND_MM = 4.0
SHADING_MM = 0.9
#: Size of the flakes that break off along a fold.
FLAKE_MM = 0.55
#: One crack branches off per this length, where ``branching`` is 1.
BRANCH_MM = 6.0
#: What varies along a fold is drawn at this distance, from so far before it to so far behind.
KNOT_MM = 0.05
AROUND_MM = 1.5 * BAND_MM
#: Flakes are drawn at least this finely, in pixels per mm, so that they are as many at any resolution, and
#: this far from the fold; they seldom break off farther away.
FINE_PX_PER_MM = 10.0
LOST_MM = 2.5
#: Flakes reach at most so many widths of the bared paper, and grime is so wide (standard deviation).
FARTHEST = 6.0
GRIME_MM = 0.156
#: Folds of one print have flakes from places within this length of noise.
STRETCH_MM = 40.0
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
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    bands = [_near(fold, shape, scale) for fold in folds]
    if warp_mm > 0:
        photo = _drawn_in(photo, folds, bands, warp_mm)
    widths = width_um * 1e-3 * np.array([fold.wear for fold in folds])
    courses, noises, hairlines, branches = (child(rng) for _ in range(4))
    image = photo.editable()
    alpha, shaded = (np.zeros(shape, np.float32) for _ in range(2))
    profiles = _profiles(folds, widths, loss, courses)
    flakes = _Flakes.drawn(max(fold.length for fold in folds), max(scale, FINE_PX_PER_MM), child(noises))
    for band, profile in zip(bands, profiles, strict=True):
        _bared((image, alpha, shaded), scale, band, profile, flakes, shading, child(noises))
    counts = branches.poisson([branching * fold.length / BRANCH_MM for fold in folds])
    cracks = Dots.join(
        [
            _cracks(folds, [profile.bend for profile in profiles], widths, scale, hairlines),
            _branches(folds, widths, counts, scale, branches),
        ]
    )
    np.maximum(alpha, draw(shape, cracks), out=alpha)
    paper = WHITE + np.float32(yellowing) * YELLOWING
    image = covered(image, (paper, alpha))
    # 1 - (1 - alpha)(1 - shaded), without further planes: scans may be large.
    shaded -= shaded * alpha
    shaded += alpha
    return photo.marked(image, crease=shaded)


@dataclass(frozen=True, slots=True)
class _Band:
    """The pixels near a fold, each array (N,): counted along the picture's rows, and where they lie along the
    fold and across it, in mm."""

    where: NDArray[np.int64]
    s: Field
    d: Field


@dataclass(frozen=True, slots=True)
class _Profile:
    """What varies along a fold, on knots every KNOT_MM from AROUND_MM before it: how far it bends aside, the
    width of its bared paper, and how much of it is bared."""

    bend: Field
    width: Field
    bare: Field


@dataclass(frozen=True, slots=True)
class _Flakes:
    """Noise of flakes and of crumbs, at ``fine`` pixels per mm along folds and across them.

    It lies along the fold, so that it is the same however its pixels fall. Every fold has another stretch of
    it, this way up or that, as drawing it is most of the work.
    """

    lumps: Field
    crumbs: Field
    fine: float

    @staticmethod
    def drawn(longest: float, fine: float, rng: Generator) -> _Flakes:
        """For folds up to the ``longest``, in mm."""
        unrolled = (math.ceil(2 * LOST_MM * fine), math.ceil((longest + 2 * AROUND_MM + STRETCH_MM) * fine))
        lumps, grains = child(rng), child(rng)
        return _Flakes(
            fields.fractal_noise(unrolled, FLAKE_MM * fine, lumps, octaves=5, persistence=0.7),
            fields.smooth_noise(unrolled, 0.25 * fine, grains),
            fine,
        )

    def at(self, s: Field, d: Field, rng: Generator) -> tuple[Field, Field]:
        """Both at places along and across one fold."""
        start, side = AROUND_MM + rng.uniform(0, STRETCH_MM), rng.choice((-1, 1))
        right = s * np.float32(self.fine) + np.float32(start * self.fine - 0.5)
        low = d * np.float32(side * self.fine) + np.float32(LOST_MM * self.fine - 0.5)
        lumps, crumbs = (sampled(noise, right, low, cv2.INTER_LINEAR) for noise in (self.lumps, self.crumbs))
        return lumps, crumbs


def _near(fold: Fold, shape: tuple[int, int], px_per_mm: float) -> _Band:
    """The band in which a fold acts."""
    x, y = fold.x * px_per_mm, fold.y * px_per_mm
    end_x, end_y = (px_per_mm * value for value in fold.at(fold.length))
    rows, columns, inside = fields.strip(shape, (x, y), (end_x, end_y), BAND_MM * px_per_mm)
    row, column = rows[inside], columns[inside]
    right, below = (
        (numbers.astype(np.float32) + np.float32(0.5 - at)) * np.float32(1 / px_per_mm)
        for numbers, at in ((column, x), (row, y))
    )
    return _Band(row * shape[1] + column, *_turned(right, below, fold.angle))


def _drawn_in(photo: Photo, folds: list[Fold], bands: list[_Band], warp_mm: float) -> Photo:
    """The photograph with everything near the folds moved towards them."""
    dx = np.tile(np.arange(photo.width, dtype=np.float32), (photo.height, 1))
    dy = np.repeat(np.arange(photo.height, dtype=np.float32)[:, None], photo.width, axis=1)
    for fold, band in zip(folds, bands, strict=True):
        pull = band.d * _bell(band.d, SHADING_MM)
        pull *= np.float32(warp_mm * math.exp(0.5) / SHADING_MM * photo.px_per_mm)
        # Where a fold runs out within the sheet so does its pull.
        pull *= np.clip((np.float32(fold.length) - band.s) / np.float32(WARP_ENDS_MM) + 1, 0, 1)
        pull *= np.clip(band.s / np.float32(WARP_ENDS_MM) + 1, 0, 1)
        dx.reshape(-1)[band.where] -= pull * np.float32(math.sin(fold.angle))
        dy.reshape(-1)[band.where] += pull * np.float32(math.cos(fold.angle))

    def move(plane: Field) -> Field:
        moved = cv2.remap(plane, dx, dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.float32)

    # Made here, so the op may go on working on it.
    return replace(photo.moved(move), owned=True)


def _profiles(folds: list[Fold], widths: Values, loss: float, rng: Generator) -> list[_Profile]:
    """What varies along each of the folds, drawn for all of them together."""
    lengths = np.array([fold.length for fold in folds])
    counts = np.ceil((lengths + 2 * AROUND_MM) / KNOT_MM).astype(np.intp)
    owner = np.repeat(np.arange(len(folds)), counts)
    number = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    at, spans = (np.asarray(many * KNOT_MM, np.float64) for many in (number, counts))
    noise = partial(wander_each, owner, at, spans)
    waves, swells, gaps = (child(rng) for _ in range(3))
    bend = 0.22 * noise(9.0, waves) + 0.10 * noise(1.4, waves, octaves=5, persistence=0.6)
    swell = np.exp(0.42 * noise(5.0, swells, octaves=4) - 0.1)
    threshold = NormalDist().inv_cdf(1 - min(max(loss, 1e-3), 1 - 1e-3))
    gate = fields.smoothstep(noise(7.0, gaps).astype(np.float32), threshold - 0.35, threshold + 0.35)
    # Folds that stop within the sheet run out thinly.
    gate = gate * np.clip((lengths[owner] - (at - AROUND_MM)) / 2.5, 0, 1)
    planes = (
        np.split(values.astype(np.float32), np.cumsum(counts)[:-1])
        for values in (bend, widths[owner] * swell * gate, gate)
    )
    return [_Profile(*parts) for parts in zip(*planes, strict=True)]


def _bared(
    planes: tuple[Field, Field, Field],
    px_per_mm: float,
    band: _Band,
    profile: _Profile,
    flakes: _Flakes,
    shading: float,
    rng: Generator,
) -> None:
    """Shade the picture along a fold, add its bared paper and its shading to two planes.

    Distances are in mm along and across the fold.
    """
    image, alpha, shaded = planes
    where, s, d = band.where, band.s, band.d
    if where.size == 0:
        return
    at = (s + np.float32(AROUND_MM)) * np.float32(1 / KNOT_MM)
    np.clip(at, 0, np.float32(len(profile.bend) - 1.001), out=at)
    left = at.astype(np.int64)
    at -= left
    bent, width, bare = (_between(values, left, at) for values in (profile.bend, profile.width, profile.bare))
    away = np.abs(d - bent)
    shade = d - bent
    shade *= _bell(shade, SHADING_MM)
    shade *= np.float32(shading * rng.choice((-1, 1)) * math.exp(0.5) / SHADING_MM)
    # Nothing is lost farther away, however large the flakes are, and no grime gathers.
    near = np.flatnonzero(away < FARTHEST * width + np.float32(GRIME_MM * 4 + 1 / px_per_mm))
    lumps, crumbs = flakes.at(s.take(near), d.take(near), rng)
    away, width, bare = away.take(near), width.take(near), bare.take(near)
    half = np.float32(0.5) * width * fields.exp(np.float32(0.42) * lumps)
    edge = (half - away) * np.float32(px_per_mm) + np.float32(0.5)
    # Under a pixel the ramps of both sides overlap, and hold (thick + 1/2)^2 where 2 thick is wanted.
    thin = np.minimum(half * np.float32(px_per_mm), np.float32(0.5))
    lost = np.clip(edge, 0, 1) * (2 * thin / np.square(thin + np.float32(0.5)))
    # Chips beside the fold: the fewer, the farther.
    chips = fields.smoothstep(lumps - away / (np.float32(1.6) * width + np.float32(1e-3)), 0.95, 1.35)
    lost = np.maximum(lost, chips * bare)
    # Crumbs of emulsion stick to the paper.
    lost *= 1 - np.float32(0.3) * np.clip(crumbs, 0, 1.5)
    # Grime gathers in the groove and the lifted edges throw a fine shadow.
    shade[near] -= np.float32(1.2 * shading) * _bell(away - half, GRIME_MM) * (bare + np.float32(0.3))
    np.maximum(shade, -1, out=shade)
    put(image, where, np.minimum(picked(image, where) * (1 + shade)[:, None], 1))
    taken = np.minimum(np.abs(shade), 1)
    shaded.reshape(-1)[where] += taken * (1 - shaded.reshape(-1)[where])
    at_fold = where.take(near)
    alpha.reshape(-1)[at_fold] = np.maximum(alpha.reshape(-1)[at_fold], lost)


def _bell(distance: Field, sd: float) -> Field:
    """exp(-d^2 / 2 sd^2)."""
    return fields.exp(distance * distance * np.float32(-0.5 / sd**2))


def _turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """The same places, measured along a line of that angle and across it."""
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _between(values: Field, left: NDArray[np.int64], part: Field) -> Field:
    """``values`` at ``part`` of the way from the index ``left`` to the next."""
    low = values.take(left)
    found: Field = values[1:].take(left)
    found -= low
    found *= part
    found += low
    return found


def _spaced(lengths: Values, px_per_mm: float) -> tuple[NDArray[np.intp], Values]:
    """Points along lines, half a pixel apart: which line each lies on, and at which part of it."""
    counts = np.maximum(3, np.ceil(lengths * px_per_mm / 0.5)).astype(np.intp)
    owner = np.repeat(np.arange(lengths.size), counts)
    number = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, number / (counts - 1)[owner]


def _cracks(folds: list[Fold], bends: list[Field], widths: Values, px_per_mm: float, rng: Generator) -> Dots:
    """The hairlines at the bottom of the folds, seen where the emulsion cracked without falling off."""
    lengths = np.array([fold.length for fold in folds])
    owner, part = _spaced(lengths, px_per_mm)
    along = part * lengths[owner]
    first = np.cumsum([0, *(len(bend) for bend in bends[:-1])])
    knot = np.rint((along + AROUND_MM) / KNOT_MM).astype(np.intp)
    across = np.concatenate(bends)[first[owner] + knot].astype(np.float64)
    pressure = np.clip(0.55 + 0.5 * wander_each(owner, along, lengths, 3.0, rng), 0, 1)
    pressure *= np.clip((lengths[owner] - along) / 3, 0, 1)
    return _dots(folds, owner, owner, along, across, 0.12 * widths[owner], pressure, px_per_mm)


def _branches(
    folds: list[Fold], widths: Values, counts: NDArray[np.int64], px_per_mm: float, rng: Generator
) -> Dots:
    """Side cracks, so many on each fold, that leave it at a small angle and often bend back beside it."""
    fold = np.repeat(np.arange(len(folds)), counts)
    starts, sizes, noises = (child(rng) for _ in range(3))
    start, slant, away, back, breadth = starts.random((fold.size, 5)).T
    start = start * np.array([one.length for one in folds])[fold]
    lengths = 6.0 * np.exp(0.7 * sizes.standard_normal(fold.size))
    leaving = np.tan(np.radians(5 + 45 * slant**2)) * np.where(away < 0.5, -1, 1)
    owner, t = _spaced(lengths, px_per_mm)
    along = t * lengths[owner]
    noise = partial(wander_each, owner, along, lengths)
    across = (lengths * leaving)[owner] * (t - 0.55 * t**2) * 0.6
    across += 0.16 * noise(1.5, noises, octaves=5, persistence=0.6) * np.minimum(6 * t, 1)
    taper = np.minimum(1, 2.2 * (1 - t)) ** 0.7
    radius = (0.5 * widths[fold] * (0.2 + 0.4 * breadth))[owner] * taper * np.exp(0.5 * noise(1.5, noises))
    pressure = np.clip(0.8 + 0.6 * noise(2.0, noises), 0, 1) * taper
    along = start[owner] + np.where(back < 0.5, -1, 1)[owner] * along
    return _dots(folds, fold[owner], owner, along, across, radius, pressure, px_per_mm)


def _dots(
    folds: list[Fold],
    fold: NDArray[np.intp],
    line: NDArray[np.intp],
    along: Values,
    across: Values,
    radius_mm: Values,
    pressure: Values,
    px_per_mm: float,
) -> Dots:
    """Dots ``along`` and ``across`` their ``fold``, in the order of the ``line`` they form."""
    if line.size == 0:
        return Dots.join([])
    cosine, sine = (np.array([turn(one.angle) for one in folds])[fold] for turn in (math.cos, math.sin))
    x, y = (np.array(values)[fold] for values in zip(*((one.x, one.y) for one in folds), strict=True))
    x = (x + along * cosine - across * sine) * px_per_mm - 0.5
    y = (y + along * sine + across * cosine) * px_per_mm - 0.5
    apart = np.hypot(np.diff(x), np.diff(y))
    step = np.append(apart, apart[-1:])
    ends = np.flatnonzero(np.diff(line))
    # The last dot of a line is as far from the one before.
    step[ends] = step[ends - 1]
    radius = radius_mm * px_per_mm
    weight = pressure * line_weight(step, radius)
    return Dots(*(np.asarray(values, dtype=np.float32) for values in (x, y, radius, weight)))
