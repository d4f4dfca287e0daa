"""Pairs on disk to batches in memory; the one place where (H, W, C) integers become (B, C, H, W) floats."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from degradekit import imagefiles, manifest
from degradekit.errors import DataError
from degradekit.levels import as_float, quantise
from degradekit.randomness import stream
from degradekit.sources import Source

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
        real: (B, 3, H, W); crops of real old photographs, if the run has any. In an unpaired stream they
            are ``degraded`` too, and ``mask``, which nobody knows, is 0.
        labelled: crops of real photographs (B, 3, H, W) and the hand-made masks of their defects
            (B, 1, H, W), if the run has any.
    """

    degraded: Tensor
    clean: Tensor
    mask: Tensor
    real: Tensor | None = None
    labelled: tuple[Tensor, Tensor] | None = None

    def to(self, device: torch.device, memory_format: torch.memory_format) -> Batch:
        """The same crops on ``device`` in ``memory_format``."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, memory_format=memory_format)

        return Batch(
            moved(self.degraded),
            moved(self.clean),
            moved(self.mask),
            None if self.real is None else moved(self.real),
            None if self.labelled is None else (moved(self.labelled[0]), moved(self.labelled[1])),
        )


class Inputs:
    """The degraded images of a folder that degradekit wrote, and their masks, sorted by name.

    It has no way to the clean images: restoring gets this and nothing more.

    Args:
        folder: of the pairs.
        detected: folder of masks STEM.png that a detector made; None = the true ones.

    Raises:
        DataError: the folder is no data set, or is empty.
    """

    def __init__(self, folder: Path, detected: Path | None = None) -> None:
        """Read the manifest; pixels are decoded when asked for."""
        self.folder, self._detected = folder, detected
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
        """Union of all masks, or what the detector found; uint8 (H, W), 255 = fully (or surely) lost."""
        true = self.folder / self._names[index][1]
        path = true if self._detected is None else self._detected / f"{self.stems[index]}.png"
        return np.ascontiguousarray(_read(path)[..., 0])


class PairSet(Inputs):
    """The same with the clean images and the manifest's rows: for training, and for scoring."""

    def __init__(self, folder: Path, detected: Path | None = None) -> None:
        """Read the manifest; pixels are decoded when asked for."""
        super().__init__(folder, detected)
        self.rows = _rows(folder)

    def subset(self, stems: Sequence[str]) -> PairSet:
        """Those of the pairs that ``stems`` names."""
        chosen = copy.copy(self)
        places = [place for place, stem in enumerate(self.stems) if stem in set(stems)]
        chosen.stems = [self.stems[place] for place in places]
        chosen.rows = [self.rows[place] for place in places]
        chosen._names = [self._names[place] for place in places]
        return chosen

    def clean(self, index: int) -> Pixels:
        """Clean pixels, uint8 (H, W, 3)."""
        return _read(self.folder / self.rows[index]["clean_file_name"])


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = sorted(manifest.read_rows(folder), key=lambda row: str(row["file_name"]))
    if not rows:
        raise DataError(f"{folder}: no pairs")
    return rows


def _read(path: Path) -> Pixels:
    return _eight_bit(imagefiles.read(path).rgb)


def _eight_bit(pixels: NDArray[Any]) -> Pixels:
    # Pairs of 16 bit photographs are 16 bit; methods and metrics work on 8.
    eight_bit = pixels if pixels.dtype == np.uint8 else quantise(as_float(pixels))
    return eight_bit.astype(np.uint8, copy=False)


