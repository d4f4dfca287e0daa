"""Folds of the sheet, where the emulsion breaks and the paper shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.coverage import Coverage
from degradekit.curves import draw
from degradekit.density import spread
from degradekit.fields import Field
from degradekit.folds import (
    KNOT_MM,
    Band,
    Cracks,
    Fold,
    Numbers,
    Values,
    Wave,
    bands,
    between,
    corners,
    dots,
    knots,
    lines,
    spaced,
    waves,
)
from degradekit.layers import coated
from degradekit.levels import Image, Mask, Plane
from degradekit.noisegrids import CUBIC_GAIN
from degradekit.ops import Bounds, op
from degradekit.papersheet import WHITE, YELLOWING
from degradekit.photo import Photo, put, taken
from degradekit.randomness import child
from degradekit.remapping import sampled

#: Half of the band in which a fold acts, and how wide its shading is (standard deviation).
BAND_MM = 4.0
SHADING_MM = 0.9
#: Size of the flakes that break off along a fold, the finer shapes in them, and their relative strength.
FLAKE_MM = 0.55
FLAKE_GAINS = 0.7 ** np.arange(5)
FLAKE_GAINS /= np.linalg.norm(FLAKE_GAINS)
#: Size of the crumbs of emulsion on the bared paper.
CRUMB_MM = 0.25
#: One crack branches off per this length, where ``branching`` is 1.
BRANCH_MM = 6.0
#: What varies along a fold is drawn from so far before it to so far behind.
AROUND_MM = 6.0
#: Flakes are drawn as finely as for this many pixels per mm, so that they are as many at any resolution, and
#: this far from the fold; they seldom break off farther away.
FINE_PX_PER_MM = 10.0
LOST_MM = 2.2
#: Random numbers are drawn for a multiple of so many columns of flakes.
COLUMNS = 16
#: The noises along a fold: its bends, its turns, its width, where it is bared, and its hairline; and along a
#: side crack: how it runs, its width, and where it is open.
COURSE = (Wave(9.0), Wave(1.4, 5, 0.6), Wave(5.0, 4), Wave(7.0), Wave(3.0))
CRACK = (Wave(1.5, 5, 0.6), Wave(1.5), Wave(2.0))
#: Flakes reach at most so many widths of the bared paper, and grime is so wide (standard deviation).
FARTHEST = 5.0
GRIME_MM = 0.156
#: The noise of flakes repeats after so many knots; one fold after the other lies along it.
FLAKED_KNOTS = 1151
#: A fold's shading, its grime and its pull on the picture fade over this much beyond its ends.
FADE_MM = 3.0


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
    scale = photo.px_per_mm
    courses, noises, branches = (child(rng) for _ in range(3))
    widths = width_um * 1e-3 * np.array([fold.wear for fold in folds])
    sides = 1 - 2 * noises.integers(2, size=len(folds))
    course = _course(folds, widths, sides, loss, scale, courses)
    counts = branches.poisson([branching * fold.length / BRANCH_MM for fold in folds])
    cracks = [_hairlines(folds, course, widths, scale), _branches(folds, widths, counts, scale, branches)]
    shape = (photo.height, photo.width)
    sheet = _Sheet.of(photo, np.ascontiguousarray(draw(shape, dots(folds, cracks, scale))))
    flakes = _Flakes.drawn(course.bend.size, scale, noises)
    for band in bands(folds, course.starts, shape, scale, BAND_MM, AROUND_MM):
        tilt, shade = sheet.bare(band, course, flakes, scale, shading)
        sheet.hide(band.where, np.abs(shade))
        sheet.fold(band, np.float32(warp_mm) * tilt, shade, scale)
    sheet.settle()
    bared = Coverage.of(sheet.alpha)
    image = coated(sheet.image, bared, WHITE + np.float32(yellowing) * YELLOWING)
    sheet.hide(bared.touched, bared.amounts[0])
    return photo.with_masks(sheet.masks).marked(image, crease=1 - sheet.clear)


@dataclass(frozen=True, slots=True)
class _Course:
    """What varies along folds, on knots of a line on which they follow each other from ``starts`` (mm) on.

    How far a fold bends aside, the width of its bared paper, how far from it more than shading is seen, all
    in mm; how much of it is bared, how strong its hairline is, and how strongly it acts on the sheet, with a
    sign for the side on which light falls.
    """

    starts: Values
    bend: Field
    width: Field
    reach: Field
    bare: Field
    hairline: Field
    hold: Field


@dataclass(frozen=True, slots=True)
class _Flakes:
    """Noise along folds: lumps that break off, and crumbs of emulsion that stick to the paper.

    It lies along the folds, so that it is the same however their pixels fall. The two planes have a point per
    ``steps`` mm, are interpolated as OpenCV calls ``how``, and show the place (mm) that a knot has on them.
    """

    planes: tuple[Field, Field]
    steps: tuple[float, float]
    how: int
    place: Field

    @staticmethod
    def drawn(count: int, px_per_mm: float, rng: Generator) -> _Flakes:
        """For so many knots in a row."""
        how = cv2.INTER_LINEAR if px_per_mm <= FINE_PX_PER_MM else cv2.INTER_CUBIC
        # Standard deviation of white noise between its points.
        seen = CUBIC_GAIN if how == cv2.INTER_CUBIC else 2 / 3
        # Lengths that differ by rounding at another resolution take as many random numbers.
        cells = COLUMNS * math.ceil(min(count, FLAKED_KNOTS) * KNOT_MM / (FLAKE_MM * COLUMNS))
        unrolled = (math.ceil(2 * LOST_MM / CRUMB_MM), math.ceil(cells * FLAKE_MM / CRUMB_MM))
        crumbs = fields.white_noise(unrolled, rng)
        crumbs *= np.float32(1 / seen)
        octaves = 1 + math.floor(math.log2(FLAKE_MM * max(px_per_mm, FINE_PX_PER_MM)))
        gains = FLAKE_GAINS[:octaves] / CUBIC_GAIN
        gains[-1] *= CUBIC_GAIN / seen
        lumps = fields.white_noise((math.ceil(2 * LOST_MM / FLAKE_MM), cells), rng)
        lumps *= np.float32(gains[0])
        for gain in gains[1:]:
            finer = fields.white_noise((2 * lumps.shape[0], 2 * lumps.shape[1]), rng)
            finer *= np.float32(gain)
            finer += cv2.resize(lumps, finer.shape[::-1], interpolation=cv2.INTER_CUBIC)
            lumps = finer
        place = np.resize(np.arange(FLAKED_KNOTS, dtype=np.float32) * np.float32(KNOT_MM), count)
        return _Flakes((lumps, crumbs), (cells * FLAKE_MM / lumps.shape[1], CRUMB_MM), how, place)

    def at(self, knot: Numbers, part: Field, d: Field) -> tuple[Field, Field]:
        """Both so far behind knots, and so far across the folds, in mm."""
        along = part * np.float32(KNOT_MM)
        along += self.place.take(knot)
        lumps, crumbs = (
            sampled(
                plane,
                along * np.float32(1 / step) - np.float32(0.5),
                d * np.float32(1 / step) + np.float32(LOST_MM / step - 0.5),
                self.how,
            )
            for plane, step in zip(self.planes, self.steps, strict=True)
        )
        return lumps, crumbs


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A print while it is folded: its picture and masks, how much of it is bared, and what is left in the
    clear.

    ``waiting`` is what a fold will change: its number, pixels, and what picture and masks show there.
    """

    image: Image
    masks: dict[str, Mask]
    alpha: Mask
    clear: Mask
    waiting: list[tuple[int, Numbers, list[Plane]]]

    @staticmethod
    def of(photo: Photo, alpha: Mask) -> _Sheet:
        """The print before it is folded, bared so far; takes over the picture of a photo that is owned."""
        masks = {name: mask.copy() for name, mask in photo.masks.items()}
        return _Sheet(taken(photo.editable()), masks, alpha, np.ones(alpha.shape, np.float32), [])

    def bare(
        self, band: Band, course: _Course, flakes: _Flakes, px_per_mm: float, shading: float
    ) -> tuple[Field, Field]:
        """Bare the paper near folds; gives how far these tilt the sheet, in [-1, 1], and their shading."""
        knot, part = knots(band.s)
        aside = band.d - between(course.bend, knot, part)
        tilt = _tilt(aside)
        hold = course.hold.take(knot)
        shade = tilt * hold
        shade *= np.float32(shading)
        hold = np.abs(hold, out=hold)
        tilt *= hold
        away = np.abs(aside, out=aside)
        close = np.flatnonzero(away < course.reach.take(knot))
        if close.size == 0:
            return tilt, shade
        knot, part = knot.take(close), part.take(close)
        noise = flakes.at(knot, part, band.d.take(close))
        width, bare = between(course.width, knot, part), course.bare.take(knot)
        lost, grime = _lost(away.take(close), width, bare, noise, px_per_mm)
        grime *= hold.take(close)
        grime *= np.float32(-1.2 * shading)
        grime += shade.take(close)
        shade[close] = np.maximum(grime, -1, out=grime)
        np.maximum.at(self.alpha.reshape(-1), band.where.take(close), lost)
        return tilt, shade

    def hide(self, where: Numbers, amount: Field) -> None:
        """Hide so much of these pixels, on top of what is hidden."""
        np.multiply.at(self.clear.reshape(-1), where, 1 - amount)

    def fold(self, band: Band, pull: Field, shade: Field, px_per_mm: float) -> None:
        """Draw picture and masks into folds by so many mm, and shade them."""
        x, y = band.aside(pull, px_per_mm)
        light = spread(shade[None] + 1)[0]
        for number, part in band.parts:
            if self.waiting and self.waiting[-1][0] != number:
                self.settle()
            planes = [sampled(plane, x[part], y[part]) for plane in (self.image, *self.masks.values())]
            planes[0] *= light[part]
            pixels = [np.minimum(plane, 1, out=plane) for plane in planes]
            self.waiting.append((number, band.where[part], pixels))

    def settle(self) -> None:
        """Change what a fold changes: only when it is done, as its pixels come from each other's places."""
        for _, where, (pixels, *masks) in self.waiting:
            put(self.image, where, pixels)
            for mask, values in zip(self.masks.values(), masks, strict=False):
                mask.reshape(-1)[where] = values
        self.waiting.clear()


