"""``train/STEM.png``: degraded (A) left and clean (B) right in one picture; masks as in ``folders``.

The aligned data set of pytorch-CycleGAN-and-pix2pix (``docs/datasets.md`` there): ``--dataroot OUT
--dataset_mode aligned --direction AtoB`` learns to restore.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from degradekit import atomicfiles, imagefiles
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.layouts import CLEAN, DEGRADED, Layout, Sample, column
from degradekit.layouts.folders import MASKS
from degradekit.manifest import Row

TRAIN = "train"


class AlignedWriter:
    """Writes one file with both pictures of a sample, and its masks."""

    def __init__(self, folder: Path) -> None:
        """Write below ``folder``."""
        self.folder = folder
        self._hashes: dict[str, str] = {}

    def names(self, sample: Sample) -> dict[str, str]:
        """File names by manifest column; clean and degraded have the same."""
        both = f"{TRAIN}/{sample.stem}.png"
        masks = {column(role): f"{MASKS}/{role}/{sample.stem}.png" for role in sample.pair.masks}
        return {column(DEGRADED): both, column(CLEAN): both, **masks}

    def write(self, sample: Sample, row: Row) -> None:
        """Write the files ``row`` names."""
        left, right = sample.pair.degraded, sample.pair.clean
        alpha = None
        if left.alpha is not None and right.alpha is not None:
            alpha = np.hstack([left.alpha, right.alpha])
        self._put(
            str(row["file_name"]), imagefiles.encode_png(np.hstack([left.rgb, right.rgb]), alpha, left.icc)
        )
        for role, mask in sample.pair.masks.items():
            self._put(str(row[column(role)]), imagefiles.encode_png(mask))

    def close(self) -> dict[str, str]:
        """Sync all files; gives their hashes."""
        for name in self._hashes:
            atomicfiles.sync(self.folder / name)
        return self._hashes

    def discard(self) -> None:
        """Every file is whole or not there already."""

    def _put(self, name: str, data: bytes) -> None:
        atomicfiles.write_bytes(self.folder / name, data, sync=False)
        self._hashes[name] = hashlib.sha256(data).hexdigest()


class AlignedReader:
    """Reads a half of the joint picture, or a mask."""

    def __init__(self, folder: Path) -> None:
        """Read below ``folder``."""
        self.folder = folder

    def read(self, row: Row, role: str) -> Bitmap:
        """Decode one picture; DataError if it is missing or damaged, or has another size than its row."""
        path = self.folder / str(row[column(role)])
        both = imagefiles.read(path)
        if role not in (CLEAN, DEGRADED):
            return both
        width = int(row["width"])
        if both.rgb.shape[1] != 2 * width:
            raise DataError(f"{path}: {both.rgb.shape[1]} pixels wide, its row says twice {width}")
        half = slice(0, width) if role == DEGRADED else slice(width, 2 * width)
        alpha = None if both.alpha is None else np.ascontiguousarray(both.alpha[:, half])
        return Bitmap(np.ascontiguousarray(both.rgb[:, half]), alpha, both.icc)


LAYOUT = Layout(
    "pix2pix",
    lambda folder, _shard: AlignedWriter(folder),
    AlignedReader,
    entries=(TRAIN, MASKS),
    # JPEG would smear each picture into the other at the seam.
    lossless=True,
)
