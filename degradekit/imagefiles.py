"""Image files and bytes to arrays and back: orientation applied, gray and alpha handled, 8 or 16 bit."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from degradekit.errors import DataError
from degradekit.levels import Image, Pixels, as_float

if TYPE_CHECKING:
    import PIL.Image

#: File name endings that count as photographs when a folder is listed.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".jp2"})
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Where the chunks that follow a PNG's header begin.
AFTER_HEADER = 33
#: Bytes of a colour profile that fit one JPEG segment.
ICC_PIECE = 65_519
EXIF_ORIENTATION = 0x0112
#: OpenCV before 4.12 cannot choose the filter, and chooses well enough.
NO_FILTER = (
    (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE) if hasattr(cv2, "IMWRITE_PNG_FILTER") else ()
)
FULL_COLOUR = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
#: The format's own limit on either side.
LARGEST_JPEG_SIDE = 65_535
#: A JPEG's markers, but for what stands within coded pixels; that of its end; those that no length follows.
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
JPEG_END, JPEG_BARE = 0xD9, (0x01, 0xD8)
#: What announces a colour profile in JPEG, PNG, WebP and (as a profile's own signature) TIFF.
PROFILE_MARKS = (b"ICC_PROFILE\0", b"iCCP", b"ICCP", b"acsp")
#: Held while Pillow's global limit is lifted.
_pillow = threading.Lock()


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Decoded pixels: ``rgb`` (H, W, 3) and ``alpha`` (H, W) or None, both uint8 or both uint16.

    ``icc`` is the file's colour profile, carried along unread: pixels keep their numbers and their meaning.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None

    @property
    def bits(self) -> int:
        """Bits per channel: 8 or 16."""
        return self.rgb.dtype.itemsize * 8

    def image(self) -> Image:
        """The colour channels as float32 in [0, 1], (H, W, 3)."""
        return as_float(self.rgb)


def read(path: str | Path) -> Bitmap:
    """Decode an image file.

    Raises:
        DataError: the file is missing, empty, truncated, corrupt or no image we can read.
    """
    return decode(read_bytes(Path(path)), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; DataError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def decode(data: bytes, name: str) -> Bitmap:
    """Decode image bytes to RGB; gray becomes three equal channels, EXIF orientation is applied.

    A truncated file is an error here, never a half-gray picture, and so is a damaged PNG (it has checksums).
    A JPEG has none: damage inside its coded pixels may pass. ``name`` is for messages.

    Raises:
        DataError: see above.
    """
    if not data:
        raise DataError(f"{name}: the file is empty")
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR
    if data.startswith(PNG_SIGNATURE):
        chunks = _png_chunks(data, name)
        if data[25] in (4, 6) or b"tRNS" in chunks:
            flags = cv2.IMREAD_UNCHANGED
    elif data.startswith(b"\xff\xd8"):
        if not _jpeg_ends(data):
            raise DataError(f"{name}: the JPEG is truncated (no end-of-image marker)")
    else:
        flags = cv2.IMREAD_UNCHANGED
    try:
        array: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded ({error.err})") from error
    if array is None:
        raise DataError(f"{name}: not an image we can read, or damaged")
    if array.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{name}: pixels are 8 or 16 bit integers, got {array.dtype}")
    if flags == cv2.IMREAD_UNCHANGED:
        array = _upright(array, data)
    if array.ndim == 2:
        # A gray profile does not fit three channels; gray files without one are sRGB gray by convention.
        return Bitmap(np.ascontiguousarray(np.repeat(array[..., None], 3, axis=2)))
    alpha = np.ascontiguousarray(array[..., 3]) if array.shape[2] == 4 else None
    to_rgb = cv2.COLOR_BGR2RGB if alpha is None else cv2.COLOR_BGRA2RGB
    return Bitmap(_converted(array, to_rgb), alpha, _colour_profile(data))


def encode_png(rgb_or_gray: Pixels, alpha: Pixels | None = None, icc: bytes | None = None) -> bytes:
    """PNG bytes of (H, W, 3) RGB or (H, W) gray pixels, 8 or 16 bit, with ``alpha`` (H, W) if given.

    ``icc`` is embedded as the colour profile.

    Run-length strategy at level 1: for grainy pictures about twice as fast as the default and no larger.
    """
    array: Any = rgb_or_gray
    if array.ndim == 3:
        array = _converted(array, cv2.COLOR_RGB2BGR)
        if alpha is not None:
            array = np.dstack([array, alpha])
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    ok, data = cv2.imencode(".png", np.ascontiguousarray(array), options)
    if not ok:
        raise ValueError(f"cannot encode an array of shape {array.shape} as PNG")
    png = data.tobytes()
    if icc is None:
        return png
    chunk = b"iCCP" + b"ICC profile\0\0" + zlib.compress(icc)
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:AFTER_HEADER] + framed + png[AFTER_HEADER:]


def encode_jpeg(rgb: Pixels, quality: int, icc: bytes | None = None) -> bytes:
    """JPEG bytes of uint8 (H, W, 3) RGB pixels, colour at full resolution (4:4:4); ``icc`` is embedded.

    Raises:
        DataError: a side is longer than JPEG can say.
    """
    check_jpeg_size(*rgb.shape[:2])
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, *FULL_COLOUR]
    ok, data = cv2.imencode(".jpg", _converted(rgb, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise ValueError(f"cannot encode an array of shape {rgb.shape} as JPEG")
    jpeg = data.tobytes()
    pieces = [] if icc is None else [icc[at : at + ICC_PIECE] for at in range(0, len(icc), ICC_PIECE)]
    segments = b"".join(
        b"\xff\xe2"
        + struct.pack(">H", 16 + len(piece))
        + b"ICC_PROFILE\0"
        + bytes([number, len(pieces)])
        + piece
        for number, piece in enumerate(pieces, 1)
    )
    # After the start marker and the JFIF segment, which has to come first.
    at = 4 + struct.unpack_from(">H", jpeg, 4)[0]
    return jpeg[:at] + segments + jpeg[at:]


def check_jpeg_size(height: int, width: int) -> None:
    """DataError if a JPEG cannot have that size."""
    if max(height, width) > LARGEST_JPEG_SIDE:
        raise DataError(f"a JPEG's sides are at most {LARGEST_JPEG_SIDE} px, got {width} x {height}")


def speaks_for_itself(data: bytes) -> bool:
    """Whether any reader takes from these bytes the pixels that ``decode`` does.

    So for PNG, JPEG and WebP in plain RGB or RGBA with no orientation to apply; not for palettes, gray, CMYK,
    animations, and other formats.
    """
    try:
        with _header(data) as image:
            plain = image.format in ("PNG", "JPEG", "MPO", "WEBP") and image.mode in ("RGB", "RGBA")
            still = image.format == "MPO" or getattr(image, "n_frames", 1) == 1
            upright = image.getexif().get(EXIF_ORIENTATION, 1) == 1
            return plain and still and upright and "transparency" not in image.info
    except (OSError, ValueError, SyntaxError):
        return False


def ending_of(data: bytes) -> str | None:
    """The usual ending of files that begin like this, whatever this one is called; None for rare formats."""
    if data.startswith(PNG_SIGNATURE):
        return ".png"
    if data.startswith(b"\xff\xd8"):
        return ".jpg"
    return ".webp" if data[8:12] == b"WEBP" else None


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 (hex) over shape, dtype and pixels: the same whatever file format carries them."""
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def encode_mask(mask: Pixels) -> bytes:
    """PNG bytes of an 8-bit mask (H, W). Masks are mostly empty, so rows are not filtered: as small, and
    twice as fast. A blank one is coded once and kept."""
    if not mask.any():
        return _blank_png(mask.shape[0], mask.shape[1])
    options = [
        *(cv2.IMWRITE_PNG_COMPRESSION, 1),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
        *NO_FILTER,
    ]
    ok, data = cv2.imencode(".png", np.ascontiguousarray(mask), options)
    if not ok:
        raise ValueError(f"cannot encode an array of shape {mask.shape} as PNG")
    return data.tobytes()