class Decoded:
    """Images that are decoded when they are first asked for, and kept as long as there is room.

    Args:
        count: how many there are.
        decode: number -> images of one size, as (image,) or (image, its mask).
    """

    def __init__(self, count: int, decode: Callable[[int], tuple[Pixels, ...]]) -> None:
        """Nothing is decoded yet."""
        self._count, self._decode = count, decode
        self._kept: dict[int, tuple[Pixels, ...]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    def __call__(self, index: int) -> tuple[Pixels, ...]:
        """Number ``index``."""
        if index in self._kept:
            return self._kept[index]
        images = self._decode(index)
        if self._bytes < CACHE_BYTES:
            self._kept[index] = images
            self._bytes += sum(image.nbytes for image in images)
        return images


#: Photographs that are no pairs: number -> (image,), or (image, mask of its defects).
Photographs: TypeAlias = Decoded


def real_photographs(found: Sequence[Source]) -> Photographs:
    """Real old photographs."""
    return Decoded(len(found), lambda index: (_eight_bit(found[index].read().rgb),))


def labelled_photographs(folder: Path) -> Photographs:
    """Photographs ``images/STEM`` and the masks of their defects ``masks/STEM``, paired by stem.

    Raises:
        DataError: one is missing, surplus, or of another size than its photograph.
    """
    images, masks = (
        {path.stem: path for path in sorted((folder / part).glob("[!.]*")) if path.is_file()}
        for part in ("images", "masks")
    )
    if not images or images.keys() != masks.keys():
        odd = min(images.keys() ^ masks.keys(), default=None)
        raise DataError(
            f"{folder}: labelled photographs are images/STEM and masks/STEM; "
            + ("there are none" if odd is None else f"'{odd}' is in one of them only")
        )
    stems = list(images)

    def decode(index: int) -> tuple[Pixels, ...]:
        image, mask = _read(images[stems[index]]), _read(masks[stems[index]])[..., :1]
        if image.shape[:2] != mask.shape[:2]:
            raise DataError(
                f"{masks[stems[index]]}: is {mask.shape[:2]}, its photograph is {image.shape[:2]}"
            )
        return image, np.ascontiguousarray(mask[..., 0])

    return Decoded(len(stems), decode)


class CropStream:
    """Training batches; which pair, place and flip a step sees is a function of (seed, step) and the pairs.

    Every epoch takes each pair once, in an order of its own. The stream knows no method, so all methods
    see the same crops.

    Args:
        pairs: where crops come from.
        crop: side of the square crops, in pixels; smaller images are mirrored at their borders.
        batch: crops per step.
        seed: seed of the run.
        paired: False takes each clean crop from the epoch's next pair of another scene instead, and the
            degraded one from ``real`` if that is given.
        real: real old photographs.
        labelled: real photographs with masks of their defects.
    """

    def __init__(
        self,
        pairs: PairSet,
        *,
        crop: int,
        batch: int,
        seed: int,
        paired: bool = True,
        real: Photographs | None = None,
        labelled: Photographs | None = None,
    ) -> None:
        """Nothing is decoded yet."""
        self.pairs, self.crop, self.size, self.seed, self.paired = pairs, crop, batch, seed, paired
        self.real, self.labelled = real, labelled
        self._decoded = Decoded(
            len(pairs), lambda index: (pairs.degraded(index), pairs.clean(index), pairs.mask(index))
        )

    def batch(self, step: int, part: slice = slice(None)) -> Batch:
        """The batch of ``step``, counted from 0, or those crops of it that ``part`` says."""
        samples = range(step * self.size, (step + 1) * self.size)[part]
        degraded, clean, mask = _stack([self._crop(sample) for sample in samples])
        real = labelled = None
        if self.real is not None:
            (real,) = _stack([self._from(self.real, "real", sample) for sample in samples])
            if not self.paired:
                degraded, mask = real, torch.zeros_like(mask)
        if self.labelled is not None:
            image, lost = _stack([self._from(self.labelled, "labelled", sample) for sample in samples])
            labelled = (image, (lost >= 0.5).float())
        return Batch(degraded, clean, mask, real, labelled)

    def batches(self, first: int, last: int | None, parts: Sequence[slice]) -> Iterator[list[Batch]]:
        """The ``parts`` of steps ``first`` .. ``last`` - 1 (None: without end), decoded one step ahead."""

        def step_parts(step: int) -> list[Batch]:
            return [self.batch(step, part) for part in parts]

        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead: Future[list[Batch]] | None = None
            for step in itertools.count(first) if last is None else range(first, last):
                current = step_parts(step) if ahead is None else ahead.result()
                ahead = reader.submit(step_parts, step + 1) if last is None or step + 1 < last else None
                yield current

    def _crop(self, sample: int) -> tuple[Tensor, ...]:
        epoch, place = divmod(sample, len(self.pairs))
        order = stream(self.seed, "order", epoch).permutation(len(self.pairs))
        rng = stream(self.seed, "crop", sample)
        degraded, clean, mask = self._take(self._decoded(int(order[place])), rng)
        if not self.paired:
            other = self._another(order, place)
            _, clean, _ = self._take(self._decoded(other), stream(self.seed, "unpaired crop", sample))
        return as_batch(degraded), as_batch(clean), as_batch(mask)

    def _from(self, photographs: Photographs, name: str, sample: int) -> tuple[Tensor, ...]:
        epoch, place = divmod(sample, len(photographs))
        order = stream(self.seed, name, "order", epoch).permutation(len(photographs))
        images = photographs(int(order[place]))
        return tuple(map(as_batch, self._take(images, stream(self.seed, name, "crop", sample))))

    def _another(self, order: NDArray[np.int64], place: int) -> int:
        """The next pair in ``order`` that shows another scene; the next one if all show the same."""
        scenes = [self.pairs.rows[index]["group"] for index in (*order[place:], *order[:place])]
        step = next((step for step, scene in enumerate(scenes) if scene != scenes[0]), 1)
        return int(order[(place + step) % len(order)])

    def _take(self, images: Sequence[Pixels], rng: np.random.Generator) -> list[Pixels]:
        height, width = images[0].shape[:2]
        rows = mirrored(height, int(rng.integers(max(height - self.crop, 0) + 1)), self.crop)
        columns = mirrored(width, int(rng.integers(max(width - self.crop, 0) + 1)), self.crop)
        if rng.random() < 0.5:
            columns = columns[::-1]
        return [image[np.ix_(rows, columns)] for image in images]


def _stack(crops: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(column) for column in zip(*crops, strict=True))


def as_batch(pixels: Pixels) -> Tensor:
    """uint8 (H, W, 3) or (H, W) to float32 (1, 3, H, W) or (1, 1, H, W) in [0, 1]."""
    values = as_float(np.atleast_3d(pixels))
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def as_pixels(image: Tensor) -> Pixels:
    """(1, 3, H, W) in [0, 1] to uint8 (H, W, 3): clipped, then rounded half to even."""
    values = image.detach()[0].clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
    return quantise(values).astype(np.uint8, copy=False)


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
