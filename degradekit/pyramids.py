"""Fractal noise built up from coarse grids to finer ones, each with twice as many points along its sides."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np

from degradekit.fields import Field
from degradekit.noisegrids import CUBIC_GAIN


@lru_cache(maxsize=64)
def gains(octaves: int, persistence: float) -> Field:
    """Factors for so many grids of unit variance, so that their sum, interpolated, has unit variance."""
    factors = persistence ** np.arange(octaves)
    factors /= CUBIC_GAIN * np.linalg.norm(factors)
    return factors.astype(np.float32)


def stacked(grids: Iterable[Field], factors: Field) -> Field:
    """The sum of grids times their factors, the coarsest first, on the points of the finest.

    Takes the grids over.
    """
    total: Field | None = None
    for grid, factor in zip(grids, factors, strict=False):
        grid *= factor
        if total is not None:
            grid += cv2.resize(total, grid.shape[::-1], interpolation=cv2.INTER_CUBIC)
        total = grid
    assert total is not None
    return total
