"""Proof of what a data set is: replay one sample from its row, verify all files against all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from degradekit import atomicfiles, imagefiles, manifest, ops, pairs, reading
from degradekit.drawn import Drawn
from degradekit.errors import DataError, OptionError, unknown
from degradekit.imagefiles import Bitmap
from degradekit.layouts import CLEAN, DEGRADED, column
from degradekit.manifest import Row
from degradekit.pairs import Pair
from degradekit.randomness import stream
from degradekit.reading import DataSet


def row_of(folder: Path, name: str) -> Row:
    """The row called ``name``: its file stem (``kodim01_0``), its key, or ``key#variant``.

    Raises:
        OptionError: there is none, or a key has several variants.
    """
    known: set[str] = set()
    found: list[Row] = []
    for row in manifest.rows(folder):
        labels = {str(row.get("stem")), str(row["key"]), f"{row['key']}#{row['variant']}"}
        known |= labels
        if name in labels:
            found.append(row)
    if not found:
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
    bitmap = imagefiles.read(clean) if clean else reading.open_reader(folder).read(row, CLEAN)
    drawn = Drawn.from_json(str(row["recipe"]))
    pair = pairs.degrade(bitmap, drawn, _classes(row))
    return replace(pair, degraded=reading.coding_of(folder).code(pair.degraded).bitmap)


def chosen_rows(total: int, sample: str | None, seed: int = 0) -> list[int] | None:
    """Numbers of the rows that ``sample`` names: a share (``1%``) or a count (``200``), drawn from ``seed``.

    None if it is all of them. At least one row is drawn, so that an empty check cannot pass.

    Raises:
        OptionError: it is neither, or not above zero.
    """
    if sample is None:
        return None
    share = sample.endswith("%")
    try:
        value = float(sample.removesuffix("%")) if share else int(sample)
    except ValueError:
        value = 0
    if not 0 < value <= (100 if share else 10**9):
        raise OptionError(f"--sample is a share such as 1% or a count such as 200, got '{sample}'")
    count = min(total, max(1, round(total * value / 100) if share else int(value)))
    return sorted(stream(seed, "verify").choice(total, count, replace=False).tolist())


def verify(
    folder: Path,
    on_progress: Callable[[int, int], None] | None = None,
    sample: str | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Check everything; yields one line for each difference, naming the file or row.

    Every sample is rendered again from its clean image and row; pixels, masks, hashes and every column must
    be equal, every file must have the bytes recorded, none may be missing or extra, and the describing files
    must have the hashes in ``done.json``. With ``sample`` (see ``chosen_rows``) only some rows are checked,
    and files only through them.

    Raises:
        DataError: ``folder`` is no data set or is unfinished.
        OptionError: ``sample`` is not a share or a count.
    """
    data = DataSet(folder)
    yield from _seal_differences(data)
    for name, now in pairs.versions().items():
        if data.run.get(name) != now:
            yield f"{manifest.RUN}: made with {name} {data.run.get(name)}, this is {now}; rounding may differ"
    numbers = chosen_rows(len(data), sample, seed)
    if numbers is None:
        yield from _file_differences(data)
    for done, number in enumerate(range(len(data)) if numbers is None else numbers, 1):
        try:
            yield from _row_differences(data, data.row(number))
        except DataError as error:
            yield str(error)
        except (KeyError, TypeError, ValueError) as error:
            yield f"{manifest.METADATA}: line {number + 1}: damaged ({type(error).__name__}: {error})"
        if on_progress:
            on_progress(done, len(data) if numbers is None else len(numbers))


def _row_differences(data: DataSet, row: Row) -> Iterator[str]:
    """Every way in which a row, its pictures and what they should be differ."""
    drawn = Drawn.from_json(str(row["recipe"]))
    clean = data.clean(row)
    if not data.layout.pictures:
        # Reading has compared the photograph with its recorded hash; what is left is what was drawn for it.
        names = (int(row["seed"]), str(row["key"]), int(row["variant"]), drawn.px_per_mm)
        columns = {"recipe": data.recipe.draw(*names), "clean_recipe": data.recipe.draw_clean(*names)}
        yield from _column_differences(row, {name: value.to_json() for name, value in columns.items()})
        return
    pair = pairs.degrade(clean, drawn, data.classes)
    pair = replace(pair, degraded=data.coding.code(pair.degraded).bitmap)
    rendered = {DEGRADED: pair.degraded, **{name: Bitmap(mask) for name, mask in pair.masks.items()}}
    for role, expected in rendered.items():
        there = data.reader.read(row, role)
        gray = expected.rgb.ndim == 2
        if not np.array_equal(there.rgb[..., 0] if gray else there.rgb, expected.rgb) or not _equal(
            there.alpha, expected.alpha
        ):
            yield f"{data.folder / str(row[column(role)])}: pixels differ from those its row renders"
    yield from _column_differences(row, pair.columns())


def _column_differences(row: Row, rendered: Mapping[str, Any]) -> Iterator[str]:
    for name, value in rendered.items():
        if row.get(name) != value and name not in pairs.versions():
            yield f"{manifest.METADATA}: {row['stem']}: {name} is {row.get(name)!r}, rendered {value!r}"


def _file_differences(data: DataSet) -> Iterator[str]:
    """Data files whose bytes are not those that were written, and files missing or extra."""
    expected: set[str] = set()
    for mark in manifest.shard_files(data.folder):
        files = manifest.read_json(mark).get("files", {})
        expected |= set(files)
        for name, digest in files.items():
            path = data.folder / name
            if not path.is_file():
                yield f"{path}: No such file"
            elif atomicfiles.file_hash(path) != digest:
                yield f"{path}: bytes differ from those written"
    for entry in data.layout.entries:
        for path in sorted((data.folder / entry).rglob("*")):
            name = path.relative_to(data.folder).as_posix()
            if path.is_file() and name not in expected:
                yield f"{path}: not in the manifest"


def _seal_differences(data: DataSet) -> Iterator[str]:
    path = data.folder / manifest.DONE
    done = manifest.read_json(path)
    errors = done.get("errors") if isinstance(done, dict) else None
    counted = errors if isinstance(errors, int) else 0
    seal = manifest.seal(data.folder, len(data), counted, data.layout.indexes)
    for name in {**seal, **(done if isinstance(done, dict) else {})}:
        if not isinstance(done, dict) or done.get(name) != seal.get(name):
            yield f"{path}: {name} does not match; it or the file it seals was changed"


def _classes(row: Row) -> tuple[str, ...]:
    """The defect classes of a row: those with masks; of a row without pictures, those its ops can make."""
    suffix = "_mask_file_name"
    named = {name.removesuffix(suffix) for name in row if name.endswith(suffix)}
    if not named and "file_name" not in row:
        named = {
            mask for step in Drawn.from_json(str(row["recipe"])).steps for mask in ops.find(step.op).masks
        }
    return tuple(sorted(named))


def _equal(a: Any, b: Any) -> bool:
    return (a is None) == (b is None) and (a is None or np.array_equal(a, b))
