"""The record of a data set: what it was made from, one row per sample, and which shards are done.

::

    run.json                        what was asked for: recipe, seed, copies, size, sources
    .degradekit/sources.tsv         key and extent of every source
    .degradekit/shards/00000.json   rows and errors of one shard, written last: its done mark
    metadata.jsonl                  all rows in order of (key, variant)
    errors.jsonl                    samples that could not be made, if any
    done.json                       counts and hashes of the above, written last of all
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from degradekit import atomicfiles
from degradekit.errors import DataError, OutputFolderError

Row: TypeAlias = dict[str, Any]

RUN, METADATA, ERRORS, DONE = "run.json", "metadata.jsonl", "errors.jsonl", "done.json"
HIDDEN = ".degradekit"
#: Everything a data set's folder may hold; ``clear`` removes these and nothing else.
ENTRIES = (RUN, METADATA, ERRORS, DONE, HIDDEN, "clean", "degraded", "masks")


def claim(folder: Path, run: Mapping[str, Any], sources: Sequence[str]) -> None:
    """Make ``folder`` this run's, or find that it already is.

    Raises:
        OutputFolderError: it holds other files or another run; the message names the difference.
    """
    if (folder / RUN).exists():
        _compare(folder, run, sources)
        return
    if folder.exists() and not folder.is_dir():
        raise OutputFolderError(f"{folder}: is a file, not a folder")
    # What a killed run leaves before its run.json is written does not make the folder somebody else's.
    ours = {HIDDEN, f".{RUN}{atomicfiles.PARTIAL}"}
    others = (
        sorted(entry.name for entry in folder.iterdir() if entry.name not in ours) if folder.exists() else []
    )
    if others:
        raise OutputFolderError(
            f"{folder}: holds files, but no data set of ours ({', '.join(others[:3])}); name another"
        )
    atomicfiles.write_text(folder / HIDDEN / "sources.tsv", "".join(f"{line}\n" for line in sources))
    atomicfiles.write_json(folder / RUN, run)


def clear(folder: Path) -> None:
    """Remove a data set, and nothing that is not part of one."""
    for name in ENTRIES:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def read_run(folder: Path) -> dict[str, Any]:
    """The ``run.json`` of a data set.

    Raises:
        DataError: ``folder`` is no data set of ours.
    """
    path = folder / RUN
    if not path.is_file():
        raise DataError(f"{folder}: no {RUN} there, so not a degradekit data set")
    run: dict[str, Any] = read_json(path)
    return run


def read_rows(folder: Path) -> list[Row]:
    """The rows of ``metadata.jsonl``.

    Raises:
        DataError: the file is missing (the run is unfinished) or damaged.
    """
    read_run(folder)
    path = folder / METADATA
    if not path.is_file():
        raise DataError(f"{path}: missing; the run is unfinished, start it again with the same command")
    rows: list[Row] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}: line {number} is damaged ({error})") from error
    return rows


def read_json(path: Path) -> Any:
    """The JSON in ``path``; DataError if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error})") from error


def shard_file(folder: Path, shard: int) -> Path:
    """Where a shard's rows are."""
    return folder / HIDDEN / "shards" / f"{shard:05d}.json"


def mark_done(folder: Path, shard: int, rows: Sequence[Row], errors: Sequence[Row]) -> None:
    """Record a shard, after all its pixels are written."""
    atomicfiles.write_json(shard_file(folder, shard), {"rows": rows, "errors": errors})


def is_done(folder: Path, shard: int) -> bool:
    """Whether every sample of a shard was made; one with errors is tried again."""
    path = shard_file(folder, shard)
    return path.is_file() and not read_json(path)["errors"]


def merge(folder: Path, shards: int) -> tuple[int, list[Row]]:
    """Write ``metadata.jsonl``, ``errors.jsonl`` and ``done.json``; returns (rows, errors)."""
    rows: list[str] = []
    errors: list[Row] = []
    for shard in range(shards):
        content = read_json(shard_file(folder, shard))
        rows.extend(json.dumps(row, ensure_ascii=False) for row in content["rows"])
        errors.extend(content["errors"])
    atomicfiles.write_text(folder / METADATA, "".join(f"{row}\n" for row in rows))
    if errors:
        lines = [json.dumps(error, ensure_ascii=False) for error in errors]
        atomicfiles.write_text(folder / ERRORS, "".join(f"{line}\n" for line in lines))
    else:
        (folder / ERRORS).unlink(missing_ok=True)
    atomicfiles.write_json(folder / DONE, seal(folder, len(rows), len(errors)))
    return len(rows), errors


def seal(folder: Path, rows: int, errors: int) -> dict[str, Any]:
    """The content of ``done.json``: counts, and hashes of the files that describe the data set."""
    hidden = [*sorted((folder / HIDDEN).rglob("*.json")), folder / HIDDEN / "sources.tsv"]
    digest = hashlib.sha256("".join(atomicfiles.file_hash(path) for path in hidden).encode())
    return {
        "rows": rows,
        "errors": errors,
        "run_sha256": atomicfiles.file_hash(folder / RUN),
        "metadata_sha256": atomicfiles.file_hash(folder / METADATA),
        "shards_sha256": digest.hexdigest(),
    }


def _compare(folder: Path, run: Mapping[str, Any], sources: Sequence[str]) -> None:
    there = read_run(folder)
    differing = sorted(key for key in {*there, *run} if there.get(key) != run.get(key))
    if not differing:
        return
    key = differing[0]
    if key == "sources":
        before = set((folder / HIDDEN / "sources.tsv").read_text(encoding="utf-8").splitlines())
        first = sorted(before.symmetric_difference(sources))[0].partition("\t")[0]
        detail = f"sources: {len(before)} there, {len(sources)} asked for; '{first}' is new, gone or changed"
    elif key == "recipe":
        detail = f"recipe: '{there['recipe']['name']}' there differs from '{run['recipe']['name']}' asked for"
    else:
        detail = f"{key}: {there.get(key)!r} there, {run.get(key)!r} asked for"
    raise OutputFolderError(
        f"{folder}: holds another run ({detail}); name another folder or give --overwrite"
    )
