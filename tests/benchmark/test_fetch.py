from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from faultyserver import Site, serving

from benchmark import fetch
from benchmark.catalog import RemoteFile
from degradekit.errors import DataError

DATA = np.random.Generator(np.random.PCG64(0)).bytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()


def _remote(site: Site, *, size: int | None = len(DATA), sha256: str | None = SHA) -> RemoteFile:
    return RemoteFile(f"{site.url}/a.bin", size, sha256)


def _get(site: Site, path: Path, **changes: object) -> bool:
    return fetch.fetch(_remote(site, **changes), path, wait_s=0)


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "deep/a.bin"
    seen: list[tuple[int, int]] = []
    with serving(Site({"/a.bin": DATA})) as site:
        assert fetch.fetch(_remote(site), path, on_progress=lambda *at: seen.append(at))
        assert path.read_bytes() == DATA
        assert _left(path.parent) == {"a.bin"}
        assert seen[-1] == (len(DATA), len(DATA))
        assert not _get(site, path)
        assert len(site.requests) == 1


def test_dropped_connections_are_resumed_where_they_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": DATA}, drop_after=700_000)) as site:
        assert _get(site, path)
        assert path.read_bytes() == DATA
        assert [wanted for _, wanted in site.requests] == [
            None,
            *[f"bytes={at}-" for at in (700_000, 1_400_000, 2_100_000, 2_800_000)],
        ]


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": DATA}, ranges=False)) as site:
        (tmp_path / ".a.bin.download").write_bytes(DATA[:1000])
        assert _get(site, path)
        assert path.read_bytes() == DATA


def test_a_server_that_always_truncates_ends_in_an_error_and_keeps_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": DATA[:1_000_000]}, announced=lambda length: len(DATA))) as site:
        with pytest.raises(DataError, match="1,000,000 bytes are kept for the next attempt"):
            _get(site, path)
        assert not path.exists()
        # The good server has the rest.
        site.content["/a.bin"], site.announced = DATA, lambda length: length
        assert _get(site, path)
        assert site.requests[-1][1] == "bytes=1000000-"
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (Site({"/a.bin": DATA}, announced=lambda length: length + 5), "the server offers 3,000,005 bytes"),
        (Site({"/a.bin": DATA}, announced=lambda length: length - 5), "the server offers 2,999,995 bytes"),
        (Site({"/a.bin": DATA[:-1]}), "the server offers 2,999,999 bytes"),
        (
            Site({"/a.bin": DATA}, announced=lambda length: None, endless=True),
            "sends more than the 3,000,000",
        ),
        (Site({"/a.bin": b"x" + DATA[1:]}), "its sha256 is"),
        (Site({}), "HTTP 404"),
    ],
    ids=["longer", "shorter", "another file", "endless", "wrong bytes", "not there"],
)
def test_what_is_not_the_file_is_refused(site: Site, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(site), pytest.raises(DataError, match=message):
        _get(site, path)
    assert not path.exists()
    if message.startswith("HTTP"):
        assert len(site.requests) == 1


def test_wrong_bytes_are_no_beginning_of_right_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": b"x" + DATA[1:]})) as site:
        with pytest.raises(DataError, match="its sha256"):
            _get(site, path)
        site.content["/a.bin"] = DATA
        assert _get(site, path)
    assert _left(tmp_path) == {"a.bin"}


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": DATA}, statuses=[503, 429])) as site:
        assert _get(site, path)
        assert len(site.requests) == 3


def test_a_server_that_answers_with_another_part(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    (tmp_path / ".a.bin.download").write_bytes(DATA[:1000])
    (tmp_path / ".a.bin.download.tag").write_text('"one"')
    with serving(Site({"/a.bin": DATA}, shift=3)) as site, pytest.raises(DataError, match="another part"):
        _get(site, path)
    assert not path.exists()


def test_nobody_there(tmp_path: Path) -> None:
    with serving(Site({})) as site:
        pass
    with pytest.raises(DataError, match="cannot be fetched"):
        _get(site, tmp_path / "a.bin")


def test_an_unknown_hash_is_recorded_and_holds_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    unknown = {"size": None, "sha256": None}
    with serving(Site({"/a.bin": DATA}, drop_after=2_000_000)) as site:
        assert _get(site, path, **unknown)
        assert (tmp_path / "a.bin.sha256").read_text() == f"{SHA}  a.bin\n"
        path.write_bytes(DATA[:-1] + b"x")
        with pytest.raises(DataError, match="its sha256"):
            _get(site, path, **unknown)
        path.unlink()
        site.content["/a.bin"] = b"y" * 100
        with pytest.raises(DataError, match="its sha256"):
            _get(site, path, **unknown)


def test_another_version_on_the_server_is_not_glued_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": DATA}, drop_after=1_000_000, statuses=[])) as site:
        other = bytes(reversed(DATA))

        def changing(done: int, total: int) -> None:
            site.content["/a.bin"], site.tag = other, '"two"'

        file = _remote(site, size=None, sha256=None)
        assert fetch.fetch(file, path, wait_s=0, on_progress=changing)
    assert path.read_bytes() == other


def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    partial = tmp_path / ".a.bin.download"
    with serving(Site({"/a.bin": DATA[:1_048_576]}, announced=lambda length: len(DATA))) as site:
        child = multiprocessing.get_context("fork").Process(
            target=fetch.fetch, args=(_remote(site), path), kwargs={"wait_s": 60}
        )
        child.start()
        deadline = time.monotonic() + 20
        while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kept = partial.stat().st_size
        assert 0 < kept < len(DATA)
        site.content["/a.bin"], site.announced = DATA, lambda length: length
        assert _get(site, path)
        assert site.requests[-1][1] == f"bytes={kept}-"
    assert path.read_bytes() == DATA


def test_offline_needs_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with serving(Site({"/a.bin": DATA})) as site:
        with pytest.raises(DataError, match="--offline forbids to fetch it"):
            fetch.fetch(_remote(site), path, offline=True)
        path.write_bytes(DATA)
        assert not fetch.fetch(_remote(site), path, offline=True)
        assert site.requests == []


def test_only_http_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only http and https"):
        fetch.fetch(RemoteFile("file:///etc/hostname", None, None), tmp_path / "a", wait_s=0)


def test_a_full_disk_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with (
        serving(Site({"/a.bin": DATA})) as site,
        pytest.raises(DataError, match="3,000,000 bytes are needed"),
    ):
        _get(site, tmp_path / "a.bin")
