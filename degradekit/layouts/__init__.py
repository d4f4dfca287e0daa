"""Layouts: how the samples of a data set become files, and how they are read back.

A layout is one module with ``LAYOUT``; its trees and keys are described in ``docs/datasets.md``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from degradekit import imagefiles
from degradekit.coding import Coded
from degradekit.errors import OptionError, unknown
from degradekit.imagefiles import Bitmap
from degradekit.manifest import Row
from degradekit.pairs import ANY, Pair, mask_column

NAMES = ("folders", "pix2pix", "basicsr", "webdataset", "parquet")
#: No pixels at all, only the manifest; not a choice of --layout but of --recipes-only.
RECIPES = "recipes"

#: The pictures of a sample beside its masks, which are called by their class or ``any``.
CLEAN, DEGRADED = "clean", "degraded"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a writer puts on disk. ``pair`` holds the pixels that reading ``clean`` and ``degraded`` gives."""

    stem: str
    pair: Pair
    clean: Coded
    degraded: Coded

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role of its pictures, in the order of columns: the mask of everything before classes."""
        return (DEGRADED, CLEAN, ANY, *(name for name in self.pair.masks if name != ANY))


class Writer(Protocol):
    """Writes the samples of one shard."""

    def names(self, sample: Sample) -> dict[str, str]:
        """Manifest columns that say where the sample's pictures are, relative to the data set's folder."""

    def write(self, sample: Sample, row: Row) -> None:
        """Write a sample; ``row`` is its complete manifest row.

        Raises:
            OSError: the disk is full or not writable.
        """

    def close(self) -> dict[str, str]:
        """Finish; gives the SHA-256 of every file written, by name relative to the data set's folder."""

    def discard(self) -> None:
        """Give up: leave no partial file. Nothing happens after ``close``."""


class Reader(Protocol):
    """Reads pictures back, whatever the layout. May be used by one process at a time."""

    def read(self, row: Row, role: str) -> Bitmap:
        """The picture of a row that plays ``role``: clean, degraded, any, or a mask's class.

        Raises:
            DataError: it is missing or damaged.
        """


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to lay a data set out.

    Args:
        writer: gives the writer of a shard: (folder, number of the shard).
        reader: gives the reader of a folder.
        entries: what it puts into the data set's folder, beside the files every data set has.
        indexes: files made of one line per sample: name -> the line of a row.
        pictures: False if it writes no pixels.
        flat: file stems must not have folders, whitespace or commas.
        one_suffix: all clean pictures must have one ending, so a source in another format is coded anew.
        same_suffix: that ending must be the one of the degraded pictures.
        lossless: it cannot hold JPEG.
        links: an untouched clean picture is a link to its source, and takes no space.
    """

    name: str
    writer: Callable[[Path, int], Writer]
    reader: Callable[[Path], Reader]
    entries: tuple[str, ...]
    indexes: Mapping[str, Callable[[Row], str]] = field(default_factory=dict)
    pictures: bool = True
    flat: bool = False
    one_suffix: bool = False
    same_suffix: bool = False
    lossless: bool = False
    links: bool = False


def find(name: str) -> Layout:
    """The layout called ``name``.

    Raises:
        OptionError: there is none, or it needs a package that is not installed.
    """
    if name not in (*NAMES, RECIPES):
        raise OptionError(unknown("layout", name, NAMES))
    try:
        layout: Layout = importlib.import_module(f"{__name__}.{name}").LAYOUT
    except ModuleNotFoundError as error:
        raise OptionError(
            f"layout {name} needs {error.name}, which is not installed: pip install 'degradekit[{name}]'"
        ) from error
    return layout


def column(role: str) -> str:
    """The manifest column that names the file of a role."""
    if role == CLEAN:
        return "clean_file_name"
    return "file_name" if role == DEGRADED else mask_column(role, "file_name")


def encode(sample: Sample, role: str) -> bytes:
    """The bytes of a sample's picture: clean and degraded as coded, masks as PNG."""
    if role == CLEAN:
        return sample.clean.data()
    return sample.degraded.data() if role == DEGRADED else imagefiles.encode_mask(sample.pair.masks[role])


def suffix(sample: Sample, role: str) -> str:
    """The ending of the file of a role."""
    if role == CLEAN:
        return sample.clean.suffix
    return sample.degraded.suffix if role == DEGRADED else ".png"
