"""Files that are either whole or not there: write to a temporary name, sync, rename.

The temporary name is a function of the final one, so a run that was killed and is started again
overwrites and renames what the killed one left; nothing stays behind. Whoever writes holds a lock on the
temporary file, so two programs that write one file do it one after the other. Where the file system
has no locks, the temporary name is the program's own instead.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"
#: Faults that a second attempt by copying would meet again.
STORAGE_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


class PendingFile:
    """A file under its temporary name: write to ``file``, then ``commit`` or ``discard``."""

    def __init__(self, path: Path) -> None:
        """Open it, empty, making its folder if need be; waits while another program writes the same."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._partial, self.file = _open_partial(path)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def commit(self, sync: bool = True) -> None:
        """Sync and give the file its own name."""
        if sync:
            self.sync()
        self.file.flush()
        self._partial.replace(self.path)
        self.file.close()

    def commit_new(self) -> bool:
        """As ``commit``, but leave a file that is already there alone; whether ours was taken."""
        self.sync()
        try:
            os.link(self._partial, self.path)
        except FileExistsError:
            return False
        except OSError:  # No hard links on this file system: the name is taken by an empty file.
            try:
                self.path.open("xb").close()
            except FileExistsError:
                return False
            self._partial.replace(self.path)
            return True
        finally:
            self.discard()
        return True

    def discard(self) -> None:
        """Remove it; nothing happens after ``commit``."""
        if not self.file.closed:
            if _is_at(self.file, self._partial):
                self._partial.unlink()
            # A full disk shows itself again in what closing flushes.
            with suppress(OSError):
                self.file.close()


@contextmanager
def writing(path: Path, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to write in pieces; it has its name once the block ends without an error.

    Without ``sync`` a power cut may leave an empty file: then something else, written after ``sync``, has to
    say that the file is good.

    Raises:
        OSError: the disk is full or the folder cannot be written; ``path`` is untouched.
    """
    pending = PendingFile(path)
    try:
        yield pending.file
        pending.commit(sync)
    except OSError as error:
        # A write error names no file of its own.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        pending.discard()


def write_bytes(path: Path, data: bytes, sync: bool = True) -> None:
    """Write ``data`` to ``path`` atomically, making its folder if need be. ``sync``: see ``writing``.

    Raises:
        OSError: the disk is full or the folder cannot be written; ``path`` is untouched.
    """
    with writing(path, sync) as file:
        file.write(data)


def sync(path: Path) -> None:
    """Bring a file that was written without it to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes) -> bool:
    """Write ``data`` unless ``path`` exists; of several programs that try, one gets True."""
    pending = PendingFile(path)
    try:
        pending.file.write(data)
        return pending.commit_new()
    finally:
        pending.discard()


def link_or_copy(source: Path, path: Path, data: bytes | None = None) -> None:
    """Make ``path`` a hard link to ``source``, or a copy where that is not possible.

    A link appears whole or not at all, so it needs no temporary name.

    Args:
        source: the file.
        path: its other name.
        data: its content, if that is known; a copy of it is then not synced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(3):
        try:
            os.link(source, path)
            return
        except FileExistsError:
            if path.samefile(source):
                return
            path.unlink(missing_ok=True)
        except OSError as error:
            if error.errno in STORAGE_FAULTS:
                raise
            break
    write_bytes(path, source.read_bytes() if data is None else data, sync=data is None)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, indented_json(value))


def indented_json(value: Any) -> str:
    """The text of a JSON file for people."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def canonical_json(value: Any) -> str:
    """The one JSON text of ``value``: sorted keys, no spaces; equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_partial(path: Path) -> tuple[Path, BinaryIO]:
    """The temporary file of ``path``, empty, locked, and nobody else's."""
    partial = path.with_name(f".{path.name}{PARTIAL}")
    while True:
        # Not truncated before we have the lock.
        file: BinaryIO = os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o666), "wb")
        try:
            if fcntl is None or not _lock(file):
                file.close()
                partial.unlink(missing_ok=True)
                own = f".{path.name}.{zlib.crc32(socket.gethostname().encode()):08x}-{os.getpid()}{PARTIAL}"
                partial = path.with_name(own)
                return partial, partial.open("wb")
            # While we waited, the other one may have given the file its name, or removed it.
            if _is_at(file, partial):
                file.truncate(0)
                return partial, file
        except BaseException:
            file.close()
            raise
        file.close()


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether ``path`` still names the open ``file``."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO) -> bool:
    """Wait for the only lock on ``file``; False if the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            return False
        raise
    return True
