"""Scratches: torn or abraded emulsion through which the light base shows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from degradekit import curves, fields
from degradekit.blending import blended, changed
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import child
from degradekit.strokes import Strokes

#: The share of bursts that are a single tear, and how much wider it is.
TORN, TORN_WIDER = 0.08, 4.0
#: Spread of a burst: direction in degrees, position in lengths of its scratches.
BURST_ANGLE_DEG = 9.0
BURST_WIDTH = 0.45
#: Standard deviations of ln(length) between bursts and within one, and of ln(width); with strokes that come
#: singly, fitted to labelled film scans.
LENGTH_SPREAD = 0.6
STROKE_SPREAD = 0.5
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
    burst: Annotated[float, Bounds(1, 30, "strokes")] = 4.0,
) -> Photo:
    """Light, broken lines in bursts of nearly parallel strokes, now and then a wide ragged tear.

    A procedural scratch texture (beaded strokes whose pressure and width vary along them), bent by an
    elastic distortion, is laid over the photograph. ``length_mm`` and ``width_um`` are medians; ``tone`` is
    the gray of the bared base; ``raggedness`` goes from clean cuts to frayed, interrupted ones. ``depth`` is
    how many of a colour print's layers are gone: up to 1 cyan (a red scratch), to 2 magenta too (yellow), to
    3 all of them (white). ``polarity`` "dark" is a scratch of the negative: the same in black, by the
    blending modes' opposites. ``burst`` is the mean number of strokes that one contact leaves. The mask is
    coverage times opacity, times depth / 3.
    Source: the three blending modes, random opacity and elastic distortion are Wan et al., CVPR 2020, 3.3
    (their textures were never released); the texture, depth and polarity are our own.
    """
    if density_per_cm2 == 0 or opacity == 0 or depth == 0:
        return photo
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    bursts = rng.poisson(density_per_cm2 * photo.area_mm2 / 100 / burst)
    size_mm = (photo.width / scale, photo.height / scale)
    # In millimetres, so that the same scratches come out at any resolution.
    strokes = _bursts(bursts, burst, size_mm, length_mm, width_um * 1e-3, rng)
    dots = strokes.dots(raggedness, scale, child(rng))
    if elastic_mm > 0 and dots.x.size:
        # The texture bends where its strokes do; bending every pixel of it would take most of the time.
        dx, dy = fields.displacement_at(
            shape,
            (dots.x, dots.y),
            elastic_mm * scale,
            ELASTIC_CORRELATION_MM * scale,
            rng,
        )
        dots = replace(dots, x=dots.x - dx, y=dots.y - dy)
    coverage = curves.cover(shape, dots)
    alpha = coverage.amounts[0] * np.float32(opacity)
    red, green, blue = (min(max(depth - layer, 0.0), 1.0) for layer in range(3))

    def scratched(pixels: Image) -> Image:
        if polarity == "dark":
            return 1 - blended(1 - pixels, alpha, tone, blend, (red, green, blue))
        return blended(pixels, alpha, tone, blend, (red, green, blue))

    image = changed(photo.editable(), coverage.touched, scratched)
    return photo.marked(image, scratch=coverage.plane(alpha * np.float32(depth / 3)))


def _bursts(
    number: int,
    strokes_each: float,
    size_mm: tuple[float, float],
    length_mm: float,
    width_mm: float,
    rng: Generator,
) -> Strokes:
    """The strokes of so many contacts: those of one are near each other and nearly parallel."""
    # Each kind of number from a generator of its own: one burst more changes none of the others.
    places, strokes = child(rng), child(rng)
    x, y, turn, chance, many, far, way = places.random((number, 7)).T
    # A normal variate of two uniform ones (Box and Muller 1958), a geometric one of one.
    larger = np.sqrt(-2 * np.log1p(-far)) * np.cos(2 * math.pi * way)
    further = np.log1p(-many) / math.log(max(1 - 1 / strokes_each, 1e-9))
    size = length_mm * np.exp(LENGTH_SPREAD * larger)
    # One burst in a dozen is a real tear: a single stroke, several times as wide.
    torn = chance < TORN
    count = np.where(torn, 1, 1 + further.astype(np.intp))
    owner = np.repeat(np.arange(number), count)
    away, beside, turned, longer, wider = strokes.standard_normal((owner.size, 5)).T
    spread = (BURST_WIDTH * size * (count > 1))[owner]
    return Strokes(
        (x * size_mm[0])[owner] + away * spread,
        (y * size_mm[1])[owner] + beside * spread,
        (turn * math.pi)[owner] + math.radians(BURST_ANGLE_DEG) * turned,
        size[owner] * np.exp(STROKE_SPREAD * longer),
        width_mm * np.exp(WIDTH_SPREAD * wider) * np.where(torn, TORN_WIDER, 1)[owner],
    )
