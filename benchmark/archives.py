"""Unpacks tar and zip archives that may be anybody's: nothing lands outside, nothing grows without bound."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from degradekit import atomicfiles
from degradekit.errors import DataError

CHUNK = 1 << 20
#: Photographs hardly compress; what grows more than this is no archive of them.
GROWTH = 10
SLACK_BYTES = 64 << 20
MOST_FILES = 1_000_000
#: What the readers raise over damaged and encrypted archives, and over methods they do not know.
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class Unpacked:
    """One file that came out: its path below the folder, its bytes and their hash."""

    path: str
    size: int
    sha256: str


def unpack(
    archive: Path, folder: Path, on_progress: Callable[[int], None] = lambda count: None
) -> list[Unpacked]:
    """Unpack ``archive`` (tar, compressed or not, or zip) into ``folder``, which is empty or not there.

    Raises:
        DataError: it is damaged, or a name in it leads outside, or a member is neither file nor folder, or it
            would grow to more than ten times its size.
    """
    limit = GROWTH * archive.stat().st_size + SLACK_BYTES
    unpacked: list[Unpacked] = []
    written = 0
    try:
        with _members(archive) as members:
            for name, content in members:
                target = folder / _safe(name, archive)
                target.parent.mkdir(parents=True, exist_ok=True)
                if len(unpacked) >= MOST_FILES:
                    raise DataError(f"{archive}: holds more than {MOST_FILES:,} files; refused")
                digest, size = hashlib.sha256(), 0
                with target.open("xb") as out:
                    while chunk := content.read(CHUNK):
                        size += len(chunk)
                        if written + size > limit:
                            raise DataError(f"{archive}: unpacks to more than {limit:,} bytes; refused")
                        digest.update(chunk)
                        out.write(chunk)
                written += size
                unpacked.append(Unpacked(target.relative_to(folder).as_posix(), size, digest.hexdigest()))
                on_progress(len(unpacked))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError(f"{archive}: holds '{error.filename}' twice; refused") from error
    except DAMAGE as error:
        raise DataError(f"{archive}: cannot be unpacked ({error})") from error
    return unpacked


def unpack_whole(
    archive: Path, folder: Path, on_progress: Callable[[int], None] = lambda count: None
) -> list[Unpacked]:
    """As ``unpack``, but ``folder`` appears only when everything is in it; an earlier half is removed."""
    partial = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        unpacked = unpack(archive, partial, on_progress)
        for one in unpacked:
            atomicfiles.sync(partial / one.path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    partial.replace(folder)
    return unpacked


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _of_zip(opened, archive)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened_tar:
            yield _of_tar(opened_tar, archive)
    else:
        raise DataError(f"{archive}: neither a tar nor a zip archive, or damaged")


def _of_zip(archive: zipfile.ZipFile, path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DataError(f"{path}: '{member.filename}' is neither a file nor a folder; refused")
        if member.is_dir():
            _safe(member.filename, path)
            continue
        with archive.open(member) as content:
            yield member.filename, content


def _of_tar(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive:
        if member.isdir():
            _safe(member.name, path)
            continue
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise DataError(f"{path}: '{member.name}' is neither a file nor a folder; refused")
        with content:
            yield member.name, content


def _safe(name: str, archive: Path) -> PurePosixPath:
    """The path below the folder that a member's name means."""
    path = PurePosixPath(name)
    windows = "\\" in name or ":" in name
    if not name or path.is_absolute() or ".." in path.parts or windows or "\0" in name:
        raise DataError(f"{archive}: the name '{name}' leads out of the folder; refused")
    return path
