"""What grows on and in old paper: foxing and mould."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import Dots, draw_finely, line_weight
from degradekit.density import in_bands, veil
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
#: Colonies of mould: threads per colony, length of a segment, chance that a segment branches, colour.
THREADS = 26
SEGMENT_MM = 0.15
BRANCHING = 0.06
#: Threads are drawn at least this finely, in pixels per mm, and averaged: they lie close together.
FINE_PX_PER_MM = 10.0
MOULD = np.array([0.26, 0.24, 0.17], dtype=np.float32)

Values = NDArray[np.float64]


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
    is_bullseye = rng.random(count) < bullseyes
    amount = np.zeros(shape, np.float32)
    ragged = fields.fractal_noise(shape, 1.6 * scale, rng, octaves=5, persistence=0.7)
    for (x, y), radius, depth, bullseye in zip(centres, radii, strengths, is_bullseye, strict=True):
        _spot(amount, ragged, float(x), float(y), float(radius), float(depth), bool(bullseye))

    return photo.marked(tinted(photo.editable(), (amount, RUST)), foxing=veil(amount, RUST))


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


def _spot(
    amount: Field, ragged: Field, x: float, y: float, radius: float, strength: float, bullseye: bool
) -> None:
    """Add one spot; under a pixel it keeps its area by paling."""
    height, width = amount.shape
    strength *= min(radius / 0.7, 1) ** 2
    radius = max(radius, 0.7)
    reach = math.ceil(2.2 * radius + 1)
    left, right = max(0, math.floor(x) - reach), min(width, math.ceil(x) + reach + 1)
    top, bottom = max(0, math.floor(y) - reach), min(height, math.ceil(y) + reach + 1)
    if left >= right or top >= bottom:
        return
    columns = (np.arange(left, right, dtype=np.float32)[None] + np.float32(0.5 - x)) / np.float32(radius)
    rows = (np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)) / np.float32(radius)
    distance = np.hypot(columns, rows)
    rough = ragged[top:bottom, left:right]
    if bullseye:
        distance += np.float32(0.06) * rough
        core = np.exp(-((distance / np.float32(0.32)) ** 2))
        ring = np.exp(-(((distance - np.float32(0.85)) / np.float32(0.16)) ** 2))
        halo = fields.smoothstep(-distance, -1.15, -0.7)
        spot = core + np.float32(0.35) * ring + np.float32(0.4) * halo
    else:
        distance += np.float32(0.30) * rough
        spot = fields.smoothstep(-distance, -1.25, 0.1) * (1 + np.float32(0.25) * rough)
        spot *= fields.smoothstep(-np.hypot(columns, rows), -2.1, -1.5)
    window = amount[top:bottom, left:right]
    window += np.maximum(spot, 0) * np.float32(strength)


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
