"""Public data sets on disk: fetched, unpacked, and compared with what was unpacked.

::

    HOME/NAME/fetched.json     the archives' names, sizes and hashes; written last
    HOME/NAME/contents.tsv     path, bytes and sha256 of every file that was unpacked
    HOME/NAME/files/           the files
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from benchmark import archives, fetch
from benchmark.archives import Unpacked
from benchmark.catalog import DataSet, RemoteFile
from degradekit import atomicfiles
from degradekit.errors import DataError

MARK, CONTENTS, FILES = "fetched.json", "contents.tsv", "files"

Reporter = Callable[[RemoteFile], AbstractContextManager[fetch.Progress]]


def home() -> Path:
    """Where data sets are kept: DEGRADEKIT_DATA, or ``degradekit/data`` below XDG_DATA_HOME."""
    if named := os.environ.get("DEGRADEKIT_DATA"):
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME", "~/.local/share")).expanduser() / "degradekit" / "data"


def photographs(data_set: DataSet, folder: Path) -> Path:
    """Folder of the photographs of a data set that lies in ``folder``."""
    return folder / FILES / data_set.photographs


def is_fetched(folder: Path) -> bool:
    """Whether a data set is whole in ``folder``."""
    return (folder / MARK).is_file()


def get(
    data_set: DataSet,
    folder: Path,
    *,
    offline: bool,
    keep_archives: bool,
    reporter: Reporter,
    wait_s: float = 1.0,
) -> bool:
    """Fetch a data set into ``folder`` and unpack it; True if it was not there yet. Goes on where it stopped.

    Raises:
        DataError: it cannot be reached, or is not what we know, or ``offline`` and it is not there.
        OSError: the disk is full.
    """
    if is_fetched(folder):
        return False
    files = folder / FILES
    where = folder if data_set.unpack else files
    record = []
    unpacked: list[Unpacked] = []
    for file in data_set.files:
        path = where / file.name
        with reporter(file) as on_progress:
            fetch.fetch(file, path, offline=offline, on_progress=on_progress, wait_s=wait_s)
        one = Unpacked(file.name, path.stat().st_size, atomicfiles.file_hash(path))
        record.append({"url": file.url, "bytes": one.size, "sha256": one.sha256})
        if data_set.unpack:
            shutil.rmtree(files, ignore_errors=True)  # Of a run that was killed before it wrote the mark.
            unpacked = archives.unpack_whole(path, files)
        else:
            unpacked.append(one)
    lines = (f"{one.path}\t{one.size}\t{one.sha256}\n" for one in sorted(unpacked, key=lambda one: one.path))
    atomicfiles.write_text(folder / CONTENTS, "".join(lines))
    about = {"name": data_set.name, "licence": data_set.licence, "files": record}
    atomicfiles.write_json(folder / MARK, about)
    if data_set.unpack and not keep_archives:
        for file in data_set.files:
            (where / file.name).unlink()
    return True


def verify(folder: Path, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Iterator[str]:
    """Hash every file of a fetched data set again; yields what is missing, changed or surplus.

    Raises:
        DataError: it was not fetched, or its list of files is gone or damaged.
    """
    if not is_fetched(folder):
        raise DataError(f"{folder}: not fetched")
    try:
        text = (folder / CONTENTS).read_text(encoding="utf-8")
        listed = {path: (int(size), sha256) for path, size, sha256 in map(_fields, text.splitlines())}
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / CONTENTS}: missing or damaged; fetch the data set again") from error
    files = folder / FILES
    for number, (name, (size, sha256)) in enumerate(listed.items()):
        on_progress(number, len(listed))
        path = files / name
        if not path.is_file():
            yield f"{path}: missing"
        elif path.stat().st_size != size or atomicfiles.file_hash(path) != sha256:
            yield f"{path}: changed"
    for path in sorted(files.rglob("*")):
        name = path.relative_to(files).as_posix()
        if path.is_file() and name not in listed and name.removesuffix(".sha256") not in listed:
            yield f"{path}: surplus"


def _fields(line: str) -> tuple[str, str, str]:
    path, size, sha256 = line.split("\t")
    return path, size, sha256
