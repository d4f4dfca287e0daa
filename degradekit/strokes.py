"""Strokes of scratches: beaded lines whose pressure and width vary along them, all computed at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.curves import Dots, line_weight
from degradekit.fields import Field, white_noise

Values = NDArray[np.float64]

#: The noises along a stroke: period in widths, the least in mm, and part of an octave. The first breaks the
#: pressure, the next two are octaves of grit, by the last the line sways. They are never shorter than a scan
#: of 150 dpi can show, as finer ones would leave a hairline gray instead of broken.
PERIODS = np.array([(7.0, 1.4, 1.0), (1.5, 0.3, 1.0), (1.5, 0.3, 0.5), (0.6, 0.12, 1.0)])
#: A blend of two knots has this part of their variance on average.
BLENDED = 0.74
#: The bow of a stroke: how far its ends stand off, in quarters of its length (standard deviation).
BOW = 0.12
#: The least distance of dots in pixels; along a hairline they vary by 4 % together (endless dots: by 2 %).
APART_PX = 1.0


@dataclass(frozen=True, slots=True)
class Strokes:
    """Strokes, each array (N,), lengths in mm: centre, direction in radians, length and median width."""

    x: Values
    y: Values
    heading: Values
    length: Values
    width: Values

    def dots(self, raggedness: float, px_per_mm: float, rng: Generator) -> Dots:
        """The dots of all strokes; ``raggedness`` goes from clean cuts (0) to frayed, interrupted ones (1).

        Takes the same numbers from ``rng`` at any resolution, those of the first stroke first.
        """
        if self.x.size == 0:
            return Dots.join([])
        periods = np.maximum(PERIODS[:, 0] * self.width[:, None], PERIODS[:, 1]) * PERIODS[:, 2]
        # A stroke takes one number for its bow, then those of its noises.
        spans = self.length[:, None] / periods
        sizes = np.ones((self.x.size, 1 + len(PERIODS)), np.intp)
        sizes[:, 1:] += 1 + spans.astype(np.intp)
        ends = np.cumsum(sizes).reshape(sizes.shape)
        drawn = white_noise((1, int(ends[-1, -1])), rng)[0]
        count = np.maximum(3, self.length / np.maximum(APART_PX / px_per_mm, 0.22 * self.width) + 1).astype(
            int
        )
        # Each stroke's values for every one of its dots.
        first, knots = np.repeat(np.cumsum(count) - count, count), np.repeat(ends[:, :-1].T, count, axis=1)
        bow = BOW * drawn[ends[:, 0] - 1]
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        # Half an interval for both tapering ends together: so much is covered at any resolution.
        step, last = self.length / (count - 0.5) * px_per_mm, count - 1
        values = [self.x, self.y, self.length, self.width, cosine, sine, bow, step, last, *spans.T]
        each = np.repeat(np.array(values, np.float32), count, axis=1)
        x, y, length, width, cosine, sine, bow, step, last = each[: -len(PERIODS)]
        part = (np.arange(first.size) - first).astype(np.float32) / last
        breaks, grit, fine_grit, sway = _noise(drawn, knots, part * each[-len(PERIODS) :])
        grit = (grit + np.float32(0.5) * fine_grit) * np.float32(1 / math.sqrt(1.25))
        along = part - np.float32(0.5)
        taper = np.minimum((0.5 - np.abs(along)) * 6, 1)
        # Pressure fades towards the ends and breaks where it falls under a threshold.
        pressure = (1 + raggedness * (0.7 * breaks + 0.5 * grit - 0.2)).clip(0, 1) * taper
        swell = np.exp(raggedness * (0.45 * grit + 0.35 * breaks))
        radius = np.maximum(width / 2 * swell * (0.35 + 0.65 * taper), 1e-5) * px_per_mm
        across = bow * along * along * length + raggedness * 0.3 * width * sway
        along *= length
        x = (x + along * cosine - across * sine) * px_per_mm - 0.5
        y = (y + along * sine + across * cosine) * px_per_mm - 0.5
        return Dots(x, y, radius, pressure * line_weight(step, radius)).only(np.flatnonzero(pressure != 0))


def _noise(knots: Field, first: NDArray[np.intp], at: Field) -> Field:
    """Smooth noise of unit variance ``at`` so many knots from the ``first``, for each dot."""
    left = at.astype(np.intp)
    part = at - left.astype(np.float32)
    part *= part * (3 - 2 * part)
    left += first
    low: Field = knots.take(left)
    part *= knots[1:].take(left) - low
    low += part
    low *= np.float32(1 / math.sqrt(BLENDED))
    return low