@lru_cache(maxsize=16)
def _blank_png(height: int, width: int) -> bytes:
    return encode_png(np.zeros((height, width), np.uint8))


def _converted(array: Pixels, code: int) -> Pixels:
    """Channels in another order; OpenCV does it ten times as fast as indexing backwards."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(array), code), dtype=array.dtype)


def _colour_profile(data: bytes) -> bytes | None:
    """The embedded RGB profile, if the file has one."""
    if not any(mark in data for mark in PROFILE_MARKS):
        return None
    try:
        with _header(data) as image:
            profile = image.info.get("icc_profile")
    except (OSError, ValueError, SyntaxError):
        return None
    # Bytes 16-20 of a profile name its colour space.
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None


def _upright(array: Any, data: bytes) -> Any:
    """Pixels that OpenCV left as they lie in the file, turned as its EXIF says."""
    if not data.startswith(PNG_SIGNATURE) and data[8:12] != b"WEBP":
        return array  # In TIFF it has turned them; no other format has an orientation.
    if not any(mark in data for mark in (b"eXIf", b"EXIF")):
        return array
    try:
        with _header(data) as image:
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError):
        return array
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


@contextmanager
def _header(data: bytes) -> Iterator[PIL.Image.Image]:
    """An image file opened by Pillow, to read what stands before its pixels."""
    import PIL.Image

    with _pillow:
        # Its limit on pixels is for decoding, and global. OpenCV, which decodes, has one of its own.
        limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            image = PIL.Image.open(io.BytesIO(data))
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = limit
    with image:
        yield image


def _jpeg_ends(data: bytes) -> bool:
    """Whether the first picture in a JPEG file has an end; cameras put other things behind it."""
    at = 2
    while (found := JPEG_MARKER.search(data, at)) is not None:
        at = found.end()
        if data[at - 1] == JPEG_END:
            return True
        if data[at - 1] not in JPEG_BARE and at + 2 <= len(data):
            at += struct.unpack_from(">H", data, at)[0]
    return False


def _png_chunks(data: bytes, name: str) -> set[bytes]:
    """The chunk types of a PNG after checking every length and CRC; decoders let much damage pass."""
    found: set[bytes] = set()
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        kind = data[at + 4 : at + 8]
        if zlib.crc32(data[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise DataError(
                f"{name}: the PNG is damaged (checksum of its {kind.decode('ascii', 'replace')} chunk)"
            )
        found.add(kind)
        at = end + 4
        if kind == b"IEND":
            return found
    raise DataError(f"{name}: the PNG is truncated")
