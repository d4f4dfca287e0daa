"""Straight folds of a sheet: how many, and where they run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

#: Part of the folds that stop at another fold or within the sheet instead of crossing all of it.
STOPPING = 0.4
#: Corner folds cut off this much of the sides: median, and standard deviation of the logarithm.
CORNER_MM = 16.0
CORNER_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Fold:
    """A straight fold from (x, y) on, in mm; ``wear`` multiplies its width."""

    x: float
    y: float
    angle: float
    length: float
    wear: float

    def at(self, along: float) -> tuple[float, float]:
        """The point that far along, in mm."""
        return self.x + along * math.cos(self.angle), self.y + along * math.sin(self.angle)


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
            fold = Fold(fold.x, fold.y, angle, min(crossings, default=where * fold.length), wear)
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
