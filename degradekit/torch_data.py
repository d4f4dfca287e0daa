"""Data sets for torch: pairs read from a folder of any layout, or rendered from photographs and a recipe.

Imported on demand only; nothing else in degradekit needs torch. ::

    pairs = PairDataset(Path("out"), crop=256)                        # what `degradekit synth` wrote
    pairs = PairDataset.rendering(sources.find(["photos"]), recipe.load("old-photo"), crop=256)
    loader = DataLoader(PairStream(pairs, batch=16), batch_size=None, num_workers=8)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info

from degradekit import pairs
from degradekit.errors import DataError, OptionError
from degradekit.imagefiles import Bitmap
from degradekit.levels import Pixels, as_float
from degradekit.pairs import ANY, mask_column
from degradekit.randomness import stream
from degradekit.reading import DataSet
from degradekit.recipe import Recipe
from degradekit.sources import Source

#: ``clean``, ``degraded`` (3, H, W); ``mask`` and ``CLASS_mask`` (1, H, W), 1 = fully lost; ``key``.
Item: TypeAlias = dict[str, Any]


class StoredPairs:
    """The samples of a folder that ``degradekit synth`` wrote; an epoch changes only where crops lie."""

    def __init__(self, folder: Path, crop: int | None, seed: int) -> None:
        """Read the manifest; pictures are read when asked for."""
        self.data, self.crop, self.seed = DataSet(folder), crop, seed
        self.classes = self.data.classes

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.data)

    def item(self, index: int, epoch: int, classes: Sequence[str]) -> Item:
        """One sample as tensors; DataError if its pictures are missing, damaged or smaller than the crop."""
        row = self.data.row(index)
        clean, degraded = self.data.clean(row), self.data.degraded(row)
        masks = {name: self.data.mask(row, name) for name in (ANY, *classes)}
        window = self._window(clean, index, epoch, str(row["stem"]))
        cut = {name: mask[window] for name, mask in masks.items()}
        return _item(str(row["stem"]), clean.rgb[window], degraded.rgb[window], cut)

    def _window(self, bitmap: Bitmap, index: int, epoch: int, stem: str) -> tuple[slice, slice]:
        height, width = bitmap.rgb.shape[:2]
        if self.crop is None:
            return slice(0, height), slice(0, width)
        if min(height, width) < self.crop:
            raise DataError(f"{stem}: {width} x {height} pixels hold no crop of {self.crop}")
        rng = stream(self.seed, "crop", epoch, index)
        top, left = (int(rng.integers(side - self.crop + 1)) for side in (height, width))
        return slice(top, top + self.crop), slice(left, left + self.crop)


class RenderedPairs:
    """Samples made when they are asked for: epoch e is variant e of every photograph."""

    def __init__(self, sources: Sequence[Source], recipe: Recipe, crop: int | None, seed: int) -> None:
        """Nothing is read yet."""
        if not sources:
            raise DataError("no photograph to degrade")
        self.sources, self.recipe, self.crop, self.seed = tuple(sources), recipe, crop, seed
        self.classes = recipe.classes

    def __len__(self) -> int:
        """Number of photographs."""
        return len(self.sources)

    def item(self, index: int, epoch: int, classes: Sequence[str]) -> Item:
        """One sample as tensors; DataError if the photograph cannot be read."""
        source = self.sources[index]
        pair, _ = pairs.make(source.read(), self.recipe, self.seed, source.key, epoch, self.crop)
        masks = {name: pair.masks[name] for name in (ANY, *classes)}
        return _item(f"{source.key}#{epoch}", pair.clean.rgb, pair.degraded.rgb, masks)


class PairDataset(Dataset[Item]):
    """Map-style pairs: an item is a function of (index, epoch), whatever the number of loader workers.

    Args:
        folder: a data set of any layout, or of recipes only.
        crop: side of random square crops in pixels; whole pictures if None.
        classes: defect classes whose masks are wanted, as ``CLASS_mask``, beside ``mask`` of everything.
        seed: decides where crops lie.

    Raises:
        DataError: ``folder`` is no data set, or is unfinished.
        OptionError: it has no such class of masks.
    """

    def __init__(
        self, folder: Path, *, crop: int | None = None, classes: Sequence[str] = (), seed: int = 0
    ) -> None:
        """Read the manifest; pictures are read when asked for."""
        self._start(partial(StoredPairs, folder, crop, seed), classes)

    @classmethod
    def rendering(
        cls,
        sources: Sequence[Source],
        recipe: Recipe,
        *,
        crop: int | None = None,
        classes: Sequence[str] = (),
        seed: int = 0,
    ) -> PairDataset:
        """Pairs rendered on the fly; epoch e is what ``synth`` makes as variant e: always new damage."""
        made = cls.__new__(cls)
        made._start(partial(RenderedPairs, tuple(sources), recipe, crop, seed), classes)
        return made

    def _start(self, opening: Callable[[], StoredPairs | RenderedPairs], classes: Sequence[str]) -> None:
        self._opening, self.classes = opening, tuple(classes)
        self._opened: tuple[int, StoredPairs | RenderedPairs] | None = None
        # In shared memory, so that workers that live through several epochs see the change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        missing = sorted(set(classes) - set(self._pairs().classes))
        if missing:
            has = ", ".join(self._pairs().classes) or "none"
            raise OptionError(f"no masks of class '{missing[0]}'; there are: {has}")

    def set_epoch(self, epoch: int) -> None:
        """The epoch that items asked for from now on belong to; counted from 0."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        """The epoch set last."""
        return int(self._epoch)

    def __len__(self) -> int:
        """Number of items."""
        return len(self._pairs())

    def __getitem__(self, index: int) -> Item:
        """``clean`` and ``degraded`` (3, H, W), ``mask`` (1, H, W), float32 in [0, 1], and ``key``.

        Raises:
            IndexError: there is no such item.
            DataError: its pictures are missing or damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        return self._pairs().item(index, self.epoch, self.classes)

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay behind when the data set goes to another process."""
        return {**self.__dict__, "_opened": None}

    def _pairs(self) -> StoredPairs | RenderedPairs:
        """The samples, opened anew in every process: open files must not be shared by a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            if get_worker_info() is not None:
                cv2.setNumThreads(1)  # One per loader worker; and threads do not survive a fork.
            self._opened = (os.getpid(), self._opening())
        return self._opened[1]


