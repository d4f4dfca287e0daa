"""Any two folders of images as pairs to score, matched by name, and what does not match named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.metrics import Pixels
from degradekit import imagefiles
from degradekit.errors import DataError
from degradekit.levels import as_float, quantise

#: File names in one message.
NAMED = 5


class FolderPairs:
    """The clean images of a folder, and masks if there are, with the interface scoring takes.

    The stem of an image is its path below its folder without the ending, so ``restored/a/b.jpg`` belongs to
    ``clean/a/b.png``.

    Raises:
        DataError: a folder holds no image, or two of one stem, or the masks do not match the clean images.
    """

    def __init__(self, clean: Path, masks: Path | None = None) -> None:
        """List the folders; pixels are decoded when asked for."""
        self._clean = images(clean)
        self._masks = images(masks) if masks is not None else None
        self.stems = list(self._clean)
        self.rows: list[dict[str, Any]] = [{"key": stem, "group": stem, "variant": 0} for stem in self.stems]
        if masks is not None and self._masks is not None:
            require_same(masks, self._masks, self.stems)

    def __len__(self) -> int:
        return len(self.stems)

    def clean(self, index: int) -> Pixels:
        """Clean pixels, uint8 (H, W, 3)."""
        return eight_bit(self._clean[self.stems[index]])

    def mask(self, index: int) -> Pixels:
        """Damaged places, uint8 (H, W), 255 = fully lost.

        Raises:
            DataError: the mask is of another size than the clean image.
        """
        if self._masks is None:
            raise ValueError("these pairs have no masks")
        path = self._masks[self.stems[index]]
        pixels = eight_bit(path)
        expected = self.clean(index).shape
        if pixels.shape != expected:
            raise DataError(
                f"{path}: the mask is {pixels.shape[1]}x{pixels.shape[0]}, its clean image "
                f"{expected[1]}x{expected[0]}"
            )
        return np.ascontiguousarray(pixels[..., 0])


def images(folder: Path) -> dict[str, Path]:
    """The images below ``folder`` by stem, sorted; hidden ones do not count.

    Raises:
        DataError: there is none, or two have one stem.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if hidden or path.suffix.lower() not in imagefiles.SUFFIXES or not path.is_file():
            continue
        stem = below.with_suffix("").as_posix()
        if stem in found:
            raise DataError(f"{folder}: {found[stem].name} and {path.name} are both called '{stem}'")
        found[stem] = path
    if not found:
        raise DataError(f"{folder}: holds no image")
    return dict(sorted(found.items()))


def require_same(folder: Path, there: dict[str, Path], stems: Sequence[str]) -> None:
    """Check that ``folder``'s images are those of ``stems``, no fewer and no more.

    Raises:
        DataError: some are missing or surplus; the message names the first of each.
    """
    missing, surplus = sorted(set(stems) - set(there)), sorted(set(there) - set(stems))
    faults = []
    if missing:
        faults.append(f"{len(missing)} images are missing ({_named(missing)})")
    if surplus:
        faults.append(
            f"{len(surplus)} images are not of any pair ({_named([there[s].name for s in surplus])})"
        )
    if faults:
        raise DataError(f"{folder}: {'; '.join(faults)}")


def eight_bit(path: Path) -> Pixels:
    """Decode an image to uint8 RGB, 16 bit ones rounded."""
    pixels = imagefiles.read(path).rgb
    if pixels.dtype != np.uint8:
        pixels = quantise(as_float(pixels))
    return pixels.astype(np.uint8, copy=False)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
