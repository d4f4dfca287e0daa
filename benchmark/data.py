"""Pairs on disk to batches in memory; the one place where (H, W, C) integers become (B, C, H, W) floats."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from degradekit import imagefiles, manifest
from degradekit.errors import DataError
from degradekit.randomness import stream

Pixels = NDArray[np.uint8]
#: Decoded training pairs are kept in memory up to this size; beyond it they are decoded again.
CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Batch:
    """Training crops, float32 in [0, 1].

    Args:
        degraded: (B, 3, H, W).
        clean: (B, 3, H, W); of the same places, or of other photographs in an unpaired stream.
        mask: (B, 1, H, W); of ``degraded``, 1 = fully lost.
    """

    degraded: Tensor
    clean: Tensor
    mask: Tensor

    def to(self, device: torch.device, memory_format: torch.memory_format) -> Batch:
        """The same crops on ``device`` in ``memory_format``."""
        moved = (t.to(device, memory_format=memory_format) for t in (self.degraded, self.clean, self.mask))
        return Batch(*moved)


class Inputs:
    """The degraded images of a folder that degradekit wrote, and their masks, sorted by name.

    It has no way to the clean images: restoring gets this and nothing more.

    Raises:
        DataError: the folder is no data set, or is empty.
    """

    def __init__(self, folder: Path) -> None:
        """Read the manifest; pixels are decoded when asked for."""
        self.folder = folder
        names = [(row["file_name"], row["mask_file_name"]) for row in _rows(folder)]
        #: File names below the folder of their kind, without the ending.
        self.stems = [name.partition("/")[2].removesuffix(".png") for name, _ in names]
        self._names = names

    def __len__(self) -> int:
        return len(self.stems)

    def degraded(self, index: int) -> Pixels:
        """Degraded pixels, uint8 (H, W, 3)."""
        return _read(self.folder / self._names[index][0])

    def mask(self, index: int) -> Pixels:
        """Union of all masks, uint8 (H, W), 255 = fully lost."""
        return np.ascontiguousarray(_read(self.folder / self._names[index][1])[..., 0])


class PairSet(Inputs):
    """The same with the clean images and the manifest's rows: for training, and for scoring."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest; pixels are decoded when asked for."""
        super().__init__(folder)
        self.rows = _rows(folder)

    def clean(self, index: int) -> Pixels:
        """Clean pixels, uint8 (H, W, 3)."""
        return _read(self.folder / self.rows[index]["clean_file_name"])


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = sorted(manifest.read_rows(folder), key=lambda row: str(row["file_name"]))
    if not rows:
        raise DataError(f"{folder}: no pairs")
    return rows


def _read(path: Path) -> Pixels:
    pixels = imagefiles.read(path).rgb
    # Pairs of 16 bit photographs are 16 bit; methods and metrics work on 8.
    eight_bit = pixels if pixels.dtype == np.uint8 else imagefiles.quantise(imagefiles.as_float(pixels))
    return eight_bit.astype(np.uint8, copy=False)


