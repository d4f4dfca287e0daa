"""Photograph files in, PNG files out: pixels, alpha, colour profile and EXIF pass through."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from degradekit import atomicfiles, imagefiles
from degradekit.errors import OptionError
from degradekit.imagefiles import Bitmap
from degradekit.levels import Pixels

#: What every EXIF block in a JPEG begins with, and none in a PNG.
EXIF_PREFIX = b"Exif\0\0"
#: TIFF keeps its pixels' layout among the EXIF tags; in another file these would be lies.
LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325}
    | {338, 339, 347, 512, 513, 514, 529, 530, 531, 532, 700, 34377, 34675}
)


@dataclass(frozen=True)
class PhotoFile:
    """A decoded photograph, upright, and its EXIF block (TIFF structure, no prefix) or None."""

    bitmap: Bitmap
    exif: bytes | None = None


def listed(places: Sequence[Path]) -> dict[str, Path]:
    """Stem -> file, for files as they are named and all photographs in folders, at any depth.

    Raises:
        OptionError: two have one stem, so their results would be one file, or a folder has no photograph.
    """
    found: dict[str, Path] = {}
    for place in places:
        for path in _inside(place) if place.is_dir() else [place]:
            other = found.setdefault(path.stem, path)
            if other.absolute() != path.absolute():
                raise OptionError(f"{other} and {path}: both results would be {path.stem}.png; rename one")
    return found


def read(path: Path) -> PhotoFile:
    """Decode a photograph and keep what else its file says.

    Raises:
        DataError: the file is missing, damaged or no image we can read.
    """
    data = imagefiles.read_bytes(path)
    return PhotoFile(imagefiles.decode(data, str(path)), _exif(data))


def write(path: Path, pixels: Pixels, like: PhotoFile) -> None:
    """Write (H, W, 3) pixels as PNG with the alpha, colour profile and EXIF of ``like``."""
    png = imagefiles.encode_png(pixels, like.bitmap.alpha, like.bitmap.icc)
    atomicfiles.write_bytes(path, png if like.exif is None else _with_exif(png, like.exif))


def _inside(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in imagefiles.SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise OptionError(f"{folder}: the folder holds no photograph")
    return found


def _exif(data: bytes) -> bytes | None:
    """The EXIF block, its orientation set to upright, as the pixels are now; None without one."""
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
            if image.format == "TIFF":
                for tag in LAYOUT_TAGS & set(exif):
                    del exif[tag]
            if imagefiles.EXIF_ORIENTATION in exif:
                exif[imagefiles.EXIF_ORIENTATION] = 1
            return exif.tobytes().removeprefix(EXIF_PREFIX) if exif else None
    except (OSError, ValueError, SyntaxError, struct.error):
        # The pixels could be read; an EXIF block that cannot is left out.
        return None


def _with_exif(png: bytes, exif: bytes) -> bytes:
    chunk = b"eXIf" + exif
    framed = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    at = imagefiles.AFTER_HEADER
    return png[:at] + framed + png[at:]
