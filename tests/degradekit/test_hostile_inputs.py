"""A folder of everything that is found in old archives: each file is made, or listed with its reason."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import Outcome
from pictures import picture

from degradekit import imagefiles, manifest, sources
from degradekit.errors import DataError, readable

Call = Callable[..., Outcome]

#: Listed in errors.jsonl: the name in the data set -> what the reason says.
LISTED = {
    "bomb.png": "pixels",
    "dangling.png": "No such file",
    "empty.jpg": "empty",
    "float.tif": "8 or 16 bit",
    "loop.png": "symbolic links",
    "text.jpg": "not an image",
    "truncated.jpg": "truncated",
    "truncated.png": "truncated",
    "zeros.png": "not an image",
}
#: Made, with width and bits.
MADE = {
    "album/e.png": (96, 8),
    "animated.png": (96, 8),
    "animated.webp": (96, 8),
    "caf%E9.png": (96, 8),
    "cmyk.jpg": (96, 8),
    "deep.png": (96, 16),
    "deep.tif": (96, 16),
    "jpeg.png": (96, 8),
    "line%0Abreak.png": (96, 8),
    "onebit.png": (96, 8),
    "pages.tif": (96, 8),
    "png.jpg": (96, 8),
    "wide.png": (60_000, 8),
    "写真.png": (96, 8),
}


def archive(folder: Path) -> Path:
    """Write them all, and what is no photograph."""
    (folder / "album").mkdir(parents=True)
    (folder / "folder.png").mkdir()
    png, jpeg = imagefiles.encode_png(picture(1)), imagefiles.encode_jpeg(picture(2), 90)
    contents = {
        "album/e.png": png,
        "bomb.png": bomb(),
        "deep.png": imagefiles.encode_png(picture(3).astype(np.uint16) * 257),
        "empty.jpg": b"",
        "jpeg.png": jpeg,
        "line\nbreak.png": png,
        "notes.txt": b"not a photograph",
        "png.jpg": png,
        "text.jpg": b"not a photograph",
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "truncated.png": png[: len(png) // 2],
        "wide.png": imagefiles.encode_png(np.tile(picture(4, 4, 600), (1, 100, 1))),
        "zeros.png": bytes(4096),
        "写真.png": png,
        os.fsdecode(b"caf\xe9.png"): png,
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    frames = [PIL.Image.fromarray(picture(number)) for number in range(3)]
    for name in ("animated.png", "animated.webp", "pages.tif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], lossless=True)
    frames[0].convert("CMYK").save(folder / "cmyk.jpg")
    gray = picture(3)[..., 0]
    PIL.Image.fromarray(gray.astype(np.uint16) * 257).save(folder / "deep.tif")
    PIL.Image.fromarray(gray.astype(np.float32)).save(folder / "float.tif")
    PIL.Image.fromarray(gray > 99).save(folder / "onebit.png")
    for name, target in {
        "album/up": "..",
        "album/itself": "itself",
        "around": ".",
        "loop.png": "loop.png",
        "dangling.png": "nowhere.png",
        "twin.png": "album/e.png",
    }.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.png")
    return folder


def bomb() -> bytes:
    """A PNG of a few bytes that says it has ten thousand million pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(bytes(1000)), b"IEND": b""}
    return imagefiles.PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


@pytest.mark.parametrize("layout", ["folders", "webdataset", "parquet"])
def test_each_file_is_made_or_listed(call: Call, tmp_path: Path, layout: str) -> None:
    folder, out = archive(tmp_path / "in"), tmp_path / "out"
    done = call("degradekit", "synth", folder, "--out", out, "--layout", layout, "--workers", "1")
    assert done.code == 3, done.err
    assert f"{len(LISTED)} samples failed" in done.err
    errors = [json.loads(line) for line in (out / manifest.ERRORS).read_text("utf-8").splitlines()]
    assert {error["key"] for error in errors} == set(LISTED)
    for error in errors:
        assert LISTED[error["key"]] in error["error"]
    rows = {row["key"]: row for row in manifest.read_rows(out)}
    assert {key: (row["width"], row["bits"]) for key, row in rows.items()} == MADE
    assert call("degradekit", "verify", out).code == 0


def test_a_file_named_for_another_format_is_not_passed_on(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(imagefiles.encode_png(picture(1)))
    assert call("degradekit", "synth", folder, "--out", tmp_path / "out", "--workers", "1").code == 0
    (row,) = manifest.read_rows(tmp_path / "out")
    data = (tmp_path / "out" / row["clean_file_name"]).read_bytes()
    assert row["clean_file_name"].endswith(imagefiles.ending_of(data) or "?")


def test_recipes_find_files_of_odd_names_again(call: Call, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in (b"caf\xe9.png", b"tab\there.png", b'"quoted".png'):
        (folder / os.fsdecode(name)).write_bytes(imagefiles.encode_png(picture(1)))
    assert call("degradekit", "synth", folder, "--out", out, "--recipes-only", "--workers", "1").code == 0
    assert [row["key"] for row in manifest.read_rows(out)] == ['"quoted".png', "caf%E9.png", "tab%09here.png"]
    assert call("degradekit", "verify", out).code == 0


def test_odd_names_that_would_be_one(tmp_path: Path) -> None:
    for name in (b"caf\xe9.png", b"caf%E9.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    with pytest.raises(DataError, match=r"would be called '.*caf%E9\.png'; rename one"):
        sources.find([str(tmp_path)])


def test_readable() -> None:
    assert readable("photo é 写真.png") == "photo é 写真.png"
    assert readable("a\nb\t\udce9") == "a%0Ab%09%E9"
