"""What settles on film and prints: dust, dirt, hair."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import curves, fields, specks
from degradekit.coverage import Coverage
from degradekit.curves import Dots, line_weight
from degradekit.layers import coated
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.specks import Spots

#: Printed white where something kept light off the paper, and what dark matter on a print looks like (sRGB).
LIGHT = np.array([0.96, 0.955, 0.94], dtype=np.float32)
DARK = np.array([0.13, 0.115, 0.10], dtype=np.float32)
#: Standard deviation of ln(area), fitted to dust and dirt drawn by hand on scanned film.
DUST_SPREAD = 0.5
DIRT_SPREAD = 0.54
#: Side of the patches in which hairs have a density of their own.
HAIR_PATCH_MM = 12.0
#: Dirt falls in crumbs: this many beside the main body, within this many of its radii.
CRUMBS = 9
CRUMB_REACH = 2.0
#: Clumps are drawn at least this finely and averaged, as their crumbs overlap.
CRUMBS_PX_PER_MM = 5.0
#: Lint is short: its median length over that of hairs; standard deviations of ln(length), ln(width).
LINT_LENGTH = 0.27
LINT_SPREAD = 0.72
HAIR_SPREAD = 0.53
WIDTH_SPREAD = 0.25
#: Steps of the random walk that a hair's direction is.
KNOTS = 24
#: Hairs get thin over this many widths from each end.
TAPER = 1.5


Values = NDArray[np.float64]


@op(masks=("dust",), neutral={"density_per_cm2": 0.0})
def dust(
    photo: Photo,
    rng: Generator,
    *,
    density_per_cm2: Annotated[float, Bounds(0, 1000, "per cm2")] = 3.0,
    diameter_um: Annotated[float, Bounds(5, 5000, "um")] = 235.0,
    clustering: Annotated[float, Bounds(0, 4, "1")] = 0.3,
    patch_mm: Annotated[float, Bounds(1, 200, "mm")] = 12.0,
    light_share: Annotated[float, Bounds(0, 1, "1")] = 0.85,
    opacity: Annotated[float, Bounds(0, 1, "1")] = 0.9,
) -> Photo:
    """Fine specks all over, mostly white: dust on the negative kept light off the paper.

    ``diameter_um`` is the median of discs of equal area; areas are lognormal. ``clustering`` is the variance
    of the density over its squared mean, from one patch of ``patch_mm`` to the next; ``light_share`` the
    share of white specks. The mask is coverage times opacity. Source: 5,979 specks drawn by hand on seven
    scanned 35 mm frames: ln(area/um2) normal with mean 7.83, sd 0.5 once the annotators' lower limit of 36
    pixels is allowed for (median diameter 57 um), 99 per cm2, clustering 0.2 to 0.3 over 3 mm. The defaults
    are such film printed 4.2 times as large (10 x 15 cm), half as dusty.
    """
    points = _points(photo, rng, density_per_cm2, clustering, patch_mm, diameter_um)
    count = len(points)
    if count == 0 or opacity == 0:
        return photo
    larger, longer = rng.standard_normal((2, count))
    denser, turned, light = rng.random((3, count))
    x, y = (points * photo.px_per_mm).T
    spots = Spots(
        x,
        y,
        diameter_um / 2000 * photo.px_per_mm * np.exp(DUST_SPREAD / 2 * larger),
        opacity * (0.55 + 0.45 * denser),
        specks.outlines(count, 8, 0.2, rng),
        np.exp(np.abs(0.28 * longer)),
        math.pi * turned,
    )
    return _settled(photo, spots, light < light_share, opacity, "dust", 1)


@op(masks=("dirt",), neutral={"density_per_cm2": 0.0})
def dirt(
    photo: Photo,
    rng: Generator,
    *,
    density_per_cm2: Annotated[float, Bounds(0, 200, "per cm2")] = 0.5,
    diameter_um: Annotated[float, Bounds(20, 20000, "um")] = 600.0,
    clustering: Annotated[float, Bounds(0, 4, "1")] = 1.1,
    patch_mm: Annotated[float, Bounds(1, 200, "mm")] = 20.0,
    light_share: Annotated[float, Bounds(0, 1, "1")] = 0.15,
    opacity: Annotated[float, Bounds(0, 1, "1")] = 0.85,
) -> Photo:
    """Ragged crumbs and clumps of dirt, dark where they lie on the print, gathered in places.

    ``diameter_um`` is the median of discs of equal area; areas are lognormal and each clump sheds smaller
    crumbs. ``clustering`` is the variance of the density over its squared mean, from one patch of
    ``patch_mm`` to the next; ``light_share`` the share printed white from the negative. The mask is coverage
    times opacity. Source: 1,784 pieces drawn by hand on seven scanned 35 mm frames: ln(area/um2) normal with
    mean 8.92, sd 0.54 (median diameter 98 um), 29 per cm2, clustering 1.1 over some mm; defaults as for
    dust, a little larger; crumbs are our choice.
    """
    points = _points(photo, rng, density_per_cm2, clustering, patch_mm, diameter_um)
    count = len(points)
    if count == 0 or opacity == 0:
        return photo
    size = diameter_um / 2000 * photo.px_per_mm * np.exp(DIRT_SPREAD / 2 * rng.standard_normal(count))
    # The first column is the body, the others its crumbs; crumbs are many and small.
    shares = rng.lognormal(-1.2, 0.5, (count, 1 + CRUMBS)).clip(0.08, 0.8)
    shares *= rng.random((count, 1 + CRUMBS)) < 0.6
    shares[:, 0] = 0.85
    angle = rng.uniform(0, 2 * math.pi, shares.shape)
    away = size[:, None] * (0.6 + CRUMB_REACH * rng.random(shares.shape) ** 3)
    away[:, 0] = 0
    light = np.repeat(rng.random(count) < light_share, 1 + CRUMBS)
    weight = np.repeat(opacity * rng.uniform(0.6, 1, count), 1 + CRUMBS)
    x, y = (points * photo.px_per_mm).T
    spots = Spots(
        (x[:, None] + away * np.cos(angle)).ravel(),
        (y[:, None] + away * np.sin(angle)).ravel(),
        (size[:, None] * shares).ravel(),
        weight,
        specks.outlines(shares.size, 16, 0.2, rng),
        np.exp(np.abs(0.35 * rng.standard_normal(shares.size))),
        rng.uniform(0, math.pi, shares.size),
    )
    fineness = fields.fineness(photo.px_per_mm, CRUMBS_PX_PER_MM)
    return _settled(photo, spots, light, opacity, "dirt", fineness)


@op(masks=("hair",), neutral={"density_per_cm2": 0.0})
def hair(
    photo: Photo,
    rng: Generator,
    *,
    density_per_cm2: Annotated[float, Bounds(0, 100, "per cm2")] = 0.3,
    length_mm: Annotated[float, Bounds(0.05, 200, "mm")] = 4.3,
    width_um: Annotated[float, Bounds(5, 1000, "um")] = 195.0,
    lint_share: Annotated[float, Bounds(0, 1, "1")] = 0.74,
    curl_rad: Annotated[float, Bounds(0, 8, "rad")] = 1.85,
    light_share: Annotated[float, Bounds(0, 1, "1")] = 0.8,
    opacity: Annotated[float, Bounds(0, 1, "1")] = 0.9,
) -> Photo:
    """Curling hairs with thin ends, and many short threads of lint.

    ``length_mm`` is the median of hairs (lint: 0.27 of it, ``lint_share`` of all), ``curl_rad`` the standard
    deviation of how far a hair of that length turns from end to end, ``light_share`` the share printed white
    from the negative. The mask is coverage times opacity. Source: 356 hairs and 1,022 threads drawn by hand
    on scanned 35 mm frames: ln(length/um) normal with mean 6.94, sd 0.53 (lint 5.63, 0.72), ln(width/um)
    3.83, 0.25; a heading that wanders by 1.83 rad per root mm gives their ratios of length to extent
    (5, 50, 95 %: 1.01, 1.20, 1.92; model 0.98, 1.17, 2.2). The defaults are such film printed 4.2 times as
    large.
    """
    points = _points(photo, rng, density_per_cm2, 0.2, HAIR_PATCH_MM, 3e3 * length_mm)
    if len(points) == 0 or opacity == 0:
        return photo
    count = len(points)
    lint, light, weight = rng.random((3, count))
    is_lint = lint < lint_share
    longer, wider, thicker = rng.standard_normal((3, count))
    length = np.where(is_lint, LINT_LENGTH * np.exp(LINT_SPREAD * longer), np.exp(HAIR_SPREAD * longer))
    # Variance of the heading grows with length, as of any random walk.
    turn = curl_rad * np.sqrt(length)
    width = width_um * 1e-3 * np.exp(WIDTH_SPREAD * wider) * np.abs(1 + 0.12 * thicker)
    dots, owner = _strands(
        points, length_mm * length, width, turn, opacity * (0.6 + 0.4 * weight), photo.px_per_mm, rng
    )
    # Discs of one strand overlap; their sum may not pass the strand's own opacity.
    dark = (light >= light_share).astype(np.intp)[owner]
    return _laid(photo, curves.cover((photo.height, photo.width), dots, opacity, dark), "hair")


def _strands(
    centres: Values,
    length: Values,
    width: Values,
    turn: Values,
    weight: Values,
    px_per_mm: float,
    rng: Generator,
) -> tuple[Dots, NDArray[np.intp]]:
    """Dots along hairs, and which hair each is of; lengths in mm."""
    # The walks have a fixed number of steps, so that their course does not depend on the resolution.
    heading = np.zeros((len(length), KNOTS + 1))
    heading[:, 0] = rng.uniform(0, 2 * math.pi, len(length))
    heading[:, 1:] = rng.standard_normal((len(length), KNOTS)) * turn[:, None] / math.sqrt(KNOTS)
    np.cumsum(heading, axis=1, out=heading)
    radius = width / 2 * px_per_mm
    counts = np.maximum(3, np.ceil(length * px_per_mm / np.maximum(0.5, 0.5 * radius))).astype(np.intp)
    first = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(length)), counts)
    # Each hair's values for every one of its dots.
    start, last, step, ends, radius, weight = np.repeat(
        [first, counts - 1, length / counts, length / (TAPER * width), radius, weight], counts, axis=1
    )
    part = (np.arange(owner.size) - start) / last
    at = part * KNOTS
    left = np.minimum(at.astype(np.intp), KNOTS - 1)
    bearing = heading[owner, left]
    bearing += (at - left) * (heading[owner, left + 1] - bearing)
    places = np.cumsum([np.cos(bearing), np.sin(bearing)], axis=1) * step
    # From the middle of each hair, which lies at its centre.
    middle = np.add.reduceat(places, first, axis=1) / counts
    places += np.repeat(centres.T - middle, counts, axis=1)
    x, y = places * px_per_mm - 0.5
    radii = radius * (0.4 + 0.6 * np.clip(np.minimum(part, 1 - part) * ends, 0, 1))
    values = np.array([x, y, radii, weight * line_weight(step * px_per_mm, radii)], np.float32)
    return Dots(*values), owner


def _points(
    photo: Photo, rng: Generator, per_cm2: float, clustering: float, patch_mm: float, reach_um: float
) -> NDArray[np.float64]:
    """Where things settle, in mm: on the photograph and so near it that they reach in."""
    size = (photo.width / photo.px_per_mm, photo.height / photo.px_per_mm)
    return specks.scatter(size, per_cm2 / 100, clustering, patch_mm, 1e-3 * reach_um, rng)


def _settled(
    photo: Photo, spots: Spots, light: NDArray[np.bool_], opacity: float, name: str, fineness: int
) -> Photo:
    # Where crumbs overlap their sum may not pass the opacity asked for.
    shape = (photo.height, photo.width)
    coverage = specks.cover_finely(shape, spots, fineness, opacity, (~light).astype(np.intp))
    return _laid(photo, coverage, name)


def _laid(photo: Photo, coverage: Coverage, name: str) -> Photo:
    """Light matter under dark matter: the one was on the negative, the other is on the print."""
    image = coated(photo.editable(), coverage, LIGHT, DARK)
    light, dark = coverage.amounts
    return photo.marked(image, **{name: coverage.plane(1 - (1 - light) * (1 - dark))})