class CropStream:
    """Training batches; which pair, place and flip a step sees is a function of (seed, step) and the pairs.

    Every epoch takes each pair once, in an order of its own. The stream knows no method, so all methods
    see the same crops.

    Args:
        pairs: where crops come from.
        crop: side of the square crops, in pixels; smaller images are mirrored at their borders.
        batch: crops per step.
        seed: seed of the run.
        paired: False takes each clean crop from the epoch's next pair of another scene instead.
    """

    def __init__(self, pairs: PairSet, *, crop: int, batch: int, seed: int, paired: bool = True) -> None:
        """Nothing is decoded yet."""
        self.pairs, self.crop, self.size, self.seed, self.paired = pairs, crop, batch, seed, paired
        self._cache: dict[int, tuple[Pixels, Pixels, Pixels]] = {}
        self._cached_bytes = 0

    def batch(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0."""
        crops = [self._crop(step * self.size + place) for place in range(self.size)]
        degraded, clean, mask = (torch.cat(column) for column in zip(*crops, strict=True))
        return Batch(degraded, clean, mask)

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Batches of the steps ``first`` .. ``last`` - 1, the next one decoded while one is in use."""
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead: Future[Batch] | None = None
            for step in range(first, last):
                current = self.batch(step) if ahead is None else ahead.result()
                ahead = reader.submit(self.batch, step + 1) if step + 1 < last else None
                yield current

    def _crop(self, sample: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, place = divmod(sample, len(self.pairs))
        order = stream(self.seed, "order", epoch).permutation(len(self.pairs))
        rng = stream(self.seed, "crop", sample)
        degraded, clean, mask = self._take(int(order[place]), rng, (0, 1, 2))
        if not self.paired:
            other = self._another(order, place)
            (clean,) = self._take(other, stream(self.seed, "unpaired crop", sample), (1,))
        return as_batch(degraded), as_batch(clean), as_batch(mask)

    def _another(self, order: NDArray[np.int64], place: int) -> int:
        """The next pair in ``order`` that shows another scene; the next one if all show the same."""
        scenes = [self.pairs.rows[index]["group"] for index in (*order[place:], *order[:place])]
        step = next((step for step, scene in enumerate(scenes) if scene != scenes[0]), 1)
        return int(order[(place + step) % len(order)])

    def _take(self, index: int, rng: np.random.Generator, which: tuple[int, ...]) -> list[Pixels]:
        images = self._decoded(index)
        height, width = images[0].shape[:2]
        rows = mirrored(height, int(rng.integers(max(height - self.crop, 0) + 1)), self.crop)
        columns = mirrored(width, int(rng.integers(max(width - self.crop, 0) + 1)), self.crop)
        if rng.random() < 0.5:
            columns = columns[::-1]
        return [images[i][np.ix_(rows, columns)] for i in which]

    def _decoded(self, index: int) -> tuple[Pixels, Pixels, Pixels]:
        if index in self._cache:
            return self._cache[index]
        images = (self.pairs.degraded(index), self.pairs.clean(index), self.pairs.mask(index))
        if self._cached_bytes < CACHE_BYTES:
            self._cache[index] = images
            self._cached_bytes += sum(image.nbytes for image in images)
        return images


def as_batch(pixels: Pixels) -> Tensor:
    """uint8 (H, W, 3) or (H, W) to float32 (1, 3, H, W) or (1, 1, H, W) in [0, 1]."""
    values = imagefiles.as_float(np.atleast_3d(pixels))
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def as_pixels(image: Tensor) -> Pixels:
    """(1, 3, H, W) in [0, 1] to uint8 (H, W, 3): clipped, then rounded half to even."""
    values = image.detach()[0].permute(1, 2, 0).float().cpu().numpy()
    return imagefiles.quantise(values).astype(np.uint8, copy=False)


def pad_to_multiple(image: Tensor, multiple: int) -> tuple[Tensor, tuple[slice, ...]]:
    """Mirror (B, C, H, W) at its borders until both sides are multiples of ``multiple``.

    Returns:
        The larger image, and the index that cuts the original out of it again. Any size will do: an image
        smaller than the border it needs is mirrored repeatedly.
    """
    index: list[slice] = [slice(None), slice(None)]
    for axis in (2, 3):
        length = image.shape[axis]
        padded = -(-length // multiple) * multiple
        before = (padded - length) // 2
        places = torch.from_numpy(mirrored(length, -before, padded)).to(image.device)
        image = image.index_select(axis, places)
        index.append(slice(before, before + length))
    return image, tuple(index)


def mirrored(length: int, start: int, size: int) -> NDArray[np.int64]:
    """Indices start .. start + size - 1 of an axis of ``length``, mirrored at its ends, these not doubled."""
    period = max(2 * (length - 1), 1)
    places = np.arange(start, start + size, dtype=np.int64) % period
    return np.minimum(places, period - places)