def _course(
    folds: list[Fold], widths: Values, sides: Numbers, loss: float, px_per_mm: float, rng: Generator
) -> _Course:
    """What varies along folds, drawn for all of them together."""
    lengths = np.array([fold.length for fold in folds])
    # Rounding may move a place behind the last.
    counts = np.ceil((lengths + 2 * AROUND_MM) / KNOT_MM).astype(np.intp) + 2
    starts = np.asarray((np.cumsum(counts) - counts) * KNOT_MM + AROUND_MM, np.float64)
    # Each fold's values for every one of its knots.
    beyond = [FADE_MM if fold.stops else AROUND_MM for fold in folds]
    each = np.array([np.cumsum(counts) - counts, lengths, beyond, sides, widths])
    first, length, past, side, width = np.repeat(each, counts, axis=1)
    bend, turns, swell, bare, hairline = waves(first.size, COURSE, rng)
    bend *= np.float32(0.22)
    bend += np.float32(0.10) * turns
    swell = fields.exp(np.float32(0.42) * swell - np.float32(0.1))
    threshold = NormalDist().inv_cdf(1 - min(max(loss, 1e-3), 1 - 1e-3))
    bare = fields.smoothstep(bare, threshold - 0.35, threshold + 0.35)
    hairline = (np.float32(0.55) + np.float32(0.5) * hairline).clip(0, 1)
    behind = ((np.arange(first.size) - first) * KNOT_MM).astype(np.float32)
    left = (length + AROUND_MM).astype(np.float32) - behind
    # Folds that stop within the sheet run out thinly.
    bare *= (left / np.float32(2.5)).clip(0, 1)
    hairline *= (left / np.float32(3)).clip(0, 1)
    # Others go on beyond the border.
    hold = np.minimum(left + past.astype(np.float32), behind)
    hold /= np.float32(FADE_MM)
    hold.clip(0, 1, out=hold)
    hold *= side.astype(np.float32)
    width = width.astype(np.float32) * swell * bare
    # Nothing is lost farther away, however large the flakes are, and no grime gathers.
    reach = np.float32(FARTHEST) * width + np.float32(GRIME_MM * 3.5 + 1 / px_per_mm)
    return _Course(starts, bend, width, reach, bare, hairline, hold)


