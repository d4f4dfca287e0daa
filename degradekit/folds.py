"""Straight folds of a sheet: how many, where they run, which pixels lie near them, what varies along them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.curves import Dots, line_weight
from degradekit.fields import Field, white_noise

#: Part of the folds that stop at another fold or within the sheet instead of crossing all of it.
STOPPING = 0.4
#: Corner folds cut off this much of the sides: median, and standard deviation of the logarithm.
CORNER_MM = 16.0
CORNER_SPREAD = 0.5
#: Pixels near a fold that are given at a time: few enough for the processor's cache, and for one row of a
#: picture in OpenCV.
BATCH = 30_000
#: What varies along a line is drawn on knots at this distance.
KNOT_MM = 0.0875
#: Random numbers are drawn for a multiple of so many knots.
KNOTS = 256

Numbers = NDArray[np.intp]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fold:
    """A straight fold from (x, y) on the sheet's border, in mm; ``wear`` multiplies its width.

    It ends at the border too, or ``stops`` within the sheet.
    """

    x: float
    y: float
    angle: float
    length: float
    wear: float
    stops: bool = False

    def at(self, along: float) -> tuple[float, float]:
        """The point that far along, in mm."""
        return self.x + along * math.cos(self.angle), self.y + along * math.sin(self.angle)


@dataclass(frozen=True, slots=True)
class Band:
    """Pixels near folds, each array (N,): their number along the picture's rows, their column and row, and
    how far they lie along their fold and across it, in mm, and how both change along a row, per pixel;
    ``parts`` says which are near which fold."""

    where: Numbers
    column: Field
    row: Field
    s: Field
    d: Field
    along: Field
    across: Field
    parts: list[tuple[int, slice]]

    def aside(self, shift: Field, px_per_mm: float) -> tuple[Field, Field]:
        """Columns and rows of the places that lie ``shift`` mm further across the folds."""
        shift = shift * np.float32(px_per_mm**2)
        column, row = shift * self.across, shift * self.along
        column += self.column
        row += self.row
        return column, row


@dataclass(frozen=True, slots=True)
class Cracks:
    """Points along cracks near folds, each array (N,): at which ``fold`` and on which ``line``, how far along
    and across the fold and of which radius, in mm, and how opaque."""

    fold: Numbers
    line: Numbers
    along: Values
    across: Values
    radius: Values
    opacity: Values


class Wave(NamedTuple):
    """Fractal noise along a line: longest period, octaves, and the strength of each over the one before."""

    period_mm: float
    octaves: int = 3
    persistence: float = 0.5


@dataclass(frozen=True, slots=True)
class _Runs:
    """Pixels near folds as runs along the picture's rows: their ``fold``, and their number of pixels.

    ``where`` is the number of each first pixel, ``places`` (4, runs) its column and row, and how far it lies
    along its fold and across it, in mm; ``steps`` (2, runs) is how the last two change from pixel to pixel.
    """

    fold: Numbers
    lengths: Numbers
    where: Numbers
    places: Values
    steps: Values

    def band(self, chosen: slice, ends: Numbers) -> Band:
        """The pixels of some runs, which end at these of them."""
        lengths, fold, steps = self.lengths[chosen], self.fold[chosen], self.steps[:, chosen]
        begins = ends - lengths
        # From where the first pixel of all would be, were it in the same row.
        places = np.concatenate([self.places[:, chosen], steps])
        places[0] -= begins
        places[2:4] -= steps * begins
        column, row, s, d, right, down = np.repeat(places.astype(np.float32), lengths, axis=1)
        number = np.arange(ends[-1])
        behind = number.astype(np.float32)
        column += behind
        s += right * behind
        d += down * behind
        number += np.repeat(self.where[chosen] - begins, lengths)
        last = np.append(np.flatnonzero(fold[1:] != fold[:-1]), len(fold) - 1)
        parts = [slice(*pair) for pair in pairwise([0, *ends[last].tolist()])]
        return Band(
            number, column, row, s, d, right, down, list(zip(fold[last].tolist(), parts, strict=True))
        )


def lines(size: tuple[float, float], per_mm: float, rng: Generator) -> list[Fold]:
    """Poisson lines, uniform in direction and place, of mean length ``per_mm`` mm per mm2."""
    reach = math.hypot(*size) / 2
    folds: list[Fold] = []
    for _ in range(rng.poisson(2 * per_mm * reach)):
        normal, offset = rng.uniform(0, 2 * math.pi), rng.uniform(-reach, reach)
        wear = math.exp(0.35 * rng.standard_normal())
        stops, where = rng.random() < STOPPING, rng.uniform(0.25, 0.9)
        x = size[0] / 2 + offset * math.cos(normal)
        y = size[1] / 2 + offset * math.sin(normal)
        angle = normal + math.pi / 2
        span = _clip(x, y, angle, size)
        if span is None:
            continue
        fold = Fold(*Fold(x, y, angle, 0, 0).at(span[0]), angle, span[1] - span[0], wear)
        if stops:
            crossings = [at for other in folds if (at := _crossing(fold, other)) is not None]
            fold = replace(fold, length=min(crossings, default=where * fold.length), stops=True)
        folds.append(fold)
    return folds


def corners(size: tuple[float, float], mean: float, rng: Generator) -> list[Fold]:
    """Folds that cut off corners, ``mean`` of them at each."""
    folds = []
    for right, low in ((0, 0), (1, 0), (0, 1), (1, 1)):
        for _ in range(rng.poisson(mean)):
            both = CORNER_MM * math.exp(CORNER_SPREAD * rng.standard_normal())
            legs = both * np.exp(0.3 * rng.standard_normal(2))
            wear = math.exp(0.35 * rng.standard_normal())
            a, b = (min(leg, 0.7 * side) for leg, side in zip(legs, size, strict=True))
            x, end_y = (size[0] - a, b) if right else (a, b)
            y, end_x = 0.0, size[0] if right else 0.0
            if low:
                y, end_y = size[1], size[1] - b
            angle = math.atan2(end_y - y, end_x - x)
            folds.append(Fold(x, y, angle, math.hypot(a, b), wear))
    return folds


def bands(
    folds: list[Fold],
    starts: Values,
    shape: tuple[int, int],
    px_per_mm: float,
    half_width: float,
    beyond: float,
) -> Iterator[Band]:
    """The pixels of a picture (H, W) within ``half_width`` mm of each fold and ``beyond`` mm of its ends.

    Fold after fold, so many at a time that memory is bounded. Places along a fold begin with its ``starts``,
    in mm, so that folds may follow each other on one line.
    """
    runs = _runs(folds, shape, px_per_mm, half_width, beyond)
    runs.places[2] += starts[runs.fold]
    ends = np.cumsum(runs.lengths)
    start = 0
    while start < ends.size:
        before = ends[start] - runs.lengths[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH, side="right")))
        yield runs.band(slice(start, stop), ends[start:stop] - before)
        start = stop


def _runs(
    folds: list[Fold], shape: tuple[int, int], px_per_mm: float, half_width: float, beyond: float
) -> _Runs:
    x, y, angle, length = np.array([(fold.x, fold.y, fold.angle, fold.length) for fold in folds]).T[..., None]
    cosine, sine = np.cos(angle), np.sin(angle)
    # Of the first column, and of every row.
    right, below = 0.5 - x * px_per_mm, np.arange(shape[0]) + (0.5 - y * px_per_mm)
    half, margin = half_width * px_per_mm, beyond * px_per_mm
    across = _solved(sine, below * cosine - half, below * cosine + half)
    along = _solved(cosine, -margin - below * sine, length * px_per_mm + margin - below * sine)
    # No run is longer than a batch.
    left = np.arange(0, shape[1], BATCH)
    first = np.maximum(np.ceil(np.maximum(across[0], along[0]) - right)[..., None], left)
    end = np.floor(np.minimum(across[1], along[1]) - right)[..., None] + 1
    lengths = np.minimum(end, np.minimum(left + BATCH, shape[1])) - first
    fold, row, part = np.nonzero(lengths > 0)
    column, lengths = first[fold, row, part], lengths[fold, row, part].astype(np.intp)
    turn, tilt = cosine[fold, 0] / px_per_mm, sine[fold, 0] / px_per_mm
    across, down = right[fold, 0] + column, below[fold, row]
    places = np.stack([column, row, across * turn + down * tilt, down * turn - across * tilt])
    where = row * shape[1] + column.astype(np.intp)
    return _Runs(fold, lengths, where, places, np.stack([turn, -tilt]))


def spaced(lengths: Values, px_per_mm: float) -> tuple[Numbers, Values]:
    """Points along lines of these ``lengths`` in mm, a pixel apart: on which line, and at which part."""
    counts = np.maximum(3, np.ceil(lengths * px_per_mm)).astype(np.intp)
    owner = np.repeat(np.arange(counts.size), counts)
    number = np.arange(owner.size) - (np.cumsum(counts) - counts).take(owner)
    return owner, number / (counts - 1).take(owner)


def dots(folds: list[Fold], cracks: list[Cracks], px_per_mm: float) -> Dots:
    """All points of cracks as dots."""
    fold, line, along, across, radius, opacity = (
        np.concatenate([getattr(part, name) for part in cracks]) for name in Cracks.__slots__
    )
    places = [(one.x, one.y, math.cos(one.angle), math.sin(one.angle)) for one in folds]
    x, y, cosine, sine = np.array(places).T[:, fold]
    x = (x + along * cosine - across * sine) * px_per_mm - 0.5
    y = (y + along * sine + across * cosine) * px_per_mm - 0.5
    apart = np.sqrt(np.square(np.diff(x)) + np.square(np.diff(y)))
    step = np.append(apart, apart[-1:])
    ends = np.flatnonzero(np.diff(line))
    # The last dot of a line is as far from the one before.
    step[ends] = step[ends - 1]
    radius *= px_per_mm
    weight = opacity * line_weight(step, radius)
    return Dots(*(np.asarray(values, dtype=np.float32) for values in (x, y, radius, weight)))


def knots(s: Field) -> tuple[Numbers, Field]:
    """The knots before places along a line, in mm, and at which part of the way to the next these are."""
    part = s * np.float32(1 / KNOT_MM)
    # Rounding may move a place before the first.
    whole = np.trunc(part)
    part -= whole
    return whole.astype(np.intp), part


def waves(count: int, kinds: Sequence[Wave], rng: Generator) -> list[Field]:
    """What ``curves.wander`` gives, of each kind at ``count`` knots in a row, where it is many times as fast.

    Counts that differ a little, as by rounding at another resolution, take as many numbers from ``rng``. The
    shortest wave is a whole number of knots, so that periods may be a little longer or shorter.
    """
    most = KNOTS * -(-count // KNOTS)
    blends = [_blends(kind) for kind in kinds]
    ends = np.cumsum([len(here) * (most // here.shape[1] + 2) for here, _ in blends]).tolist()
    drawn = white_noise((1, ends[-1]), rng)[0]
    found = []
    for (here, behind), begin, end in zip(blends, [0, *ends], ends, strict=False):
        # Together what all octaves need from one level of the longest to the next.
        levels = drawn[begin:end].reshape(-1, len(here))[: count // here.shape[1] + 2]
        total: Field = levels[:-1] @ here
        total += levels[1:] @ behind
        found.append(total.reshape(-1)[:count])
    return found


def between(values: Field, left: Numbers, part: Field) -> Field:
    """``values`` at ``part`` of the way from the index ``left`` to the next."""
    low = values.take(left)
    found: Field = values[1:].take(left)
    found -= low
    found *= part
    found += low
    return found


@lru_cache(maxsize=64)
def _blends(kind: Wave) -> tuple[Field, Field]:
    """Shares (levels, knots) of levels in the sum of all octaves, at the knots of a cell of the longest.

    Those of this cell, 1 of the first octave, 2 of the next, 4, ..., and those of the cell behind it.
    """
    finest = 2 ** (kind.octaves - 1)
    cell = finest * max(1, round(kind.period_mm / KNOT_MM / finest))
    shares = np.zeros((2, 2 * finest - 1, cell))
    gains = kind.persistence ** np.arange(kind.octaves)
    # The blend of two levels has 0.74 of their variance on average.
    gains /= math.sqrt(0.74 * float((gains**2).sum()))
    for octave, gain in enumerate(gains):
        count = 2**octave
        part = np.arange(cell // count) * (count / cell)
        rise = gain * part * part * (3 - 2 * part)
        for number in range(count):
            at = slice(number * part.size, (number + 1) * part.size)
            shares[0, count - 1 + number, at] = gain - rise
            last = number + 1 == count
            shares[int(last), count - 1 if last else count + number, at] = rise
    here, behind = shares.astype(np.float32)
    return here, behind


def _solved(factor: Values, low: Values, high: Values) -> tuple[Values, Values]:
    """Between which values x lies if ``factor`` times x is between ``low`` and ``high``."""
    factor = np.copysign(np.maximum(np.abs(factor), 1e-9), factor)
    ends = low / factor, high / factor
    return np.minimum(*ends), np.maximum(*ends)


def _clip(x: float, y: float, angle: float, size: tuple[float, float]) -> tuple[float, float] | None:
    """Where a line enters and leaves the sheet, as lengths along it."""
    low, high = -math.inf, math.inf
    for at, step, side in ((x, math.cos(angle), size[0]), (y, math.sin(angle), size[1])):
        if abs(step) < 1e-9:
            if not 0 <= at <= side:
                return None
            continue
        near, far = sorted((-at / step, (side - at) / step))
        low, high = max(low, near), min(high, far)
    return (low, high) if low < high else None


def _crossing(fold: Fold, other: Fold) -> float | None:
    """How far along ``fold`` it meets ``other``, if not right at the start."""
    sine = math.sin(other.angle - fold.angle)
    if abs(sine) < 0.2:
        return None
    dx, dy = other.x - fold.x, other.y - fold.y
    along = (dx * math.sin(other.angle) - dy * math.cos(other.angle)) / sine
    there = (dx * math.sin(fold.angle) - dy * math.cos(fold.angle)) / sine
    meets = 0.15 * fold.length < along < fold.length and 0 <= there <= other.length
    return along if meets else None
