"""Strokes of a scratch: beaded lines whose pressure and width vary along them, all computed at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.curves import Dots, line_weight

Values = NDArray[np.float64]

#: The noises along a stroke: period in widths, the least in mm, and part of an octave. Pressure breaks; they
#: are never shorter than a scan of 150 dpi can show, as finer ones would leave a hairline gray instead of
#: broken. Grit has two octaves. The line sways.
BREAKS, GRIT, FINE_GRIT, SWAY = range(4)
PERIODS = ((7.0, 1.4, 1.0), (1.5, 0.3, 1.0), (1.5, 0.3, 0.5), (0.6, 0.12, 1.0))
#: A blend of two knots has this part of their variance on average.
BLENDED = 0.74
#: The bow of a stroke: how far its middle stands off, in lengths (standard deviation).
BOW = 0.12


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke, lengths in mm: ``knots`` are the random values of its four noises, one after the other."""

    x: float
    y: float
    heading: float
    length: float
    width: float
    bow: float
    sizes: tuple[int, ...]
    knots: Values

    @staticmethod
    def drawn(x: float, y: float, heading: float, length: float, width: float, rng: Generator) -> Stroke:
        """A stroke centred on (x, y). It takes the same numbers from ``rng`` at any resolution."""
        bow = BOW * rng.standard_normal()
        sizes = tuple(int(length / period) + 2 for period in _periods(width))
        return Stroke(x, y, heading, length, width, bow, sizes, rng.standard_normal(sum(sizes)))


def dots(strokes: list[Stroke], raggedness: float, px_per_mm: float) -> Dots:
    """The dots of all strokes; ``raggedness`` goes from clean cuts (0) to frayed, interrupted ones (1)."""
    if not strokes:
        return Dots.join([])
    names = ("x", "y", "heading", "length", "width", "bow")
    columns = {name: np.array([getattr(stroke, name) for stroke in strokes]) for name in names}
    step = np.maximum(0.4 / px_per_mm, 0.22 * columns["width"])
    count = np.maximum(3, np.ceil(columns["length"] / step)).astype(np.int64)
    owner = np.repeat(np.arange(len(strokes)), count)
    number = np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count)
    spacing = columns["length"] / count
    x, y, heading, length, width, bow, last, apart = (
        values[owner] for values in (*columns.values(), count - 1.0, spacing)
    )
    part = number / last
    noises = _noises(strokes, owner, part * length)
    breaks, sway = noises[BREAKS] / math.sqrt(BLENDED), noises[SWAY] / math.sqrt(BLENDED)
    grit = (noises[GRIT] + 0.5 * noises[FINE_GRIT]) / math.sqrt(1.25 * BLENDED)
    along = part - 0.5
    taper = np.clip((0.5 - np.abs(along)) * 6, 0, 1)
    # Pressure fades towards the ends and breaks where it falls under a threshold.
    pressure = np.clip(1 + raggedness * (0.7 * breaks + 0.5 * grit - 0.2), 0, 1) * taper
    swell = np.exp(raggedness * (0.45 * grit + 0.35 * breaks))
    radius = np.maximum(width / 2 * swell * (0.35 + 0.65 * taper), 1e-5) * px_per_mm
    across = bow * along**2 * length + raggedness * width * 0.3 * sway
    cosine, sine = np.cos(heading), np.sin(heading)
    x = (x + length * along * cosine - across * sine) * px_per_mm - 0.5
    y = (y + length * along * sine + across * cosine) * px_per_mm - 0.5
    weight = pressure * line_weight(apart * px_per_mm, radius)
    seen = weight > 0
    return Dots(*(values[seen].astype(np.float32) for values in (x, y, radius, weight)))


def _periods(width: float) -> list[float]:
    return [max(widths * width, least) * part for widths, least, part in PERIODS]


def _noises(strokes: list[Stroke], owner: NDArray[np.int64], at: Values) -> list[Values]:
    """The four noises at each dot: ``owner`` is its stroke, ``at`` how far along that it lies, in mm."""
    knots = np.concatenate([stroke.knots for stroke in strokes])
    sizes = np.array([stroke.sizes for stroke in strokes])
    ends = np.cumsum(sizes).reshape(sizes.shape)
    periods = np.array([_periods(stroke.width) for stroke in strokes])
    found = []
    for noise in range(len(PERIODS)):
        place = at / periods[owner, noise]
        left = place.astype(np.int64)
        part = place - left
        part = part * part * (3 - 2 * part)
        left += (ends - sizes)[owner, noise]
        low = knots[left]
        found.append(low + part * (knots[left + 1] - low))
    return found