def _tilt(aside: Field) -> Field:
    """(d / s) exp(1/2 - d^2 / 2 s^2) at the distance d, of s = SHADING_MM: at most 1, at s."""
    tilt = aside * aside
    tilt *= np.float32(-0.5 / SHADING_MM**2)
    tilt = fields.exp(tilt)
    tilt *= aside
    tilt *= np.float32(math.exp(0.5) / SHADING_MM)
    return tilt


def _lost(
    away: Field, width: Field, bare: Field, noise: tuple[Field, Field], px_per_mm: float
) -> tuple[Field, Field]:
    """How much emulsion is lost, and how much grime gathers, so far ``away`` from a fold's middle (mm)."""
    lumps, crumbs = noise
    # Chips beside the fold: the fewer, the farther.
    chips = fields.smoothstep(lumps - away / (np.float32(1.6) * width + np.float32(1e-3)), 0.95, 1.35)
    chips *= bare
    lumps *= np.float32(0.42)
    half = fields.exp(lumps)
    half *= np.float32(0.5 * px_per_mm) * width
    away *= np.float32(px_per_mm)
    away -= half
    # Under a pixel the ramps of both sides overlap, and hold (thick + 1/2)^2 where 2 thick is wanted.
    thin = np.minimum(half, np.float32(0.5), out=half)
    wide = thin + np.float32(0.5)
    thin *= 2
    thin /= wide * wide
    lost = np.float32(0.5) - away
    lost = lost.clip(0, 1, out=lost)
    lost *= thin
    np.maximum(lost, chips, out=lost)
    # Crumbs of emulsion stick to the paper.
    stuck = crumbs.clip(0, 1.5, out=crumbs)
    stuck *= lost
    stuck *= np.float32(0.3)
    lost -= stuck
    # Grime gathers in the groove and the lifted edges throw a fine shadow.
    away *= away
    away *= np.float32(-0.5 / (GRIME_MM * px_per_mm) ** 2)
    grime = fields.exp(away)
    bare += np.float32(0.3)
    grime *= bare
    return lost, grime


