"""Puts a sample's pixels on disk and says under which names."""

from __future__ import annotations

from pathlib import Path

from degradekit import atomicfiles, imagefiles
from degradekit.pairs import Pair, mask_column

CLEAN, DEGRADED, MASKS = "clean", "degraded", "masks"


class FolderWriter:
    """``clean/STEM.png``, ``degraded/STEM.png``, ``masks/CLASS/STEM.png``: one stem, one sample."""

    def __init__(self, folder: Path) -> None:
        """Write below ``folder``."""
        self.folder = folder

    @staticmethod
    def names(stem: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Manifest columns with the file names of one sample, relative to the data set's folder."""
        masks = {mask_column(name, "file_name"): f"{MASKS}/{name}/{stem}.png" for name in classes}
        return {
            "file_name": f"{DEGRADED}/{stem}.png",
            "clean_file_name": f"{CLEAN}/{stem}.png",
            **masks,
        }

    def write(self, stem: str, pair: Pair) -> dict[str, str]:
        """Write one sample, each file atomically; returns ``names``."""
        names = self.names(stem, tuple(pair.masks))
        for column, bitmap in (("clean_file_name", pair.clean), ("file_name", pair.degraded)):
            self._put(names[column], imagefiles.encode_png(bitmap.rgb, bitmap.alpha, bitmap.icc))
        for name, mask in pair.masks.items():
            self._put(names[mask_column(name, "file_name")], imagefiles.encode_png(mask))
        return names

    def _put(self, name: str, data: bytes) -> None:
        atomicfiles.write_bytes(self.folder / name, data)
