"""Random open curves and their antialiased drawing; scratches and hairs are made of these."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import coverage
from degradekit.coverage import BATCH, Coverage, Indices, Part, Values
from degradekit.fields import Field, averaged

#: Pixels that take less time than a further call of each function for drawing.
FEW = 4000


@dataclass(frozen=True, slots=True)
class Dots:
    """Dots along curves, all arrays of one length: centres and radii in pixels, weight 1 = opaque."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    radius: NDArray[np.float32]
    weight: NDArray[np.float32]

    def only(self, chosen: Indices) -> Dots:
        """Those that are ``chosen``."""
        return Dots(*(getattr(self, name).take(chosen) for name in Dots.__slots__))

    @staticmethod
    def join(parts: list[Dots]) -> Dots:
        """All dots of ``parts``."""
        if not parts:
            nothing = np.zeros(0, np.float32)
            return Dots(nothing, nothing, nothing, nothing)
        names = ("x", "y", "radius", "weight")
        return Dots(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def profile(count: int, knots: int, rng: Generator) -> NDArray[np.float32]:
    """Smooth random values around 0, unit variance at the knots, along ``count`` points."""
    values = rng.standard_normal(knots + 1)
    return np.interp(np.linspace(0, knots, count), np.arange(knots + 1), values).astype(np.float32)


def draw(shape: tuple[int, int], dots: Dots) -> Field:
    """Coverage in [0, 1] of antialiased discs; where discs overlap their weights add, up to 1.

    A disc thinner than a pixel covers its pixel in part, so hairlines fade instead of vanishing.
    """
    return coverage.plane(shape, _discs(shape, dots))


def cover(shape: tuple[int, int], dots: Dots, most: float = 1.0, layer: Indices | None = None) -> Coverage:
    """``draw`` up to ``most`` instead of 1, only the pixels touched; dots may be of two layers (0, 1)."""
    return Coverage.summed(shape, _discs(shape, dots), most, layer)


def draw_finely(shape: tuple[int, int], dots: Dots, fineness: int) -> Field:
    """``draw`` on pixels ``fineness`` times smaller, in which ``dots`` are given, averaged to (H, W).

    Where a pixel holds several threads, they cover less together than their sum; this tells.
    """
    reach = np.maximum(dots.radius, 0.5) + 1

    def drawn(band: tuple[int, int], top: int) -> Field | None:
        chosen = np.flatnonzero((dots.y + reach > top) & (dots.y - reach < top + band[0]))
        if chosen.size == 0:
            return None
        some = dots.only(chosen)
        return draw(band, replace(some, y=some.y - np.float32(top)))

    return averaged(shape, fineness, drawn)


def _discs(shape: tuple[int, int], dots: Dots) -> Iterator[Part]:
    # A radius under half a pixel is drawn as half a pixel with less weight: the same covered width.
    rim = np.maximum(dots.radius, np.float32(0.5)) + np.float32(0.5)
    weight = dots.weight * np.minimum(dots.radius * np.float32(2), np.float32(1))
    values = np.array([dots.y, dots.x, rim, weight])
    last = np.array(shape, np.float32)[:, None] - 1
    far_y, far_x = (values[:2] <= -rim) | (values[:2] - rim >= last)
    # The most pixels in a row whose centres a rim encloses; none where the disc lies outside.
    sides = np.ceil(2 * rim).astype(np.intp)
    sides[far_y | far_x] = 0
    for below, side in _groups(np.bincount(sides, minlength=1)):
        owner = np.flatnonzero((sides > below) & (sides <= side))
        batch = max(1, BATCH // side**2)
        for start in range(0, owner.size, batch):
            chosen = owner[start : start + batch]
            yield Part(chosen, *_squares(last, values.take(chosen, axis=1), side))


def _groups(counts: Indices) -> Iterator[tuple[int, int]]:
    """Which sides of squares, over the first and up to the second number, are drawn as the largest of them.

    ``counts``: how many squares there are of each side. Where they are few, a group more costs more time.
    """
    sides = np.flatnonzero(counts[1:]) + 1
    below = held = 0
    for side, larger in itertools.zip_longest(sides.tolist(), sides[1:].tolist()):
        held += int(counts[side])
        if larger is None or held * larger**2 > FEW:
            yield below, side
            below, held = side, 0


def _squares(last: Values, values: Values, side: int) -> tuple[Indices, Values]:
    """Pixels and what discs cover of them, (side, side, N); the last axis is the discs', which numpy is fast
    along. ``last`` (2, 1): the last row and column; ``values`` (4, N): y, x, rim and weight."""
    centre, rim, weight = values[:2, None], values[2], values[3]
    at = np.floor(centre - rim) + np.arange(1, side + 1, dtype=np.float32)[:, None]
    away = at - centre
    away *= away
    # A pixel outside of the picture is replaced by one inside, which is not covered.
    inside = at.clip(0, last[:, None])
    away[at != inside] = np.inf
    row, column = inside.astype(np.intp)
    row *= int(last[1, 0]) + 1
    amount = away[0][:, None] + away[1]
    np.sqrt(amount, out=amount)
    np.subtract(rim, amount, out=amount)
    amount.clip(0, 1, out=amount)
    amount *= weight
    return row[:, None] + column, amount


def wander(
    along: NDArray[np.float64], period: float, rng: Generator, *, octaves: int = 3, persistence: float = 0.5
) -> NDArray[np.float64]:
    """Fractal noise at the positions ``along`` a line, varying over ``period`` and halves of it.

    Zero mean, about unit variance. Knots lie at fixed positions from the least of ``along`` on, so a finer
    sampling of the same line gives the same curve.
    """
    if along.size == 0:
        return np.zeros(along.shape)
    from_start = along - along.min()
    owner, lengths = np.zeros(along.size, np.intp), np.array([float(from_start.max())])
    return wander_each(owner, from_start, lengths, period, rng, octaves=octaves, persistence=persistence)


def wander_each(
    owner: NDArray[np.intp],
    along: NDArray[np.float64],
    lengths: NDArray[np.float64],
    period: float,
    rng: Generator,
    *,
    octaves: int = 3,
    persistence: float = 0.5,
) -> NDArray[np.float64]:
    """``wander`` on many lines of these ``lengths`` at once, each with noise of its own.

    Every point is ``along`` the line that is its ``owner``, 0 where that begins.
    """
    total = np.zeros(along.shape)
    power = 0.0
    for octave in range(octaves):
        fineness = 2**octave / period
        sizes = (lengths * fineness).astype(np.intp) + 2
        knots = rng.standard_normal(int(sizes.sum())) * persistence**octave
        at = along * fineness
        left = at.astype(np.intp)
        at -= left
        at *= at * (3 - 2 * at)
        left += (np.cumsum(sizes) - sizes)[owner]
        low = knots[left]
        total += low
        left += 1
        at *= knots[left] - low
        total += at
        power += persistence ** (2 * octave)
    # The blend of two knots has 0.74 of their variance on average.
    total /= math.sqrt(0.74 * power)
    return total


def line_weight(step: NDArray[np.float64] | float, radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of dots of ``radius`` every ``step`` pixels along a curve, so that ``draw`` makes it opaque.

    Lines under a pixel wide come out with their true area: a disc of half a pixel holds pi / 3, of which
    2 x 0.5 x step is wanted. Wider lines get a little more, so that their middle saturates.
    """
    drawn = np.maximum(radius, 0.5)
    fill = (0.65 + 0.6 * drawn).clip(3 / math.pi, 1.3)
    return np.asarray(fill * np.minimum(step / (2 * drawn), 1))
