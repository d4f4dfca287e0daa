from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark import archives
from degradekit.errors import DataError


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_tar_and_zip_unpack_to_the_same(tmp_path: Path) -> None:
    content = {"set/images/a.jpg": b"a" * 5000, "set/readme.txt": b"", "./set/b.jpg": b"b"}
    made = [
        _tar(tmp_path / "x.tar", *((tarfile.TarInfo(name), data) for name, data in content.items())),
        _tar(
            tmp_path / "x.tgz",
            *((tarfile.TarInfo(name), data) for name, data in content.items()),
            mode="w:gz",
        ),
        _zip(tmp_path / "x.zip", *content.items()),
    ]
    for archive in made:
        out = tmp_path / f"{archive.name}.out"
        unpacked = archives.unpack_whole(archive, out)
        assert _files(out) == {name.removeprefix("./"): data for name, data in content.items()}
        assert {one.path: one.size for one in unpacked} == {
            name: len(data) for name, data in _files(out).items()
        }


@pytest.mark.parametrize(
    "name", ["../escape.txt", "/tmp/escape.txt", "a/../../escape.txt", "c:\\x", "a\\..\\b"]
)
def test_names_that_lead_outside_are_refused(name: str, tmp_path: Path) -> None:
    for archive in (
        _tar(tmp_path / "x.tar", (tarfile.TarInfo("fine"), b"1"), (tarfile.TarInfo(name), b"2")),
        _zip(tmp_path / "x.zip", ("fine", b"1"), (name, b"2")),
    ):
        out = tmp_path / "deep/er/out"
        with pytest.raises(DataError, match="leads out of the folder"):
            archives.unpack_whole(archive, out)
        assert not out.exists()
        assert not list(tmp_path.rglob("escape.txt"))
        assert not list(tmp_path.rglob("*.unpacking"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, "/etc/passwd"
    archive = _tar(tmp_path / "x.tar", (member, b""), (tarfile.TarInfo("link/x"), b"2"))
    with pytest.raises(DataError, match="'link' is neither a file nor a folder"):
        archives.unpack(archive, tmp_path / "out")


def test_symbolic_links_in_zips_are_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = 0o120777 << 16
    with pytest.raises(DataError, match="'link' is neither"):
        archives.unpack(_zip(tmp_path / "x.zip", (member, b"/etc/passwd")), tmp_path / "out")


def test_bombs_are_refused_before_they_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SLACK_BYTES", 1 << 20)
    zeros = bytes(30 << 20)
    for archive in (
        _zip(tmp_path / "x.zip", ("zeros", zeros)),
        _tar(tmp_path / "x.tgz", (tarfile.TarInfo("zeros"), zeros), mode="w:gz"),
    ):
        with pytest.raises(DataError, match="unpacks to more than"):
            archives.unpack(archive, tmp_path / f"{archive.name}.out")
        assert (tmp_path / f"{archive.name}.out/zeros").stat().st_size < 4 << 20


def test_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    twice = _tar(tmp_path / "x.tar", (tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("./a"), b"2"))
    with pytest.raises(DataError, match="twice"):
        archives.unpack(twice, tmp_path / "out")
    below = _tar(tmp_path / "y.tar", (tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("a/b"), b"2"))
    with pytest.raises(DataError, match="twice"):
        archives.unpack(below, tmp_path / "out2")


def test_damaged_archives(tmp_path: Path) -> None:
    good = _zip(tmp_path / "x.zip", ("a", bytes(range(256)) * 400))
    for name, data in {
        "cut.zip": good.read_bytes()[:-30],
        "text.tar": b"no archive at all",
        "flipped.zip": good.read_bytes().replace(bytes([good.read_bytes()[60]]), b"\x00", 1),
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"cannot be unpacked|neither a tar nor a zip"):
            archives.unpack_whole(path, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    noise = np.random.Generator(np.random.PCG64(1)).bytes(200_000)
    many = _tar(tmp_path / "cut.tgz", (tarfile.TarInfo("a"), noise), mode="w:gz")
    many.write_bytes(many.read_bytes()[:100_000])
    with pytest.raises(DataError, match="cannot be unpacked"):
        archives.unpack_whole(many, tmp_path / "out")
