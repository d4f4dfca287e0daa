"""The record of a data set: what it was made from, one row per sample, and which shards are done.

::

    run.json                        what was asked for: recipe, seed, copies, size, layout, coding, sources
    .degradekit/sources.tsv         key and extent of every source
    .degradekit/origins.tsv         key and place of every source, if no pixels were written
    .degradekit/shards/00000.json   rows, errors, file hashes of one shard, written last: its done mark
    metadata.jsonl                  all rows in order of (key, variant)
    errors.jsonl                    samples that could not be made, if any
    done.json                       counts and hashes of the above, written last of all
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from degradekit import atomicfiles, differences
from degradekit.errors import DataError, OutputFolderError

Row: TypeAlias = dict[str, Any]

RUN, METADATA, ERRORS, DONE = "run.json", "metadata.jsonl", "errors.jsonl", "done.json"
HIDDEN = ".degradekit"
SOURCES, ORIGINS = "sources.tsv", "origins.tsv"


class Record(dict[str, Any]):
    """A mapping that ``name`` was read to hold; a key that is not there is a DataError."""

    def __init__(self, content: Mapping[str, Any], name: str) -> None:
        """As ``content``; ``name`` is for messages."""
        super().__init__(content)
        self.name = name

    def __missing__(self, key: str) -> Any:
        """There is no ``key``: the file is damaged, or none of ours."""
        raise DataError(f"{self.name}: damaged (it has no '{key}')")


def claim(
    folder: Path, run: Mapping[str, Any], sources: Iterable[str], origins: Iterable[str] | None = None
) -> None:
    """Make ``folder`` this run's, or find that it already is. Of two runs that try at once, one gets it.

    ``sources`` and ``origins`` are lines, gone through once at most.

    Raises:
        OutputFolderError: it holds other files or another run; the message names the difference.
    """
    refuse_others(folder, run, sources)
    text = atomicfiles.indented_json(run).encode()
    if (folder / RUN).exists() or not atomicfiles.write_new(folder / RUN, text):
        # There may have been none when we looked: another run started meanwhile.
        _compare(folder, run, sources)
    for name, lines in ((SOURCES, sources), (ORIGINS, origins)):
        if lines is not None and not (folder / HIDDEN / name).exists():
            with atomicfiles.writing(folder / HIDDEN / name) as file:
                file.writelines(f"{line}\n".encode() for line in lines)


def refuse_others(folder: Path, run: Mapping[str, Any], sources: Iterable[str]) -> None:
    """Find that ``folder`` is free, or this run's.

    Raises:
        OutputFolderError: it holds other files or another run; the message names the difference.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputFolderError(f"{folder}: is a file, not a folder")
    # What a killed run leaves before its run.json is written does not make the folder somebody else's.
    ours = f".{RUN}{atomicfiles.PARTIAL}"
    others = sorted(entry.name for entry in folder.iterdir() if entry.name != ours) if folder.exists() else []
    # Asked in this order, as another run of ours may just be starting.
    if others and not (folder / RUN).exists():
        if others == [HIDDEN]:
            # Its marks would make another run believe that it is done.
            raise OutputFolderError(
                f"{folder}: holds what is left of a data set ({HIDDEN}, no {RUN}); remove it or name another"
            )
        raise OutputFolderError(
            f"{folder}: holds files, but no data set of ours ({', '.join(others[:3])}); name another"
        )
    if (folder / RUN).exists():
        _compare(folder, run, sources)


def clear(folder: Path, entries: Iterable[str]) -> None:
    """Remove a data set, whose layout has ``entries``, and nothing that is not part of one.

    ``run.json`` goes last, so that what is left of a removal that was interrupted is still a data set.
    """
    for name in (METADATA, ERRORS, DONE, *entries, HIDDEN, RUN):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def read_run(folder: Path) -> Record:
    """The ``run.json`` of a data set.

    Raises:
        DataError: ``folder`` is no data set of ours.
    """
    path = folder / RUN
    if not path.is_file():
        raise DataError(f"{folder}: no {RUN} there, so not a degradekit data set")
    return read_json(path)


def is_data_set(folder: str) -> bool:
    """Whether ``folder`` looks like a data set of ours, finished or not."""
    return all(os.path.exists(f"{folder}/{name}") for name in (RUN, HIDDEN))  # noqa: PTH110 - see sources


def read_rows(folder: Path) -> list[Row]:
    """All rows of ``metadata.jsonl``; for large data sets use ``rows``, which holds one at a time.

    Raises:
        DataError: the file is missing (the run is unfinished) or damaged.
    """
    return list(rows(folder))


def rows(folder: Path) -> Iterator[Row]:
    """The rows of ``metadata.jsonl`` one by one.

    Raises:
        DataError: the file is missing (the run is unfinished) or damaged.
    """
    for number, line in enumerate(_metadata(folder), 1):
        yield parse_row(line, f"{folder / METADATA}: line {number}")


def row_count(folder: Path) -> int:
    """How many rows ``metadata.jsonl`` has; raises as ``rows``."""
    return sum(1 for _ in _metadata(folder))


def line(row: Row) -> str:
    """A row as ``metadata.jsonl`` has it."""
    return json.dumps(row, ensure_ascii=False)


