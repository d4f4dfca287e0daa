"""Coverage of a picture by many small things, kept for the few pixels that they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from degradekit.levels import Mask

Indices = NDArray[np.intp]
Values = NDArray[np.float32]

#: Pixels that are drawn at a time: few enough for the processor's cache.
BATCH = 50_000
#: Amounts are summed without planes if there are at most one for so many pixels of the picture.
FEW = 16


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

    ``touched`` (N,): these pixels, counted along the rows, each once, in any order; ``amounts`` (layers, N).
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
        layers, pixels = 1 if layer is None else 2, shape[0] * shape[1]
        amounts = (_Amounts.of(part, layer) for part in parts)
        held = [_Amounts(np.zeros(0, np.intp), np.zeros(0, np.float32), np.zeros(0, np.intp))]
        left = pixels // FEW
        for some in amounts:
            held.append(some)
            left -= some.place.size
            if left < 0:
                touched, sums = _summed_in_planes(chain(held, amounts), layers, pixels)
                break
        else:
            touched, sums = _summed(held, layers, pixels)
        return Coverage(shape, touched, np.minimum(sums, np.float32(most)))

    def plane(self, values: Values) -> Mask:
        """``values`` (N,) of the pixels that are touched as a plane (H, W), 0 elsewhere."""
        plane = np.zeros(self.shape, np.float32)
        plane.reshape(-1)[self.touched] = values
        return plane


class _Amounts(NamedTuple):
    """Single amounts (N,) on pixels, and of which layer."""

    place: Indices
    amount: Values
    layer: Indices

    @staticmethod
    def of(part: Part, layer: Indices | None) -> _Amounts:
        """Those of a part that are not 0; ``layer`` is its owners'."""
        amount = part.amount.reshape(-1)
        some = np.flatnonzero(amount != 0)
        place = part.place.reshape(-1).take(some)
        if layer is None:
            return _Amounts(place, amount.take(some), np.zeros(some.size, np.intp))
        which = np.broadcast_to(layer.take(part.owner), part.place.shape)
        return _Amounts(place, amount.take(some), which.reshape(-1).take(some))


def _summed(held: list[_Amounts], layers: int, pixels: int) -> tuple[Indices, Values]:
    """The pixels with any amount (N,), each once, and their sums (layers, N)."""
    place, amount, layer = (np.concatenate(values) for values in zip(*held, strict=True))
    number = np.arange(place.size, dtype=np.int32)
    # The last amount on a pixel stands for it. What is not written is not read, so that nothing is filled.
    slots = np.empty(pixels, np.int32)
    slots[place] = number
    last = slots.take(place)
    chosen = np.flatnonzero(last == number)
    at = last if layers == 1 else last + layer * place.size
    sums = np.bincount(at, amount, layers * place.size).reshape(layers, -1)
    return place.take(chosen), sums.take(chosen, axis=1).astype(np.float32)


def _summed_in_planes(parts: Iterable[_Amounts], layers: int, pixels: int) -> tuple[Indices, Values]:
    """``_summed`` for any number of amounts, in memory that does not depend on it."""
    planes = np.zeros((layers, pixels), np.float32)
    for place, amount, layer in parts:
        np.add.at(planes.reshape(-1), place if layers == 1 else place + layer * pixels, amount)
    chosen = touched(list(planes))
    return chosen, planes.take(chosen, axis=1)


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
    return np.minimum(total, np.float32(most), out=total)


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
