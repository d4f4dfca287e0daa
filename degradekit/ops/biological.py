"""What grows on and in old paper: foxing and mould."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.coverage import Indices, Part, batches, plane
from degradekit.curves import Dots, draw_finely, line_weight
from degradekit.density import in_bands
from degradekit.fields import Field
from degradekit.layers import tinted
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import child
from degradekit.specks import scatter

#: Added density of a spot in red, green, blue.
RUST = np.array([0.07, 0.15, 0.26], dtype=np.float32)
#: Patches of the sheet, damp or not, in which spots and colonies crowd.
FOXING_PATCH_MM = 14.0
MOULD_PATCH_MM = 20.0
#: Standard deviation of ln(radius) and of ln(strength).
RADIUS_SPREAD = 0.6
STRENGTH_SPREAD = 0.45
#: Nothing of a spot is seen further away, in radii; and one under this radius in pixels pales.
BULLSEYE_REACH, SNOWFLAKE_REACH = 1.7, 2.1
SMALLEST_PX = 0.7
#: Spots show parts of one piece of ragged noise, which has this much more than the largest of them needs.
VARIETY_MM = 10.0
#: Colonies of mould: threads per colony, length of a segment, chance that a segment branches, colour.
THREADS = 26
SEGMENT_MM = 0.15
BRANCHING = 0.06
#: Threads are drawn at least this finely, in pixels per mm, and averaged: they lie close together.
FINE_PX_PER_MM = 10.0
MOULD = np.array([0.26, 0.24, 0.17], dtype=np.float32)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spots:
    """Spots of one length N: ``centre`` (N, 2), x and y, and radius in pixels; strength; and ``part`` (N, 2):
    where each has its own part of a piece of noise, from 0, on one side, to 1."""

    centre: Values
    radius: Values
    strength: Values
    part: Values

    def only(self, chosen: NDArray[np.bool_]) -> Spots:
        """Those that are ``chosen``."""
        return Spots(*(getattr(self, name)[chosen] for name in Spots.__slots__))


@op(masks=("foxing",), neutral={"density_per_dm2": 0.0})
def foxing(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 3000, "per dm2")] = 60.0,
    radius_mm: Annotated[float, Bounds(0.05, 30, "mm")] = 0.7,
    strength: Annotated[float, Bounds(0, 5, "1")] = 1.3,
    bullseyes: Annotated[float, Bounds(0, 1, "1")] = 0.3,
    clustering: Annotated[float, Bounds(0, 10, "1")] = 1.2,
) -> Photo:
    """Rust-brown spots in loose clusters: some with a dark core and a ring, most ragged and cloudy.

    ``radius_mm`` is the median of a lognormal; the centre of a spot of ``strength`` 1 adds densities
    0.07, 0.15, 0.26 in red, green, blue; ``bullseyes`` is the share with core and ring (iron in the
    paper), the others are snowflakes (fungus); ``clustering`` their unevenness, variance over squared
    mean (gamma-Poisson). The mask is the spots' opacity. Source: both forms are described in the AIC Paper
    Conservation Catalog, 13; numbers our choice.
    """
    if density_per_dm2 == 0 or strength == 0:
        return photo
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    size_mm = (photo.width / scale, photo.height / scale)
    margin_mm = 2 * radius_mm
    centres = scale * scatter(size_mm, density_per_dm2 / 1e4, clustering, FOXING_PATCH_MM, margin_mm, rng)
    count = len(centres)
    radii = radius_mm * scale * np.exp(RADIUS_SPREAD * np.clip(rng.standard_normal(count), -2.5, 2.2))
    strengths = strength * np.exp(STRENGTH_SPREAD * rng.standard_normal(count))
    # A spot under a pixel keeps its area by paling.
    strengths *= np.minimum(radii / SMALLEST_PX, 1) ** 2
    is_bullseye = rng.random(count) < bullseyes
    spots = Spots(centres, np.maximum(radii, SMALLEST_PX), strengths, rng.random((count, 2)))
    # Noise enough for the largest spot and some more, so that each shows a part of its own.
    most = 1 + math.ceil(2 * SNOWFLAKE_REACH * spots.radius.max(initial=0) + VARIETY_MM * scale)
    size = min(photo.height, most), min(photo.width, most)
    ragged = fields.fractal_noise(size, 1.6 * scale, rng, octaves=5, persistence=0.7)
    parts = chain(
        _drawn(shape, spots.only(is_bullseye), BULLSEYE_REACH, ragged, _bullseye),
        _drawn(shape, spots.only(~is_bullseye), SNOWFLAKE_REACH, ragged, _snowflake),
    )
    image, opacity = tinted(photo.editable(), (plane(shape, parts, math.inf), RUST))
    return photo.marked(image, foxing=opacity)


@op(masks=("mould",), neutral={"density_per_dm2": 0.0})
def mould(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 1000, "per dm2")] = 14.0,
    diameter_mm: Annotated[float, Bounds(0.2, 50, "mm")] = 4.0,
    thread_um: Annotated[float, Bounds(5, 500, "um")] = 110.0,
    opacity: Annotated[float, Bounds(0, 1, "1")] = 0.75,
    clustering: Annotated[float, Bounds(0, 10, "1")] = 3.0,
) -> Photo:
    """Gray-green colonies in groups: a furry, speckled middle and branching threads that thin outwards.

    ``diameter_mm`` is the median colony's (lognormal), ``thread_um`` the threads' thickness, ``clustering``
    the colonies' unevenness, variance over squared mean. The mask is the mould's opacity. Source: our
    choice (branching random walks around gamma-Poisson centres).
    """
    if density_per_dm2 == 0 or opacity == 0:
        return photo
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    size_mm = (photo.width / scale, photo.height / scale)
    centres = scatter(size_mm, density_per_dm2 / 1e4, clustering, MOULD_PATCH_MM, diameter_mm, rng)
    radii = diameter_mm / 2 * np.exp(0.5 * rng.standard_normal(len(centres)))
    fineness = fields.fineness(scale, FINE_PX_PER_MM)
    dots = _colonies(centres, radii, fineness * scale, thread_um * 5e-4, child(rng))
    cover = draw_finely(shape, dots, fineness)
    fur = fields.fractal_noise(shape, 0.8 * scale, rng, octaves=3, persistence=0.8)
    alpha = np.clip(cover * (1 + np.float32(0.25) * fur), 0, 1) * np.float32(opacity)

    def covered(image: Image, alpha: Field, fur: Field) -> Image:
        result = image.copy()
        flat, chosen = result.reshape(-1, 3), np.flatnonzero(alpha)
        colour = MOULD * (1 + np.float32(0.25) * fur.reshape(-1)[chosen, None])
        flat[chosen] += alpha.reshape(-1)[chosen, None] * (colour - flat[chosen])
        return result

    return photo.painted(in_bands(covered, photo.editable(), alpha, fur), mould=alpha)


def _drawn(
    shape: tuple[int, int],
    spots: Spots,
    reach: float,
    ragged: Field,
    look: Callable[[Field, Field], Field],
) -> Iterator[Part]:
    """The pixels within ``reach`` radii of spots, whose ``look`` is made of the distance and of noise."""
    (x, y), (along, below) = spots.centre.T, spots.part.T
    (top, rows), (side, breadth) = (
        _interval(centre, reach * spots.radius, count) for centre, count in zip((y, x), shape, strict=True)
    )
    lower = (below * (ragged.shape[0] - rows + 1)).astype(np.intp) - top
    further = (along * (ragged.shape[1] - breadth + 1)).astype(np.intp) - side
    # Row by row of each disc, so that a large one takes no more memory at a time than many small ones.
    spot = np.repeat(np.arange(len(rows)), rows)
    row, radius = top[spot] + _counted(rows), spots.radius[spot]
    down = (row + 0.5 - y[spot]) / radius
    left, columns = _interval(x[spot], radius * np.sqrt(np.maximum(reach**2 - down**2, 0)), shape[1])
    in_noise = (row + lower[spot]) * ragged.shape[1] + left + further[spot]
    counted = np.array([spot, row * shape[1] + left, in_noise])
    measured = np.array(
        [(left + 0.5 - x[spot]) / radius, 1 / radius, down**2, spots.strength[spot]], np.float32
    )
    for batch in batches(columns):
        column = _counted(columns[batch])
        owner, place, in_noise = np.repeat(counted[:, batch], columns[batch], axis=1)
        away, step, beside, strength = np.repeat(measured[:, batch], columns[batch], axis=1)
        away += step * column.astype(np.float32)
        away *= away
        away += beside
        amount = look(np.sqrt(away), ragged.reshape(-1).take(in_noise + column))
        yield Part(owner, place + column, amount * strength)


def _interval(centre: Values, reach: Values, side: int) -> tuple[Indices, Indices]:
    """The first pixel of a ``side`` whose middle lies within ``reach``, and how many there are."""
    first = np.maximum(np.ceil(centre - reach - 0.5), 0)
    count = np.minimum(np.floor(centre + reach + 0.5), side) - first
    return first.astype(np.intp), np.maximum(count, 0).astype(np.intp)


def _counted(sizes: Indices) -> Indices:
    """0, 1, ... for each of some groups of those ``sizes``, one after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _bullseye(distance: Field, rough: Field) -> Field:
    """Strength of a spot with a dark core and a ring."""
    away = distance + np.float32(0.06) * rough
    core, ring = away * np.float32(1 / 0.32), (away - np.float32(0.85)) * np.float32(1 / 0.16)
    spot = fields.smoothstep(-away, -1.15, -0.7)
    spot *= np.float32(0.4)
    spot += fields.exp(-core * core)
    spot += np.float32(0.35) * fields.exp(-ring * ring)
    return spot