def parse_row(line: bytes | str, name: str) -> Record:
    """One row; DataError if ``line`` is none, or later if it lacks a column that is asked for."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{name}: damaged ({error})") from error
    if not isinstance(row, dict):
        raise DataError(f"{name}: damaged (no mapping)")
    return Record(row, name)


def read_json(path: Path) -> Record:
    """The mapping in ``path``; DataError if it is missing or damaged."""
    try:
        return parse_row(path.read_bytes(), f"{path}")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def read_origins(folder: Path) -> dict[str, str]:
    """Key -> where the photograph was when the data set was made."""
    path = folder / HIDDEN / ORIGINS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


def shard_file(folder: Path, shard: int) -> Path:
    """Where a shard's rows are."""
    return folder / HIDDEN / "shards" / f"{shard:05d}.json"


def shard_files(folder: Path) -> list[Path]:
    """The marks of all shards that were made, in order."""
    return sorted((folder / HIDDEN / "shards").glob("*.json"))


def mark_done(
    folder: Path, shard: int, rows: Sequence[Row], errors: Sequence[Row], files: Mapping[str, str]
) -> None:
    """Record a shard, after all its pixels are written. ``files``: name -> SHA-256 of the bytes."""
    content = {"rows": rows, "errors": errors, "files": files}
    atomicfiles.write_json(shard_file(folder, shard), content)


def is_done(folder: Path, shard: int) -> bool:
    """Whether every sample of a shard was made; one with errors is tried again."""
    path = shard_file(folder, shard)
    return path.is_file() and not read_json(path)["errors"]


def all_tried(folder: Path, shards: int) -> bool:
    """Whether every shard has a mark, with errors or without: nothing is missing for ``merge``."""
    return all(shard_file(folder, shard).is_file() for shard in range(shards))


def merge(
    folder: Path, shards: int, indexes: Mapping[str, Callable[[Row], str]] | None = None
) -> tuple[int, list[Row]]:
    """Write ``metadata.jsonl``, ``errors.jsonl`` and ``done.json``; returns (rows, errors).

    ``indexes``: further files of one line per row, name -> the line of a row. Holds one shard at a time.
    """
    lines = {METADATA: line, **(indexes or {})}
    count, errors = 0, list[Row]()
    with ExitStack() as stack:
        files = {name: stack.enter_context(atomicfiles.writing(folder / name)) for name in lines}
        for shard in range(shards):
            content = read_json(shard_file(folder, shard))
            for name, text in lines.items():
                files[name].writelines(f"{text(row)}\n".encode() for row in content["rows"])
            count += len(content["rows"])
            errors.extend(content["errors"])
    if errors:
        texts = [json.dumps(error, ensure_ascii=False) for error in errors]
        atomicfiles.write_text(folder / ERRORS, "".join(f"{text}\n" for text in texts))
    else:
        (folder / ERRORS).unlink(missing_ok=True)
    atomicfiles.write_json(folder / DONE, seal(folder, count, len(errors), indexes or ()))
    return count, errors


def seal(folder: Path, rows: int, errors: int, indexes: Iterable[str] = ()) -> dict[str, Any]:
    """The content of ``done.json``: counts, and hashes of the files that describe the data set."""
    hidden = [*shard_files(folder), folder / HIDDEN / SOURCES]
    digest = hashlib.sha256("".join(atomicfiles.file_hash(path) for path in hidden).encode())
    described = (name for name in (ERRORS, *indexes) if (folder / name).is_file())
    return {
        "rows": rows,
        "errors": errors,
        "run_sha256": atomicfiles.file_hash(folder / RUN),
        "metadata_sha256": atomicfiles.file_hash(folder / METADATA),
        "shards_sha256": digest.hexdigest(),
        **{f"{name}_sha256": atomicfiles.file_hash(folder / name) for name in described},
    }


def _metadata(folder: Path) -> Iterator[bytes]:
    read_run(folder)
    path = folder / METADATA
    if not path.is_file():
        raise DataError(f"{path}: missing; the run is unfinished, start it again with the same command")
    with path.open("rb") as file:
        yield from file


def _compare(folder: Path, run: Mapping[str, Any], sources: Iterable[str]) -> None:
    there = read_run(folder)
    # In the order of run.json: what a person chose comes before what follows from it.
    difference = differences.first(json.loads(json.dumps(run)), there)
    if difference is None:
        return
    key = difference.where.partition(".")[0]
    detail = f"{difference.where}: {difference.b!r} there, {difference.a!r} asked for"
    if key == "sources":
        path = folder / HIDDEN / SOURCES
        counts = f"{there['sources']['count']} there, {run['sources']['count']} asked for"
        detail = f"sources: {counts}"
        if path.is_file():  # A run that is just starting writes it last.
            before = set(path.read_text(encoding="utf-8").splitlines())
            first = sorted(before.symmetric_difference(sources))[0].partition("\t")[0]
            detail += f"; '{first}' is new, gone or changed"
    elif key == "recipe":
        name, where = there["recipe"]["name"], difference.where.partition(".")[2]
        detail = (
            f"recipe: '{name}' there differs in {where}: {difference.b!r} there, {difference.a!r} asked for"
        )
    raise OutputFolderError(
        f"{folder}: holds another run ({detail}); name another folder or give --overwrite"
    )
