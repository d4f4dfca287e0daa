"""Proof of what a data set is: replay one sample from its row, verify all files against all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from degradekit import imagefiles, manifest, pairs
from degradekit.errors import DataError, OptionError, unknown
from degradekit.imagefiles import Bitmap
from degradekit.manifest import Row
from degradekit.pairs import Pair
from degradekit.recipe import Drawn


def row_of(folder: Path, name: str) -> Row:
    """The row called ``name``: its file stem (``kodim01_0``), its key, or ``key#variant``.

    Raises:
        OptionError: there is none, or a key has several variants.
    """
    rows = manifest.read_rows(folder)
    known: dict[str, list[Row]] = {}
    for row in rows:
        for label in {_stem(row), str(row["key"]), f"{row['key']}#{row['variant']}"}:
            known.setdefault(label, []).append(row)
    found = known.get(name)
    if found is None:
        raise OptionError(f"{folder}: {unknown('sample', name, known)}")
    if len(found) > 1:
        raise OptionError(
            f"'{name}' has {len(found)} variants; name one, such as '{name}#{found[0]['variant']}'"
        )
    return found[0]


def replay(folder: Path, row: Row, clean: Path | None = None) -> Pair:
    """Render a row again from its clean image, or from another photograph ``clean``.

    Raises:
        DataError: the clean image or the row is missing or damaged.
    """
    bitmap = imagefiles.read(clean or folder / str(row["clean_file_name"]))
    return pairs.degrade(bitmap, Drawn.from_json(str(row["recipe"])), _classes(row))


def verify(folder: Path, on_progress: Callable[[int, int], None] | None = None) -> Iterator[str]:
    """Check everything; yields one line for each difference, naming the file or row.

    Every sample is rendered again from its clean image and row; pixels, masks, hashes and every column must
    be equal, no file may be missing or extra, and the describing files must have the hashes in ``done.json``.

    Raises:
        DataError: ``folder`` is no data set or is unfinished.
    """
    rows = manifest.read_rows(folder)
    yield from _seal_differences(folder, rows)
    run = manifest.read_run(folder)
    for name, now in pairs.versions().items():
        if run.get(name) != now:
            yield f"{manifest.RUN}: made with {name} {run.get(name)}, this is {now}; rounding may differ"
    expected: set[str] = set()
    for number, row in enumerate(rows):
        expected |= {str(value) for column, value in row.items() if column.endswith("file_name")}
        try:
            yield from _row_differences(folder, row)
        except DataError as error:
            yield str(error)
        except (KeyError, TypeError, ValueError) as error:
            yield f"{manifest.METADATA}: line {number + 1} is damaged ({type(error).__name__}: {error})"
        if on_progress:
            on_progress(number + 1, len(rows))
    for name in sorted(_files(folder) - expected):
        yield f"{folder / name}: not in the manifest"


def _row_differences(folder: Path, row: Row) -> Iterator[str]:
    pair = replay(folder, row)
    files: dict[str, Bitmap] = {"file_name": pair.degraded, "clean_file_name": pair.clean}
    files |= {pairs.mask_column(name, "file_name"): Bitmap(mask) for name, mask in pair.masks.items()}
    for column, rendered in files.items():
        path = folder / str(row[column])
        there = imagefiles.read(path)
        gray = rendered.rgb.ndim == 2
        if not np.array_equal(there.rgb[..., 0] if gray else there.rgb, rendered.rgb) or not _equal(
            there.alpha, rendered.alpha
        ):
            yield f"{path}: pixels differ from those its row renders"
    for column, value in pair.columns().items():
        if row.get(column) != value and column not in pairs.versions():
            yield f"{manifest.METADATA}: {_stem(row)}: {column} is {row.get(column)!r}, rendered {value!r}"


def _seal_differences(folder: Path, rows: list[Row]) -> Iterator[str]:
    done = manifest.read_json(folder / manifest.DONE)
    errors = done.get("errors") if isinstance(done, dict) else None
    seal: dict[str, Any] = manifest.seal(folder, len(rows), errors if isinstance(errors, int) else 0)
    for name, value in seal.items():
        if not isinstance(done, dict) or done.get(name) != value:
            yield f"{folder / manifest.DONE}: {name} does not match; it or the file it seals was changed"


def _files(folder: Path) -> set[str]:
    """Image files below the data folders, relative to ``folder``."""
    inside = (path for name in ("clean", "degraded", "masks") for path in (folder / name).rglob("*"))
    return {path.relative_to(folder).as_posix() for path in inside if path.is_file()}


def _classes(row: Row) -> tuple[str, ...]:
    """The defect classes of a row, from its mask columns."""
    suffix = "_mask_file_name"
    return tuple(sorted(column.removesuffix(suffix) for column in row if column.endswith(suffix)))


def _stem(row: Row) -> str:
    return str(row["file_name"]).partition("/")[2].removesuffix(".png")


def _equal(a: Any, b: Any) -> bool:
    return (a is None) == (b is None) and (a is None or np.array_equal(a, b))
