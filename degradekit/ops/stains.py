"""Liquids that dried on the print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.enlarging import Window, coarse_shape, enlarged, times_larger, whole, window_of
from degradekit.fields import Field
from degradekit.layers import tinted
from degradekit.noisegrids import COARSER
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import SEED_LIMIT, generator

#: Density in red, green, blue of what water carries to its edge, per unit in blue: dissolved size and dirt.
TIDE = np.array([0.38, 0.62, 1.0], dtype=np.float32)
#: What the wet area gains or loses: a little silver or dye is gone, a trace of yellow stays.
WASHED = np.array([-0.04, -0.035, 0.015], dtype=np.float32)
#: The outer side of a tideline is this sharp.
SHARP_MM = 0.25
#: Fibres draw its edge this far in or out times the roughness: standard deviation, and most of those.
FRINGE_MM = 0.45
MOST_NOISE = 4.0
#: The depth inside a wet area is measured by the slope of its noise over this much.
EVEN_MM = 1.2
#: Each time the sheet dried the water stood further in: steps, and how much paler each older line is.
RING_STEP_MM = 4.0
RING_FADE = 0.55
#: Standard deviation of ln(size) of wet areas and of drops.
SIZE_SPREAD = 0.5
#: Density of a dried film of each liquid in red, green, blue.
LIQUIDS = {
    "coffee": (0.22, 0.42, 0.75),
    "tea": (0.07, 0.18, 0.42),
    "ink": (1.30, 1.10, 0.65),
    "wine": (0.16, 0.62, 0.42),
}
#: A drop leaves this many splashes around it on average.
SPLASHES = 5.0


@dataclass(frozen=True, slots=True)
class Drop:
    """One drop: centre in pixels, radius in mm, relative density, breadth over height."""

    x: float
    y: float
    radius_mm: float
    strength: float
    stretch: float


@op(masks=("stain",), neutral={"density_per_dm2": 0.0})
def water_stains(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 100, "per dm2")] = 0.9,
    diameter_mm: Annotated[float, Bounds(1, 500, "mm")] = 55.0,
    tideline_mm: Annotated[float, Bounds(0.2, 10, "mm")] = 2.0,
    tideline_density: Annotated[float, Bounds(0, 1.5, "density")] = 0.32,
    rings: Annotated[int, Bounds(1, 6, "1")] = 2,
    roughness: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    at_border: Annotated[float, Bounds(0, 1, "1")] = 0.8,
) -> Photo:
    """Tidelines: lobed areas with a crisp brown outer edge that fades inwards; the inside looks washed.

    Water carries dirt and dissolved size to the edge of the wet area, where it dries. ``diameter_mm`` is
    the median wet area's; ``tideline_density`` the blue density of the line, which falls by e over
    ``tideline_mm`` inwards; ``rings`` the most lines one stain has; ``at_border`` the share of stains that
    came in from the sheet's border. The mask is the opacity of the lines, joined with the little that
    washing changed inside. Source: the level set of a noise-warped distance; numbers our choice.
    """
    count = int(rng.poisson(density_per_dm2 * photo.area_mm2 / 1e4))
    if count == 0:
        return photo
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    # One fringe of fibres, one unevenness of the dirt and one waver of older lines serve every stain.
    fringe = _Clouds(3 * scale, rng, octaves=4, persistence=0.6)
    uneven = _Clouds(9 * scale, rng, octaves=5, persistence=0.6, times=times_larger(9 * scale / 8))
    waver = _Clouds(12 * scale, rng, octaves=3, persistence=0.55, times=times_larger(12 * scale / 4))
    line, wet = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for _ in range(count):
        area = _WetArea.drawn(photo, rng, diameter_mm, at_border)
        window, depth = area.depth(shape, scale, roughness, fringe, rng)
        dried = _tideline(depth, scale, tideline_mm)
        steps = RING_STEP_MM * rng.uniform(0.5, 2, int(rng.integers(1, rings + 1)))
        for ring, inside in enumerate(np.cumsum(steps)[:-1], start=1):
            older = depth - np.float32(inside) * (1 - np.float32(0.3) * waver.within(window))
            dried += np.float32(RING_FADE**ring) * _tideline(older, scale, tideline_mm)
        dried *= fields.exp(np.float32(0.25) * uneven.within(window))
        dried *= np.float32(tideline_density)
        lines, inner = line[area.turn][window], wet[area.turn][window]
        lines += dried
        np.maximum(inner, fields.smoothstep(depth, 0, 3 * tideline_mm), out=inner)

    image, opacity = tinted(photo.editable(), (line, TIDE), (wet, WASHED))
    return photo.marked(image, stain=opacity)


@op(masks=("stain",), neutral={"density_per_dm2": 0.0})
def spills(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 100, "per dm2")] = 2.0,
    diameter_mm: Annotated[float, Bounds(0.5, 200, "mm")] = 7.0,
    strength: Annotated[float, Bounds(0, 3, "1")] = 0.8,
    liquid: Literal["coffee", "tea", "ink", "wine"] = "coffee",
) -> Photo:
    """Drops of coffee, tea, ink or wine dried on the picture, darker along the rim, with splashes around.

    ``diameter_mm`` is the median drop's; ``strength`` multiplies the dried film's density. The mask is
    the film's opacity. Source: the rim is the coffee-ring effect, Deegan et al., Nature 389, 1997; shapes
    and colours our choice.
    """
    count = int(rng.poisson(density_per_dm2 * photo.area_mm2 / 1e4))
    if count == 0 or strength == 0:
        return photo
    shape, scale = (photo.height, photo.width), photo.px_per_mm
    drops: list[Drop] = []
    for _ in range(count):
        radius = diameter_mm / 2 * math.exp(SIZE_SPREAD * rng.standard_normal())
        x, y = rng.random(2) * (photo.width, photo.height)
        drops.append(Drop(x, y, radius, rng.uniform(0.5, 1.1), rng.uniform(0.85, 1.15)))
        for _ in range(rng.poisson(SPLASHES)):
            # Splashes fly off in every direction, smaller the further they go.
            away, heading = radius * (1.2 + rng.exponential(0.6)), rng.uniform(0, 2 * math.pi)
            to_x, to_y = x + away * scale * math.cos(heading), y + away * scale * math.sin(heading)
            drops.append(Drop(to_x, to_y, radius * rng.uniform(0.05, 0.22), rng.uniform(0.5, 1.1), 1.0))
    film = np.zeros(shape, np.float32)
    wobble = fields.fractal_noise(shape, 5 * scale, rng, octaves=4, persistence=0.45)
    settled = fields.fractal_noise(shape, 3 * scale, rng, octaves=5, persistence=0.6)
    for drop in drops:
        _lay(film, wobble, drop, scale)
    film *= np.float32(strength) * np.maximum(1 + np.float32(0.25) * settled, 0)
    colour = np.asarray(LIQUIDS[liquid], dtype=np.float32)
    image, opacity = tinted(photo.editable(), (film, colour))
    return photo.marked(image, stain=opacity)


class _Clouds:
    """Fractal noise on pixels ``times`` larger, drawn from a corner of the picture as far as it is seen."""

    def __init__(
        self, cell_px: float, rng: Generator, *, octaves: int, persistence: float, times: int = 1
    ) -> None:
        """As ``fields.fractal_noise``, without what is finer than the larger pixels."""
        self.cell, self.octaves, self.persistence, self.times = cell_px / times, octaves, persistence, times
        self.seed = int(rng.integers(SEED_LIMIT))
        self.coarse: Field = np.zeros((0, 0), np.float32)

    def within(self, window: Window) -> Field:
        """The noise in a ``window``, (H, W)."""
        rows, columns = coarse_shape((window[0].stop, window[1].stop), self.times)
        height, width = self.coarse.shape
        if rows > height or columns > width:
            # The same noise, and more of it.
            self.coarse = fields.fractal_noise(
                (max(rows, height), max(columns, width)),
                self.cell,
                generator(self.seed),
                octaves=self.octaves,
                persistence=self.persistence,
            )
        return enlarged(self.coarse, self.times, window)


@dataclass(frozen=True, slots=True)
class _WetArea:
    """Centre in pixels from the nearest corner of the picture, radius in mm, angle and stretch of its axis.

    ``turn`` is the view of a picture that starts in that corner, in which everything about it is drawn.
    """

    x: float
    y: float
    radius: float
    angle: float
    stretch: float
    turn: Window

    @staticmethod
    def drawn(photo: Photo, rng: Generator, diameter_mm: float, at_border: float) -> _WetArea:
        radius = diameter_mm / 2 * math.exp(SIZE_SPREAD * rng.standard_normal())
        x, y = rng.random(2) * (photo.width, photo.height)
        border, side, angle = rng.random() < at_border, int(rng.integers(4)), rng.uniform(0, math.pi)
        stretch = min(max(math.exp(0.35 * rng.standard_normal()), 0.5), 2.0)
        if border:
            x = (x, x, 0.0, float(photo.width))[side]
            y = (0.0, float(photo.height), y, y)[side]
        right, low = photo.width - x, photo.height - y
        turn = slice(None, None, 1 if y < low else -1), slice(None, None, 1 if x < right else -1)
        return _WetArea(min(x, right), min(y, low), radius, angle, stretch, turn)

    def even(self, window: Window, times: int, px_per_mm: float) -> Field:
        """The depth if its outline were an ellipse, on pixels ``times`` larger."""
        rows, columns = (
            (np.arange(part.start + 0.5, part.stop, dtype=np.float32) * times - np.float32(at))
            / np.float32(px_per_mm)
            for part, at in zip(window, (self.y, self.x), strict=True)
        )
        cosine, sine, stretch = math.cos(self.angle), math.sin(self.angle), self.stretch
        along = columns * np.float32(cosine / stretch) + rows[:, None] * np.float32(sine / stretch)
        across = rows[:, None] * np.float32(cosine * stretch) - columns * np.float32(sine * stretch)
        return np.float32(self.radius) - fields.magnitude(along, across)

    def within(self, shape: tuple[int, int], px_per_mm: float, outside_mm: float) -> tuple[int, int]:
        """Rows and columns, from the corner on, of all pixels that lie no further outside the ellipse."""
        reach = (self.radius + outside_mm) * max(self.stretch, 1 / self.stretch) * px_per_mm
        return min(math.ceil(self.y + reach), shape[0]), min(math.ceil(self.x + reach), shape[1])

    def depth(
        self, shape: tuple[int, int], px_per_mm: float, roughness: float, fringe: _Clouds, rng: Generator
    ) -> tuple[Window, Field]:
        """The part of the picture around it, and how far inside it each pixel there lies, in mm.

        Negative outside.
        """
        # Lobes as large as the area, then the fine fringe where paper fibres drew the water on.
        cell, uneven = 1.1 * self.radius * px_per_mm, 0.5 * roughness * self.radius
        outside = FRINGE_MM * roughness * MOST_NOISE + SHARP_MM
        shape = self.within(shape, px_per_mm, MOST_NOISE * uneven + outside)
        times = min(times_larger(cell / 8), COARSER)
        lobes = fields.fractal_noise(
            coarse_shape(shape, times), cell / times, rng, octaves=4, persistence=0.42
        )
        lobes *= np.float32(uneven)
        roughly = self.even(whole(lobes.shape), times, px_per_mm) + lobes
        window = window_of(roughly >= min(-outside, float(roughly.max())), times, shape)
        depth = self.even(window, 1, px_per_mm)
        depth += enlarged(lobes, times, window)
        depth += np.float32(FRINGE_MM * roughness) * fringe.within(window)
        # Interpolated noise has ripples in its slope, which would show inside: they are averaged away.
        side = 2 * round(EVEN_MM / 2 * px_per_mm) + 1
        steepness = np.asarray(cv2.blur(fields.slope(depth), (side, side)), np.float32)
        steepness *= np.float32(px_per_mm)
        depth /= np.maximum(steepness, 1, out=steepness)
        return window, depth


def _tideline(depth: Field, px_per_mm: float, width_mm: float) -> Field:
    """Relative density of the line whose outer edge is where ``depth`` (mm) is 0."""
    soft = max(SHARP_MM, 1 / px_per_mm)
    fade = np.maximum(depth, 0)
    fade *= np.float32(-1 / width_mm)
    fade = fields.exp(fade)
    # A thin crust right at the edge, and the broad brown fade behind it.
    crust = fade * fade
    crust *= fade
    crust *= np.float32(0.55)
    crust += np.float32(0.45)
    fade *= crust
    fade *= fields.smoothstep(depth, -soft, 0)
    return fade


def _lay(film: Field, wobble: Field, drop: Drop, scale: float) -> None:
    """Join one drop to the film."""
    height, width = film.shape
    x, y, radius, stretch = drop.x, drop.y, drop.radius_mm, np.float32(drop.stretch)
    reach = math.ceil(1.6 * radius * scale + 2)
    left, right = max(0, math.floor(x) - reach), min(width, math.ceil(x) + reach + 1)
    top, bottom = max(0, math.floor(y) - reach), min(height, math.ceil(y) + reach + 1)
    if left >= right or top >= bottom:
        return
    columns = (np.arange(left, right, dtype=np.float32)[None] + np.float32(0.5 - x)) / np.float32(scale)
    rows = (np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)) / np.float32(scale)
    window = film[top:bottom, left:right]
    warp = np.float32(0.15 * radius) * wobble[top:bottom, left:right]
    depth = np.float32(radius) - np.hypot(columns * stretch, rows / stretch) + warp
    soft = max(0.06, 0.5 / scale)
    rim_mm = 0.12 * radius + 0.15
    body = fields.smoothstep(depth, -soft, soft)
    laid = body * (np.float32(0.45) + np.exp(-np.maximum(depth, 0) / np.float32(rim_mm)))
    np.maximum(window, laid * np.float32(drop.strength), out=window)
