"""Random open curves and their antialiased drawing; scratches and hairs are made of these."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.fields import Field, averaged

#: Pixels of dots drawn at a time: few enough for the processor's cache.
BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Dots:
    """Dots along curves, all arrays of one length: centres and radii in pixels, weight 1 = opaque."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    radius: NDArray[np.float32]
    weight: NDArray[np.float32]

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
    height, width = shape
    reaches = np.ceil(np.maximum(dots.radius, 0.5) + 0.5).astype(np.int64)
    near = (dots.x > -reaches - 1) & (dots.x < width + reaches)
    near &= (dots.y > -reaches - 1) & (dots.y < height + reaches)
    if not near.any():
        return np.zeros(shape, dtype=np.float32)
    # With this many pixels around, no disc has to be clipped.
    margin = 2 * int(reaches[near].max()) + 1
    total = np.zeros((height + 2 * margin, width + 2 * margin), dtype=np.float32)
    for reach in np.flatnonzero(np.bincount(reaches[near])):
        chosen = np.flatnonzero(near & (reaches == reach))
        batch = max(1, BATCH // int(2 * reach + 1) ** 2)
        for start in range(0, len(chosen), batch):
            _add(total, margin, dots, chosen[start : start + batch], int(reach))
    return np.minimum(total[margin:-margin, margin:-margin], 1)


def draw_finely(shape: tuple[int, int], dots: Dots, fineness: int) -> Field:
    """``draw`` on pixels ``fineness`` times smaller, in which ``dots`` are given, averaged to (H, W).

    Where a pixel holds several threads, they cover less together than their sum; this tells.
    """
    reach = np.maximum(dots.radius, 0.5) + 1

    def drawn(band: tuple[int, int], top: int) -> Field | None:
        chosen = np.flatnonzero((dots.y + reach > top) & (dots.y - reach < top + band[0]))
        if chosen.size == 0:
            return None
        x, y, radius, weight = (getattr(dots, name)[chosen] for name in Dots.__slots__)
        return draw(band, Dots(x, y - np.float32(top), radius, weight))

    return averaged(shape, fineness, drawn)


def _add(total: Field, margin: int, dots: Dots, chosen: NDArray[np.int64], reach: int) -> None:
    """Add dots of one ``reach`` to the plane; the last axis is the dots', which numpy is fast along."""
    span = np.arange(-reach, reach + 1)
    x, y, true_radius, weight = (getattr(dots, name)[chosen] for name in Dots.__slots__)
    left, top = np.floor(x), np.floor(y)
    dx = span[:, None].astype(np.float32) + (left - x)
    dy = span[:, None].astype(np.float32) + (top - y)
    # A radius under half a pixel is drawn as half a pixel with less weight: the same covered width.
    radius = np.maximum(true_radius, np.float32(0.5))
    weight = weight * np.minimum(true_radius * np.float32(2), np.float32(1))
    cover = np.sqrt((dy * dy)[:, None] + (dx * dx)[None])
    np.subtract(radius + np.float32(0.5), cover, out=cover)
    np.clip(cover, 0, 1, out=cover)
    cover *= weight
    corner = (top.astype(np.int64) + margin) * total.shape[1] + left.astype(np.int64) + margin
    place = (span[:, None] * total.shape[1] + span)[..., None] + corner
    np.add.at(total.reshape(-1), place.reshape(-1), cover.reshape(-1))


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
    fill = np.clip(0.65 + 0.6 * drawn, 3 / math.pi, 1.3)
    return np.asarray(fill * np.minimum(step / (2 * drawn), 1))
