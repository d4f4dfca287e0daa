"""How pictures are coded on disk, and what their pixels are once they have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degradekit import imagefiles
from degradekit.errors import DataError, OptionError, unknown
from degradekit.imagefiles import Bitmap
from degradekit.levels import quantise

FORMATS = {"png": ".png", "jpeg": ".jpg"}


@dataclass(frozen=True, slots=True)
class Coded:
    """A picture as it will lie on disk.

    Args:
        bitmap: the pixels that reading the file gives.
        suffix: ending of the file's name, with the dot.
        data: makes the file's bytes.
        path: a file that holds exactly these bytes already and may be linked to.
    """

    bitmap: Bitmap
    suffix: str
    data: Callable[[], bytes]
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Coding:
    """PNG (8 or 16 bit, alpha, quick) or JPEG (8 bit, no alpha, 4:4:4, small).

    Raises:
        OptionError: an unknown format, or a quality out of bounds.
    """

    format: str = "png"
    quality: int = 95

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise OptionError(unknown("image format", self.format, FORMATS))
        if not 1 <= self.quality <= 100:
            raise OptionError(f"JPEG quality is a whole number in [1, 100], got {self.quality}")

    @property
    def suffix(self) -> str:
        """Ending of file names."""
        return FORMATS[self.format]

    def describe(self) -> dict[str, Any]:
        """As ``run.json`` has it."""
        return {"format": "png"} if self.format == "png" else {"format": self.format, "quality": self.quality}

    @staticmethod
    def described(content: Any) -> Coding:
        """What ``describe`` gave; DataError if it is not that."""
        try:
            return Coding(**content)
        except (TypeError, OptionError) as error:
            raise DataError(f"{content!r} is no image coding of ours") from error

    def code(self, bitmap: Bitmap) -> Coded:
        """``bitmap`` coded; JPEG makes it 8 bit, drops alpha and changes pixels."""
        if self.format == "png":
            return Coded(
                bitmap,
                self.suffix,
                lambda: imagefiles.encode_png(bitmap.rgb, bitmap.alpha, bitmap.icc),
            )
        rgb = bitmap.rgb if bitmap.bits == 8 else quantise(bitmap.image())
        data = imagefiles.encode_jpeg(rgb, self.quality, bitmap.icc)
        return Coded(imagefiles.decode(data, "a JPEG just made"), self.suffix, lambda: data)