class PairStream(IterableDataset[Item]):
    """Batches in an order drawn from (seed, epoch), the same at any number of loader workers.

    Give it to a loader as ``DataLoader(stream, batch_size=None, num_workers=n)``: it makes the batches
    itself, for only so is their order independent of n. One pass is one epoch; between passes call
    ``set_epoch``. To go on after an interruption call ``set_epoch(e)`` and ``resume(step)``.

    Args:
        pairs: where items come from; its epoch follows the stream's.
        batch: items per batch; they must have equal sizes, so give ``pairs`` a crop.
        seed: decides the order.
        shuffle: False keeps the order of ``pairs``.
        rank: this process among ``ranks`` that train together; each gets every ranks-th batch.
        ranks: processes that train together.
    """

    def __init__(
        self,
        pairs: PairDataset,
        *,
        batch: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Batches that would not be full are left out, and of several ranks all get equally many."""
        if batch < 1 or not 0 <= rank < ranks:
            raise OptionError(f"batch is at least 1 and rank in [0, ranks), got {batch}, {rank} of {ranks}")
        self.pairs, self.batch, self.seed, self.shuffle = pairs, batch, seed, shuffle
        self.rank, self.ranks = rank, ranks
        self.steps_per_epoch = len(pairs) // (batch * ranks)
        if self.steps_per_epoch == 0:
            raise DataError(f"{len(pairs)} pairs fill no batch of {batch} on {ranks} ranks")
        self._first = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """The epoch of the next pass, which begins at its first step."""
        self.pairs.set_epoch(epoch)
        self._first.fill_(0)

    def resume(self, step: int) -> None:
        """Begin the next pass at ``step`` of the epoch, counted from 0; the steps before are not made."""
        if not 0 <= step <= self.steps_per_epoch:
            raise OptionError(f"step is in [0, {self.steps_per_epoch}], got {step}")
        self._first.fill_(step)

    def __len__(self) -> int:
        """Batches in the next pass."""
        return self.steps_per_epoch - int(self._first)

    def __iter__(self) -> Iterator[Item]:
        """Batches: tensors (B, 3, H, W) and (B, 1, H, W), and a list of keys."""
        order = np.arange(len(self.pairs))
        if self.shuffle:
            order = stream(self.seed, "order", self.pairs.epoch).permutation(len(self.pairs))
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        # A loader takes batches from its workers in turn, so this gives them back in order.
        for step in range(int(self._first) + number, self.steps_per_epoch, workers):
            start = (step * self.ranks + self.rank) * self.batch
            items = [self.pairs[int(index)] for index in order[start : start + self.batch]]
            batch: Item = default_collate(items)
            yield batch


def _item(key: str, clean: Pixels, degraded: Pixels, masks: dict[str, Pixels]) -> Item:
    named = {mask_column(name, "").removesuffix("_"): _tensor(mask) for name, mask in masks.items()}
    return {"key": key, "clean": _tensor(clean), "degraded": _tensor(degraded), **named}


def _tensor(pixels: Pixels) -> Tensor:
    """(H, W, 3) or (H, W) integers to float32 (3, H, W) or (1, H, W) in [0, 1]."""
    values = as_float(np.atleast_3d(pixels))
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
