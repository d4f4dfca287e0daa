"""Coverage of a picture by many small things, kept for the few pixels that they touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from degradekit.photo import Mask

Indices = NDArray[np.intp]
Values = NDArray[np.float32]

#: Pixels that are drawn at a time: few enough for the processor's cache.
BATCH = 50_000
#: Amounts that are held before those on one pixel are summed.
HELD = 1 << 20


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
        layers = 1 if layer is None else 2
        # Not filled: few of a large picture's pixels are ever looked at.
        slots = np.empty(shape[0] * shape[1], np.int32)
        held = [_Amounts(np.zeros(0, np.intp), np.zeros(0, np.float32), np.zeros(0, np.intp))]
        for part in parts:
            held.append(_Amounts.of(part, layer))
            if sum(some.place.size for some in held[1:]) > HELD + held[0].place.size:
                held = [_Amounts.again(*_summed(held, layers, slots))]
        touched, amounts = _summed(held, layers, slots)
        return Coverage(shape, touched, np.minimum(amounts, np.float32(most)))

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

    @staticmethod
    def again(touched: Indices, sums: Values) -> _Amounts:
        """Those of pixels and their sums (layers, N)."""
        layer = np.repeat(np.arange(len(sums)), touched.size)
        return _Amounts(np.tile(touched, len(sums)), sums.reshape(-1), layer)


def _summed(held: list[_Amounts], layers: int, slots: NDArray[np.int32]) -> tuple[Indices, Values]:
    """The pixels with any amount (N,), each once, and their sums (layers, N).

    ``slots`` has a place for each pixel of the picture; what it holds does not matter.
    """
    place, amount, layer = (np.concatenate(values) for values in zip(*held, strict=True))
    number = np.arange(place.size, dtype=np.int32)
    # The last amount on a pixel stands for it.
    slots[place] = number
    last = slots.take(place)
    chosen = np.flatnonzero(last == number)
    at = last if layers == 1 else last + layer * place.size
    sums = np.bincount(at, amount, layers * place.size).reshape(layers, -1)
    return place.take(chosen), sums.take(chosen, axis=1).astype(np.float32)


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
