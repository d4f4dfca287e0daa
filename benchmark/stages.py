"""The budget of a method that trains in stages, cut into parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stages:
    """Stages in their order, each with its share of the budget.

    Args:
        shares: (name, share) of each stage; the shares add up to 1.

    Raises:
        ValueError: they do not, or one is not positive.
    """

    shares: Sequence[tuple[str, float]]

    def __post_init__(self) -> None:
        if any(share <= 0 for _, share in self.shares) or not math.isclose(sum(s for _, s in self.shares), 1):
            raise ValueError(f"shares of the budget must be positive and add up to 1, got {self.shares}")

    def at(self, progress: float) -> tuple[str, float]:
        """The stage when ``progress`` in [0, 1) of the budget is spent, and how much of it, in [0, 1)."""
        begin = 0.0
        for name, share in self.shares:
            inside = (progress - begin) / share
            # Rounding may leave a start a hair before its stage.
            if inside < 1 - 1e-9 or name == self.shares[-1][0]:
                return name, min(max(inside, 0.0), math.nextafter(1.0, 0.0))
            begin += share
        raise AssertionError("the last stage never ends")
