"""Scratches: torn or abraded emulsion through which the light base shows."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.blending import laid
from degradekit.curves import Dots, draw, profile
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Scratches come in bursts made by one contact: this many on average beyond the first.
MORE_PER_BURST = 3.0
#: Spread of a burst: direction in degrees, position in lengths of its scratches.
BURST_ANGLE_DEG = 9.0
BURST_WIDTH = 0.45
#: Standard deviations of ln(length) and ln(width); lengths are fitted to labelled film scans.
LENGTH_SPREAD = 0.9
WIDTH_SPREAD = 0.45
#: The elastic distortion is smooth over this distance.
ELASTIC_CORRELATION_MM = 6.0


@op(masks=("scratch",), neutral={"density_per_cm2": 0.0})
def scratches(
    photo: Photo,
    rng: Generator,
    *,
    density_per_cm2: Annotated[float, Bounds(0, 50, "per cm2")] = 0.6,
    length_mm: Annotated[float, Bounds(0.1, 200, "mm")] = 4.0,
    width_um: Annotated[float, Bounds(5, 3000, "um")] = 120.0,
    raggedness: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    elastic_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.3,
    opacity: Annotated[float, Bounds(0, 1, "1")] = 0.9,
    tone: Annotated[float, Bounds(0, 1, "1")] = 0.93,
    blend: Literal["addition", "lighten_only", "screen"] = "screen",
) -> Photo:
    """Light, broken lines in bursts of nearly parallel strokes, now and then a wide ragged tear.

    A procedural scratch texture (beaded strokes whose pressure and width vary along them), bent by an
    elastic distortion, is laid over the photograph. ``length_mm`` and ``width_um`` are medians; ``tone`` is
    the gray of the bared base; ``raggedness`` goes from clean cuts to frayed, interrupted ones.
    The mask is coverage times opacity. Source: the three blending modes, random opacity and elastic
    distortion are Wan et al., CVPR 2020, 3.3 (their textures were never released); the texture is our own.
    """
    if density_per_cm2 == 0 or opacity == 0:
        return photo
    shape = (photo.height, photo.width)
    bursts = rng.poisson(density_per_cm2 * photo.area_mm2 / 100 / (1 + MORE_PER_BURST))
    strokes: list[Dots] = []
    for _ in range(bursts):
        strokes.extend(_burst(photo, rng, length_mm, width_um, raggedness))
    cover = draw(shape, Dots.join(strokes))
    if elastic_mm > 0:
        rms_px, correlation_px = (mm * photo.px_per_mm for mm in (elastic_mm, ELASTIC_CORRELATION_MM))
        cover = fields.warp(cover, *fields.displacement(shape, rms_px, correlation_px, rng))
    alpha = cover * np.float32(opacity)
    return photo.painted(laid(photo.image, alpha, tone, blend), scratch=alpha)


def _burst(photo: Photo, rng: Generator, length_mm: float, width_um: float, raggedness: float) -> list[Dots]:
    """The strokes of one contact: near each other and nearly parallel."""
    centre = rng.random(2) * (photo.width, photo.height)
    angle = rng.uniform(0, math.pi)
    size = length_mm * math.exp(LENGTH_SPREAD * rng.standard_normal()) * photo.px_per_mm
    # One burst in a dozen is a real tear: a single stroke, several times as wide.
    torn = rng.random() < 0.08
    count = 1 if torn else 1 + int(rng.geometric(1 / (1 + MORE_PER_BURST))) - 1
    strokes = []
    for _ in range(count):
        at = centre + rng.standard_normal(2) * BURST_WIDTH * size * (count > 1)
        heading = angle + math.radians(BURST_ANGLE_DEG) * rng.standard_normal()
        length = size * math.exp(0.5 * rng.standard_normal())
        width = width_um * 1e-3 * photo.px_per_mm * math.exp(WIDTH_SPREAD * rng.standard_normal())
        strokes.append(_stroke(at, heading, length, width * (4 if torn else 1), raggedness, rng))
    return strokes


def _stroke(
    centre: NDArray[np.float64],
    heading: float,
    length: float,
    width: float,
    raggedness: float,
    rng: Generator,
) -> Dots:
    """Dots along one stroke; lengths in pixels."""
    radius = width / 2
    step = max(0.4, 0.45 * radius)
    count = max(3, math.ceil(length / step))
    along = np.linspace(-0.5, 0.5, count)
    # A gentle bow: the heading turns a little along the way.
    bow = rng.standard_normal() * 0.12
    x = centre[0] + length * (along * math.cos(heading) - bow * (along**2) * math.sin(heading))
    y = centre[1] + length * (along * math.sin(heading) + bow * (along**2) * math.cos(heading))
    # Pressure fades towards the ends and breaks where it falls under a threshold.
    breaks = profile(count, max(2, round(length / (14 * max(radius, 0.5)))), rng)
    grit = profile(count, max(3, round(length / (3 * max(radius, 0.5)))), rng)
    taper = np.clip((0.5 - np.abs(along)) * 6, 0, 1)
    pressure = np.clip(0.75 + raggedness * (0.7 * breaks + 0.5 * grit), 0, 1) * taper
    sideways = raggedness * radius * 0.8 * rng.standard_normal(count)
    swell = np.exp(raggedness * (0.45 * grit + 0.35 * breaks))
    spacing = length / count
    # Discs overlap 2 r / spacing times along the stroke; their weights add up to the pressure.
    radii = np.maximum(radius * swell * (0.35 + 0.65 * taper), 1e-3)
    # The extra half turns a wide stroke's round profile into a flat one; a hairline does not saturate.
    gain = 1.0 + 0.5 * np.clip(radii - 0.5, 0, 1)
    weight = gain * pressure * np.minimum(spacing / (2 * np.maximum(radii, 0.5)), 1)
    return Dots(
        *(
            np.asarray(values, dtype=np.float32)
            for values in (x - sideways * math.sin(heading), y + sideways * math.cos(heading), radii, weight)
        )
    )
