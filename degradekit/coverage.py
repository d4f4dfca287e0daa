"""Coverage of a picture by many small things, kept for the few pixels that they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from degradekit.levels import Mask

Indices = NDArray[np.intp]
Values = NDArray[np.float32]

#: Pixels that are drawn at a time: few enough for the processor's cache.
BATCH = 50_000
#: Pixels that are looked through together for what was touched, many times as fast as one by one.
BLOCK = 8


class Part(NamedTuple):
    """How much things cover of pixels.

    ``place``: pixels, counted along the rows, each once for everything that covers it; ``amount`` of the
    same shape; ``owner``: which thing it is, along the last axis.
    """

    owner: Indices
    place: Indices
    amount: Values


@dataclass(frozen=True, slots=True)
class Coverage:
    """What layers of matter cover of a picture (H, W): little, so that only pixels with any are kept.

    ``touched`` (N,): these pixels, counted along the rows, each once; ``amounts`` (layers, N).
    """

    shape: tuple[int, int]
    touched: Indices
    amounts: Values

    @staticmethod
    def of(*planes: Mask) -> Coverage:
        """Of layers drawn as planes (H, W)."""
        rows, columns = planes[0].shape
        chosen = touched(planes)
        return Coverage((rows, columns), chosen, np.stack([plane.reshape(-1)[chosen] for plane in planes]))

    @staticmethod
    def summed(
        shape: tuple[int, int], parts: Iterable[Part], most: float, layer: Indices | None = None
    ) -> Coverage:
        """The sum of ``parts``, up to ``most``; ``layer`` (owners,) tells what belongs to the second of two
        layers (1) and what to the first (0)."""
        blocks = -(-shape[0] * shape[1] // BLOCK)
        sums = np.zeros((1 if layer is None else 2, blocks, BLOCK), np.float32)
        busy = np.zeros(blocks, np.bool_)
        for owner, place, amount in parts:
            busy[place // BLOCK] = True
            at = place if layer is None else place + layer[owner] * (blocks * BLOCK)
            np.add.at(sums.reshape(-1), at.reshape(-1), amount.reshape(-1))
        chosen = np.flatnonzero(busy)
        amounts = sums[:, chosen].reshape(len(sums), -1)
        some = np.flatnonzero(amounts.any(axis=0))
        touched = chosen[some // BLOCK] * BLOCK + some % BLOCK
        return Coverage(shape, touched, np.minimum(amounts.take(some, axis=1), np.float32(most)))

    def plane(self, values: Values) -> Mask:
        """``values`` (N,) of the pixels that are touched as a plane (H, W), 0 elsewhere."""
        plane = np.zeros(self.shape, np.float32)
        plane.reshape(-1)[self.touched] = values
        return plane


def touched(planes: Sequence[Mask]) -> Indices:
    """The pixels at which any of the planes is not 0, counted along the rows."""
    some = planes[0] != 0
    for plane in planes[1:]:
        some |= plane != 0
    return np.flatnonzero(some)


def plane(shape: tuple[int, int], parts: Iterable[Part], most: float = 1.0) -> Mask:
    """The sum of ``parts`` (H, W), up to ``most`` on each pixel."""
    total = np.zeros(shape, np.float32)
    for _, place, amount in parts:
        np.add.at(total.reshape(-1), place.reshape(-1), amount.reshape(-1))
    return np.clip(total, 0, np.float32(most), out=total)


def batches(sizes: Indices) -> Iterator[slice]:
    """Slices of things whose ``sizes`` in pixels are together about ``BATCH``, or that are larger alone."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if ends.size else 0
    start = 0
    for most in range(BATCH, total + BATCH, BATCH):
        end = min(int(np.searchsorted(ends, most)) + 1, ends.size)
        if end > start:
            yield slice(start, end)
            start = end