def _hairlines(folds: list[Fold], course: _Course, widths: Values, px_per_mm: float) -> Cracks:
    """The hairlines at the bottom of the folds, seen where the emulsion cracked without falling off."""
    lengths = np.array([fold.length for fold in folds])
    owner, t = spaced(lengths, px_per_mm)
    along = t * lengths[owner]
    knot, part = knots((course.starts[owner] + along).astype(np.float32))
    across, pressure = (
        between(values, knot, part).astype(np.float64) for values in (course.bend, course.hairline)
    )
    return Cracks(owner, owner, along, across, 0.12 * widths[owner], pressure)


def _branches(
    folds: list[Fold], widths: Values, counts: NDArray[np.int64], px_per_mm: float, rng: Generator
) -> Cracks:
    """Side cracks, so many on each fold, that leave it at a small angle and often bend back beside it."""
    fold = np.repeat(np.arange(len(folds)), counts)
    start, slant, away, back, breadth = rng.random((5, fold.size))
    start = start * np.array([one.length for one in folds])[fold]
    lengths = 6.0 * np.exp(0.7 * rng.standard_normal(fold.size))
    leaving = np.tan(np.radians(5 + 45 * slant**2)) * np.where(away < 0.5, -1, 1)
    owner, t = spaced(lengths, px_per_mm)
    along = t * lengths[owner]
    needed = np.ceil(lengths / KNOT_MM).astype(np.intp) + 2
    knot, part = knots(along.astype(np.float32))
    knot += (np.cumsum(needed) - needed)[owner]
    aside, swell, pressed = waves(int(needed.sum()), CRACK, rng)
    across = (lengths * leaving)[owner] * (t - 0.55 * t**2) * 0.6
    across += 0.16 * between(aside, knot, part) * np.minimum(6 * t, 1)
    taper = np.minimum(1, 2.2 * (1 - t)) ** 0.7
    radius = (0.5 * widths[fold] * (0.2 + 0.4 * breadth))[owner] * taper
    radius *= np.exp(np.float32(0.5) * swell.take(knot))
    pressure = (0.8 + 0.6 * pressed.take(knot)).clip(0, 1) * taper
    along = start[owner] + np.where(back < 0.5, -1, 1)[owner] * along
    return Cracks(fold[owner], owner + len(folds), along, across, radius, pressure)
