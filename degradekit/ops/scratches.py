"""Scratches: torn or abraded emulsion through which the light base shows."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.blending import laid
from degradekit.curves import Dots, draw, line_weight, wander
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import generator

#: Scratches come in bursts made by one contact: this many on average beyond the first.
MORE_PER_BURST = 3.0
#: The share of bursts that are a single tear, and how much wider it is.
TORN, TORN_WIDER = 0.08, 4.0
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
    depth: Annotated[float, Bounds(0, 3, "layers")] = 3.0,
    polarity: Literal["light", "dark"] = "light",
) -> Photo:
    """Light, broken lines in bursts of nearly parallel strokes, now and then a wide ragged tear.

    A procedural scratch texture (beaded strokes whose pressure and width vary along them), bent by an
    elastic distortion, is laid over the photograph. ``length_mm`` and ``width_um`` are medians; ``tone`` is
    the gray of the bared base; ``raggedness`` goes from clean cuts to frayed, interrupted ones. ``depth`` is
    how many of a colour print's layers are gone: up to 1 cyan (a red scratch), to 2 magenta too (yellow), to
    3 all of them (white). ``polarity`` "dark" is a scratch of the negative: the same in black, by the
    blending modes' opposites. The mask is coverage times opacity, times depth / 3.
    Source: the three blending modes, random opacity and elastic distortion are Wan et al., CVPR 2020, 3.3
    (their textures were never released); the texture, depth and polarity are our own.
    """
    if density_per_cm2 == 0 or opacity == 0 or depth == 0:
        return photo
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    bursts = rng.poisson(density_per_cm2 * photo.area_mm2 / 100 / (1 + MORE_PER_BURST))
    # Every burst has a generator of its own and is drawn in millimetres, so that the same scratches come
    # out at any resolution.
    seeds = rng.integers(2**62, size=bursts + 1)
    size_mm = (photo.width / scale, photo.height / scale)
    strokes: list[Dots] = []
    for seed in seeds[1:]:
        strokes.extend(_burst(generator(int(seed)), size_mm, length_mm, width_um * 1e-3, raggedness, scale))
    cover = draw(shape, Dots.join(strokes))
    if elastic_mm > 0:
        bend = fields.displacement(
            shape, elastic_mm * scale, ELASTIC_CORRELATION_MM * scale, generator(int(seeds[0]))
        )
        cover = fields.warp(cover, *bend)
    alpha = cover * np.float32(opacity)
    red, green, blue = (min(max(depth - layer, 0.0), 1.0) for layer in range(3))
    if polarity == "light":
        image = laid(photo.image, alpha, tone, blend, (red, green, blue))
    else:
        image = 1 - laid(1 - photo.image, alpha, tone, blend, (red, green, blue))
    return photo.painted(image, scratch=alpha * np.float32(depth / 3))


def _burst(
    rng: Generator,
    size_mm: tuple[float, float],
    length_mm: float,
    width_mm: float,
    raggedness: float,
    px_per_mm: float,
) -> list[Dots]:
    """The strokes of one contact: near each other and nearly parallel."""
    centre = rng.random(2) * size_mm
    angle = rng.uniform(0, math.pi)
    size = length_mm * math.exp(LENGTH_SPREAD * rng.standard_normal())
    # One burst in a dozen is a real tear: a single stroke, several times as wide.
    torn = rng.random() < TORN
    count = 1 if torn else int(rng.geometric(1 / (1 + MORE_PER_BURST)))
    strokes = []
    for _ in range(count):
        at = centre + rng.standard_normal(2) * BURST_WIDTH * size * (count > 1)
        heading = angle + math.radians(BURST_ANGLE_DEG) * rng.standard_normal()
        length = size * math.exp(0.5 * rng.standard_normal())
        width = width_mm * math.exp(WIDTH_SPREAD * rng.standard_normal()) * (TORN_WIDER if torn else 1)
        strokes.append(_stroke(rng, at, heading, length, width, raggedness, px_per_mm))
    return strokes


def _stroke(
    rng: Generator,
    centre: NDArray[np.float64],
    heading: float,
    length: float,
    width: float,
    raggedness: float,
    px_per_mm: float,
) -> Dots:
    """Dots along one stroke; lengths in mm."""
    step = max(0.4 / px_per_mm, 0.22 * width)
    count = max(3, math.ceil(length / step))
    along = np.linspace(-0.5, 0.5, count)
    at = (along + 0.5) * length
    # A gentle bow: the heading turns a little along the way.
    bow = rng.standard_normal() * 0.12
    # Pressure fades towards the ends and breaks where it falls under a threshold. Breaks are never shorter
    # than a scan of 150 dpi can show: finer ones would leave a hairline gray instead of broken.
    breaks = wander(at, max(7 * width, 1.4), rng, octaves=1)
    grit = wander(at, max(1.5 * width, 0.3), rng, octaves=2)
    sway = wander(at, max(0.6 * width, 0.12), rng, octaves=1)
    taper = np.clip((0.5 - np.abs(along)) * 6, 0, 1)
    pressure = np.clip(1 + raggedness * (0.7 * breaks + 0.5 * grit - 0.2), 0, 1) * taper
    sideways = raggedness * width * 0.3 * sway
    swell = np.exp(raggedness * (0.45 * grit + 0.35 * breaks))
    radius = np.maximum(width / 2 * swell * (0.35 + 0.65 * taper), 1e-5) * px_per_mm
    across = bow * along**2 * length + sideways
    x = centre[0] + length * along * math.cos(heading) - across * math.sin(heading)
    y = centre[1] + length * along * math.sin(heading) + across * math.cos(heading)
    weight = pressure * line_weight(length / count * px_per_mm, radius)
    return Dots(
        *(
            np.asarray(values, dtype=np.float32)
            for values in (x * px_per_mm - 0.5, y * px_per_mm - 0.5, radius, weight)
        )
    )
