"""Fetches a file: resumed where it stopped, whole or not there, refused when it is not the one meant.

The bytes that have come lie in ``.NAME.download`` beside the file, with what the server called that version
of it in ``.NAME.download.tag``; a killed fetch goes on from there. Nothing but ``_open`` touches the
network.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from benchmark.catalog import RemoteFile
from degradekit import __version__, atomicfiles
from degradekit.errors import DataError

CHUNK = 1 << 20
#: Attempts in a row that bring nothing new before giving up.
ATTEMPTS = 4
TIMEOUT_S = 30.0
#: No file we list is larger; one without a known size stops here.
LARGEST = 8 << 30
TEMPORARY = {408, 425, 429, 500, 502, 503, 504}

Progress = Callable[[int, int], None]


def fetch(
    file: RemoteFile,
    path: Path,
    *,
    offline: bool = False,
    on_progress: Progress = lambda done, total: None,
    wait_s: float = 1.0,
) -> bool:
    """Bring ``file`` to ``path``; True if it was not there yet.

    A file of unknown hash is taken as it first comes; its hash is written to ``NAME.sha256`` beside it and
    holds from then on.

    Args:
        file: what to fetch.
        path: where it belongs.
        offline: open no socket: the file is there, or that is an error.
        on_progress: gets (bytes here, bytes in all, or 0 if unknown).
        wait_s: seconds before the second attempt, doubled before each further one.

    Raises:
        DataError: it cannot be reached, or what is there or what came is not the file.
        OSError: the disk is full.
    """
    if path.is_file():
        check(file, path)
        return False
    if offline:
        raise DataError(f"{path}: not there, and --offline forbids to fetch it from {file.url}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.download")
    with _locked(partial) as out:
        if path.is_file():  # Somebody else's fetch ended while we waited for it.
            return False
        _download(file, out, partial, on_progress, wait_s)
        out.flush()
        os.fsync(out.fileno())
        try:
            _compare(file, partial, str(file.url), recorded_hash(path))
        except DataError:
            # Bytes that are wrong are no beginning of the right ones.
            _forget(partial)
            raise
        if file.sha256 is None:
            record(path, partial)
        partial.replace(path)
        _tag(partial).unlink(missing_ok=True)
    return True


def check(file: RemoteFile, path: Path) -> None:
    """Compare a file that is there with what it should be.

    Raises:
        DataError: size or hash differ.
    """
    _compare(file, path, str(path), recorded_hash(path))


def recorded_hash(path: Path) -> str | None:
    """The hash that was recorded when a file of unknown hash first came, or None."""
    beside = _recorded(path)
    return beside.read_text(encoding="ascii").split()[0] if beside.is_file() else None


def record(path: Path, content: Path) -> None:
    """Write down the hash of ``content``, which is about to become ``path``, as ``sha256sum`` writes it."""
    atomicfiles.write_text(_recorded(path), f"{atomicfiles.file_hash(content)}  {path.name}\n")


def _recorded(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _tag(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.tag")


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _tag(partial).unlink(missing_ok=True)


def _compare(file: RemoteFile, path: Path, name: str, recorded: str | None) -> None:
    size = path.stat().st_size
    if file.size not in (None, size):
        raise DataError(f"{name}: has {size:,} bytes, the file we know {file.size:,}; refused")
    expected = file.sha256 or recorded
    if expected is None:
        return
    found = atomicfiles.file_hash(path)
    if found != expected:
        raise DataError(f"{name}: its sha256 is {found}, that of the file we know {expected}; refused")


def _download(file: RemoteFile, out: BinaryIO, partial: Path, on_progress: Progress, wait_s: float) -> None:
    """Append to ``out`` until the file is whole, with new connections as often as each brings something."""
    failed, furthest = 0, out.tell()
    while True:
        try:
            if _receive(file, out, partial, on_progress):
                return
            reason = "the connection ended early"
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = _reason(error)
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                if error.code not in TEMPORARY:
                    failed = ATTEMPTS
        failed = 0 if out.tell() > furthest else failed + 1
        furthest = max(furthest, out.tell())
        if failed >= ATTEMPTS:
            kept = f"{out.tell():,} bytes are kept for the next attempt"
            raise DataError(f"{file.url}: cannot be fetched ({reason}); {kept}")
        time.sleep(wait_s * 2**failed)


def _receive(file: RemoteFile, out: BinaryIO, partial: Path, on_progress: Progress) -> bool:
    """One connection; whether the file is whole now."""
    start = out.tell()
    if file.size is not None and start == file.size:
        return True
    if file.size is not None and start > file.size:
        start = _restart(out)
    tag = _tag(partial).read_text(encoding="utf-8") if start and _tag(partial).is_file() else ""
    if start and file.sha256 is None and not tag:
        # Without a hash, nothing would show that the server has another version by now.
        start = _restart(out)
    try:
        response = _open(file.url, start, tag)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            error.close()
            _restart(out)
            return False
        raise
    with response:
        first, total = _announced(response, start)
        if first != start:
            start = _restart(out)
        if file.size is not None and total not in (None, file.size):
            raise DataError(
                f"{file.url}: the server offers {total:,} bytes, the file we know has {file.size:,}; refused"
            )
        _require_space(partial, (file.size or total or 0) - start)
        atomicfiles.write_text(_tag(partial), _version_of(response))
        limit = file.size or total or LARGEST
        while chunk := response.read(CHUNK):
            if out.tell() + len(chunk) > limit:
                raise DataError(f"{file.url}: sends more than the {limit:,} bytes it should have; refused")
            out.write(chunk)
            on_progress(out.tell(), file.size or total or 0)
    whole = file.size or total
    return whole is None or out.tell() >= whole


def _open(url: str, start: int, tag: str) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"degradekit/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag:
            headers["If-Range"] = tag
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: only http and https are fetched")
    request = urllib.request.Request(url, headers=headers)
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    return response


def _announced(response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
    """From which byte on the server sends, and how many the whole file has, if it says so."""
    length = response.headers.get("Content-Length")
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise http.client.HTTPException("the server answers with another part than asked for")
        return start, None if found[2] == "*" else int(found[2])
    return 0, int(length) if length is not None and length.isdigit() else None


def _version_of(response: http.client.HTTPResponse) -> str:
    """What If-Range may name this version of the file by; "" if nothing."""
    tag = response.headers.get("ETag", "")
    # A weak tag does not promise the same bytes.
    if tag.startswith("W/"):
        return ""
    return tag or response.headers.get("Last-Modified", "")


def _restart(out: BinaryIO) -> int:
    out.seek(0)
    out.truncate()
    return 0


def _require_space(partial: Path, needed: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if needed > free:
        raise DataError(f"{partial.parent}: {needed:,} bytes are needed, {free:,} are free")


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[BinaryIO]:
    """The partial file, at its end, ours alone."""
    with partial.open("ab") as out:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(out, fcntl.LOCK_EX)
        # Whoever held the lock before may have renamed or removed the file.
        current = partial.is_file() and os.path.samestat(os.fstat(out.fileno()), partial.stat())
        if current:
            out.seek(0, os.SEEK_END)
            yield out
            return
    with _locked(partial) as out:
        yield out


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
