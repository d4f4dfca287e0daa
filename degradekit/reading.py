"""Reads a data set of any layout: its rows, and the pictures of a row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from degradekit import layouts, manifest, recipe
from degradekit.coding import Coding
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.layouts import CLEAN, DEGRADED
from degradekit.levels import Pixels
from degradekit.manifest import Row
from degradekit.pairs import ANY
from degradekit.recipe import Recipe


class DataSet:
    """A finished data set. Rows are read by number without holding them all.

    Raises:
        DataError: ``folder`` is no data set, or is unfinished or damaged.
    """

    def __init__(self, folder: Path) -> None:
        """Find where the rows begin; pictures are read when asked for."""
        self.folder = folder
        self.run = manifest.read_run(folder)
        self.layout = layouts.find(str(self.run["layout"]))
        self.reader = self.layout.reader(folder)
        #: Classes of defects that have masks.
        self.classes: tuple[str, ...] = tuple(self.run["classes"])
        self.coding = Coding.described(self.run["coding"])
        self._starts = _line_starts(folder)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._starts)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe its samples were drawn from."""
        return recipe.parse(self.run["recipe"])

    def row(self, number: int) -> Row:
        """Row ``number``, counted from 0; DataError if it is damaged."""
        path = self.folder / manifest.METADATA
        with path.open("rb") as file:
            file.seek(int(self._starts[number]))
            return manifest.parse_row(file.readline(), f"{path}: line {number + 1}")

    def rows(self) -> Iterator[Row]:
        """All rows in order."""
        return manifest.rows(self.folder)

    def clean(self, row: Row) -> Bitmap:
        """The clean picture; DataError if it is missing or damaged."""
        return self.reader.read(row, CLEAN)

    def degraded(self, row: Row) -> Bitmap:
        """The degraded picture; DataError if it is missing or damaged."""
        return self.reader.read(row, DEGRADED)

    def mask(self, row: Row, name: str = ANY) -> Pixels:
        """The mask of a class, or of everything: uint8 (H, W), 255 = fully lost; DataError as above."""
        rgb = self.reader.read(row, name).rgb
        return np.ascontiguousarray(rgb[..., 0] if rgb.ndim == 3 else rgb)


def open_reader(folder: Path) -> layouts.Reader:
    """What reads the pictures in ``folder``; without a ``run.json`` there, as if its layout were folders.

    So a row and a clean image alone are enough to render a sample again.
    """
    there = (folder / manifest.RUN).is_file()
    name = manifest.read_run(folder).get("layout", "folders") if there else "folders"
    return layouts.find(str(name)).reader(folder)


def coding_of(folder: Path) -> Coding:
    """The coding of the degraded pictures in ``folder``; without a ``run.json`` there, PNG."""
    there = (folder / manifest.RUN).is_file()
    return Coding.described(manifest.read_run(folder).get("coding")) if there else Coding()


def _line_starts(folder: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Byte offsets of the lines of ``metadata.jsonl``."""
    path = folder / manifest.METADATA
    if not path.is_file():
        raise DataError(f"{path}: missing; the run is unfinished, start it again with the same command")
    with path.open("rb") as file:
        lengths = np.fromiter((len(line) for line in file), dtype=np.int64)
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(lengths) else lengths
