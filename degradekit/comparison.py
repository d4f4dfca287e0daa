"""The first difference between two data sets."""

from __future__ import annotations

import filecmp
import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

from degradekit import differences, manifest
from degradekit.manifest import Row
from degradekit.reading import DataSet


def first_difference(a: Path, b: Path) -> str | None:
    """One line that names the first difference; None if the data sets are the same byte for byte.

    Compared in this order: what was asked for (``run.json``), the rows, the files.

    Raises:
        DataError: one of them is no data set, or is unfinished or damaged.
    """
    left, right = DataSet(a), DataSet(b)
    found = differences.first(left.run, right.run)
    if found:
        return f"{manifest.RUN}: {found}"
    for row, other in zip_longest(left.rows(), right.rows()):
        if row is None or other is None:
            extra, where = (row, a) if other is None else (other, b)
            return f"sample {extra['stem']}: only in {where}"
        found = differences.first(_readable(row), _readable(other))
        if found:
            return f"sample {row['stem']}: {found}"
    return _file_difference(left, right)


def _file_difference(left: DataSet, right: DataSet) -> str | None:
    names: tuple[set[str], set[str]] = (set(), set())
    for data, found in zip((left, right), names, strict=True):
        for entry in (*data.layout.entries, *data.layout.indexes, manifest.ERRORS):
            place = data.folder / entry
            paths = [place] if place.is_file() else place.rglob("*")
            found |= {path.relative_to(data.folder).as_posix() for path in paths if path.is_file()}
    for name in sorted(names[0] | names[1]):
        if name not in names[0] or name not in names[1]:
            return f"{name}: only in {left.folder if name in names[0] else right.folder}"
        if not filecmp.cmp(left.folder / name, right.folder / name, shallow=False):
            return f"{name}: the bytes differ"
    return None


def _readable(row: Row) -> dict[str, Any]:
    """The row with its recipe opened up, so that a difference in it has a name."""
    opened = dict(row)
    for name in ("recipe", "clean_recipe"):
        try:
            opened[name] = json.loads(opened[name])
        except (KeyError, TypeError, ValueError):
            continue
    return opened
