"""Images that methods restore apart from the test pairs: undamaged photographs, and real old ones.

They are restored after all test pairs are, by a method built anew, so that nothing a method sees here can
help it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.data import PairSet, Pixels
from benchmark.folders import eight_bit
from benchmark.scoring import first_of_each_photograph
from degradekit.levels import as_float, quantise
from degradekit.sources import Source


class CleanInputs:
    """The clean image of each photograph's first pair in the place of the degraded one, and empty masks."""

    def __init__(self, pairs: PairSet, masks: Path | None = None) -> None:
        """Pixels are decoded when asked for; ``masks`` holds what a detector found, STEM.png."""
        self._pairs, self._masks = pairs, masks
        self._places = first_of_each_photograph(pairs.rows)
        self.stems = [pairs.stems[place] for place in self._places]

    def __len__(self) -> int:
        return len(self.stems)

    def degraded(self, index: int) -> Pixels:
        """Clean pixels, uint8 (H, W, 3)."""
        return self._pairs.clean(self._places[index])

    def mask(self, index: int) -> Pixels:
        """Nothing is lost, or what the detector found; uint8 (H, W)."""
        if self._masks is not None:
            return _gray(self._masks / f"{self.stems[index]}.png")
        return np.zeros(self.degraded(index).shape[:2], np.uint8)


class RealInputs:
    """Real old photographs; where they are damaged is known from a detector or not at all."""

    def __init__(self, sources: Sequence[Source], masks: Path | None = None) -> None:
        """Pixels are decoded when asked for; ``masks`` holds what a detector found, STEM.png."""
        self._sources, self._masks = sources, masks
        self.stems = [source.key for source in sources]

    def __len__(self) -> int:
        return len(self.stems)

    def degraded(self, index: int) -> Pixels:
        """The photograph's pixels, uint8 (H, W, 3)."""
        pixels = self._sources[index].read().rgb
        if pixels.dtype != np.uint8:
            pixels = quantise(as_float(pixels))
        return pixels.astype(np.uint8, copy=False)

    def mask(self, index: int) -> Pixels:
        """What the detector found, uint8 (H, W)."""
        if self._masks is None:
            raise ValueError("nobody knows where a real photograph is damaged")
        return _gray(self._masks / f"{self.stems[index]}.png")


def _gray(path: Path) -> Pixels:
    return np.ascontiguousarray(eight_bit(path)[..., 0])