def _snowflake(distance: Field, rough: Field) -> Field:
    """Strength of a ragged, cloudy spot."""
    spot = fields.smoothstep(-distance - np.float32(0.30) * rough, -1.25, 0.1)
    spot *= np.maximum(1 + np.float32(0.25) * rough, 0)
    spot *= fields.smoothstep(-distance, -2.1, -1.5)
    return spot


def _colonies(centres: Values, radii: Values, scale: float, thread: float, rng: Generator) -> Dots:
    """Dots of all colonies; lengths in mm, ``scale`` times as many pixels in the result."""
    lives = np.maximum(4, np.ceil(1.4 * radii / SEGMENT_MM))
    owner = np.repeat(np.arange(len(radii)), THREADS)
    heading = rng.uniform(0, 2 * math.pi, len(owner))
    tips, order = np.zeros((len(owner), 2)), np.zeros(len(owner))
    points, weights = [np.zeros((0, 2))], [np.zeros(0)]
    step = 0
    while len(owner):
        heading = heading + 0.17 * rng.standard_normal(len(heading))
        ahead = SEGMENT_MM * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        tips = tips + ahead
        points += [centres[owner] + tips, centres[owner] + tips - ahead / 2]
        weights += [0.75**order * (1 - 0.7 * step / lives[owner])] * 2
        room = np.bincount(owner, minlength=len(radii))[owner] < 5 * THREADS
        branch = np.flatnonzero((rng.random(len(owner)) < BRANCHING) & room)
        turn = rng.integers(2, size=len(branch)) * 1.4 - 0.7
        heading = np.concatenate([heading, heading[branch] + turn])
        tips, order = np.concatenate([tips, tips[branch]]), np.concatenate([order, order[branch] + 1])
        owner = np.concatenate([owner, owner[branch]])
        # Threads die out one by one.
        step += 1
        alive = (rng.random(len(owner)) > 1.6 / lives[owner]) & (step < lives[owner])
        alive &= np.hypot(*tips.T) < 1.3 * radii[owner]
        heading, tips, order, owner = heading[alive], tips[alive], order[alive], owner[alive]
    owner = np.repeat(np.arange(len(radii)), np.ceil(110 * radii**2).astype(np.int64))
    spores = centres[owner] + rng.standard_normal((len(owner), 2)) * (0.42 * radii[owner, None])
    threads = np.full(sum(map(len, weights)), thread * scale)
    along = np.concatenate(weights) * line_weight(SEGMENT_MM / 2 * scale, threads)
    discs = rng.uniform(0.4, 1.7, len(owner)) * thread * scale
    # A disc's soft rim adds to its area, and one under a pixel is drawn too large; this makes up for both.
    drawn = np.maximum(discs, 0.5)
    pale = np.minimum(discs / 0.5, 1) * drawn**2 / (drawn**2 + 1 / 12)
    x, y = (np.concatenate([*points, spores]) * scale - 0.5).T
    weight = np.concatenate([along, pale * rng.uniform(0.15, 0.75, len(owner))])
    values = (x, y, np.concatenate([threads, discs]), weight)
    return Dots(*(part.astype(np.float32) for part in values))
