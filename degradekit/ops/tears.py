"""Torn sheets: rips from the edge inwards, and corners that are gone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import wander
from degradekit.fields import Field
from degradekit.layers import covered
from degradekit.ops import Bounds, op
from degradekit.papersheet import WHITE, YELLOWING
from degradekit.photo import Photo

#: Standard deviations of ln(length) of rips and of the legs of missing corners.
LENGTH_SPREAD = 0.6
CORNER_SPREAD = 0.45
#: Rips set out within about this many degrees of square to the edge, and stray by this part of their length.
START_DEG = 28.0
STRAY = 0.11
#: Size of the tufts of fibre at a torn edge.
TUFT_MM = 0.35
#: The sheet curls up within this distance of a tear.
CURL_MM = 1.6


@dataclass(frozen=True, slots=True)
class Rip:
    """A torn line from (x, y) on, in mm; ``gone``: all on its left (seen along it) is missing."""

    x: float
    y: float
    angle: float
    length: float
    reach: float
    gone: bool


@op(masks=("tear",), neutral={"density_per_m": 0.0, "corners": 0.0})
def tears(
    photo: Photo,
    rng: Generator,
    *,
    density_per_m: Annotated[float, Bounds(0, 200, "per m of edge")] = 4.0,
    length_mm: Annotated[float, Bounds(0.5, 500, "mm")] = 16.0,
    gap_um: Annotated[float, Bounds(0, 10000, "um")] = 500.0,
    core_um: Annotated[float, Bounds(0, 5000, "um")] = 450.0,
    corners: Annotated[float, Bounds(0, 1, "1")] = 0.15,
    corner_mm: Annotated[float, Bounds(0.5, 200, "mm")] = 11.0,
    background: Annotated[float, Bounds(0, 1, "1")] = 0.12,
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.2,
) -> Photo:
    """Ragged rips that start at an edge, with white fibrous lips, and now and then a missing corner.

    ``density_per_m`` counts rips per metre of the sheet's edge, ``length_mm`` is their median; they gape by
    ``gap_um`` at the edge and close towards the tip. ``core_um`` is the mean width of the bared core of the
    paper, both lips together, shared unevenly between them; ``corners`` the chance of each corner to be
    gone, along legs of ``corner_mm``; ``background`` the gray (sRGB) of what lies behind the sheet. The mask
    is all that is bared or gone, joined with the part of the light that the lips' shading takes or adds.
    The picture's halves stay in place, so pairs stay aligned. Source: our choice (an edge-anchored random
    walk, core 0.1 to 0.6 mm).
    """
    size = (photo.width / photo.px_per_mm, photo.height / photo.px_per_mm)
    rips = _rips(size, density_per_m / 1000, length_mm, gap_um * 1e-3, core_um * 1e-3, rng)
    rips += _missing(size, corners, corner_mm, rng)
    if not rips:
        return photo
    image = photo.editable()
    alpha = np.zeros((photo.height, photo.width), np.float32)
    for rip in rips:
        gap, core = (um * 1e-3 * math.exp(0.3 * rng.standard_normal()) for um in (gap_um, core_um))
        _tear(image, alpha, photo.px_per_mm, rip, gap, core, background, yellowing, rng)
    return photo.painted(image, tear=alpha)


def _rips(
    size: tuple[float, float], per_mm: float, length_mm: float, gap: float, core: float, rng: Generator
) -> list[Rip]:
    width, height = size
    rips = []
    for _ in range(rng.poisson(per_mm * 2 * (width + height))):
        at = rng.uniform(0, 2 * (width + height))
        turn = math.radians(START_DEG) * rng.standard_normal()
        length = length_mm * math.exp(LENGTH_SPREAD * rng.standard_normal())
        # Round the sheet: top, right, bottom, left, each with its inward direction.
        if at < width:
            x, y, inward = at, 0.0, 90
        elif at < width + height:
            x, y, inward = width, at - width, 180
        elif at < 2 * width + height:
            x, y, inward = at - width - height, height, -90
        else:
            x, y, inward = 0.0, at - 2 * width - height, 0
        reach = 3 * STRAY * length + 2 * gap + 2 * core + 2 * CURL_MM
        rips.append(Rip(x, y, math.radians(inward) + turn, length, reach, False))
    return rips


def _missing(size: tuple[float, float], chance: float, corner_mm: float, rng: Generator) -> list[Rip]:
    """Torn-off corners, each as a line across it with the corner on its left."""
    rips = []
    for x, y in ((0.0, 0.0), (size[0], 0.0), (size[0], size[1]), (0.0, size[1])):
        taken = rng.random() < chance
        legs = corner_mm * np.exp(CORNER_SPREAD * rng.standard_normal(2))
        if not taken:
            continue
        a, b = (min(float(leg), 0.8 * side) for leg, side in zip(legs, size, strict=True))
        on_x, on_y = (a if x == 0 else x - a), (b if y == 0 else y - b)
        # Left of the way, with y downwards, is where the cross product is negative.
        start, end = (on_x, y), (x, on_y)
        if (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0]) > 0:
            start, end = end, start
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        rips.append(Rip(*start, angle, math.hypot(a, b), min(a, b) + 2 * CURL_MM, True))
    return rips


def _tear(
    image: Field,
    alpha: Field,
    px_per_mm: float,
    rip: Rip,
    gap: float,
    core: float,
    background: float,
    yellowing: float,
    rng: Generator,
) -> None:
    """Paint one rip; s and d are mm along and across it, d < 0 on its left."""
    scale = np.float32(px_per_mm)
    x, y = rip.x * px_per_mm, rip.y * px_per_mm
    cosine, sine = math.cos(rip.angle), math.sin(rip.angle)
    end = x + rip.length * px_per_mm * cosine, y + rip.length * px_per_mm * sine
    rows, columns, inside = fields.strip((alpha.shape[0], alpha.shape[1]), (x, y), end, rip.reach * px_per_mm)
    if rows.size == 0:
        return
    dx, dy = columns + np.float32(0.5 - x), rows + np.float32(0.5 - y)
    s = (dx * cosine + dy * sine).astype(np.float32) / scale
    d = (dy * cosine - dx * sine).astype(np.float32) / scale
    knots = np.arange(-rip.reach - 1, rip.length + rip.reach + 1, 0.08)
    stray = STRAY * rip.length * wander(knots, 0.6 * rip.length, rng, octaves=6, persistence=0.45)
    stray += 0.10 * wander(knots, 0.7, rng)
    start = np.interp([0.0, rip.length], knots, stray)
    # A rip starts where it was put; a lost corner's line also ends there.
    stray -= start[0] + (start[1] - start[0]) * knots / rip.length * rip.gone
    closing = np.clip(1 - knots / rip.length, 0, 1) if not rip.gone else np.ones_like(knots)
    half_gap = 0.5 * gap * closing**0.8
    tip = np.clip((rip.length - knots) / (0.4 * rip.length), 0, 1)
    if rip.gone:
        tip = np.ones_like(knots)
    lips = core * tip * np.exp(0.5 * wander(knots, 2.5, rng, octaves=4))
    # Paper splits aslant: the core shows mostly on one lip, which changes along the rip.
    side = 1 / (1 + np.exp(-2.2 * wander(knots, 0.4 * rip.length + 2, rng)))
    d -= np.interp(s, knots, stray).astype(np.float32)
    tufts = fields.fractal_noise(d.shape, TUFT_MM * px_per_mm, rng, octaves=4, persistence=0.65)
    # Only what the tear reaches is worked on: of a missing corner, all that lies beyond the line.
    limit = half_gap.max() + 1.5 * lips.max() + 2 * CURL_MM
    chosen = inside & (d < limit) & (rip.gone | (d > -limit))
    at = rows[chosen], columns[chosen]
    s, d, tufts = s[chosen], d[chosen], tufts[chosen]

    def along(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.asarray(np.interp(s, knots, values), dtype=np.float32)

    opening = along(half_gap)
    right = d > 0
    bared = along(lips) if rip.gone else np.where(right, along(lips * side), along(lips * (1 - side)))
    bared *= np.exp(np.float32(0.35) * tufts)
    away = (d if rip.gone else np.abs(d) - opening) + np.float32(0.03) * tufts * (opening > 0)
    hole = np.clip(np.float32(0.5) - away * scale, 0, 1)
    if not rip.gone:
        hole *= np.minimum(2 * opening * scale, 1)
    paper = np.clip((bared - away) * scale + np.float32(0.5), 0, 1) * np.minimum(bared * scale, 1)
    # The lifted lips catch light on one side and lie in shade on the other; the edge throws a fine shadow.
    light = np.float32(math.sin(rip.angle) - math.cos(rip.angle) + 0.3) * np.where(right, 1, -1)
    edge = np.maximum(away - bared, 0)
    shade = 1 + along(tip) * (
        np.float32(0.07) * light * np.exp(-edge / np.float32(CURL_MM / 2))
        - np.float32(0.22) * np.exp(-edge / np.float32(0.12))
    )
    picture = np.clip(image[at] * np.clip(shade, 0, 1.2)[:, None], 0, 1, dtype=np.float32)
    tone = 1 + np.float32(0.05) * tufts - np.float32(0.10) * np.clip(1 - away / np.maximum(bared, 0.05), 0, 1)
    sheet = np.clip((WHITE + np.float32(yellowing) * YELLOWING) * tone[:, None], 0, 1, dtype=np.float32)
    behind = np.full(3, background, np.float32)
    image[at] = covered(picture[None], (sheet[None], paper[None]), (behind, hole[None]))[0]
    lit = np.minimum(np.abs(shade - 1), 1)
    alpha[at] = np.maximum(alpha[at], 1 - (1 - paper) * (1 - hole) * (1 - lit))
