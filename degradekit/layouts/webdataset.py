"""``shards/00000.tar`` with ``STEM.clean.png  STEM.degraded.png  STEM.mask.png  STEM.CLASS.png  STEM.json``.

Rules that readers of the format set: the sample's key is the file name up to the first dot, so a stem has
none; every sample has the same fields, so a mask that is blank is there too; members of one sample follow
each other. Tars are reproducible: fixed times, owners and modes.
"""

from __future__ import annotations

import io
import tarfile
from collections import OrderedDict
from pathlib import Path

from degradekit import atomicfiles, imagefiles
from degradekit.atomicfiles import PendingFile, canonical_json
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.layouts import Layout, Sample, column, encode, suffix
from degradekit.manifest import Row
from degradekit.pairs import ANY

SHARDS, TAR = "shards", ".tar"
#: Seconds since 1970 of every member: 2000-01-01. Zero makes some programs warn.
MTIME = 946_684_800
#: Indexes of tars a reader keeps, about 200 kB each.
KEPT_INDEXES = 32


class TarWriter:
    """Writes one tar, which appears when the shard is complete."""

    def __init__(self, folder: Path, shard: int) -> None:
        """The tar is opened with the first sample, so a shard without one has none."""
        self.folder = folder
        self.name = f"{SHARDS}/{shard:05d}{TAR}"
        self._pending: PendingFile | None = None
        self._tar: tarfile.TarFile | None = None

    def names(self, sample: Sample) -> dict[str, str]:
        """Tar and member by manifest column."""
        return {
            column(role): f"{self.name}/{sample.stem}.{_field(role)}{suffix(sample, role)}"
            for role in sample.roles
        }

    def write(self, sample: Sample, row: Row) -> None:
        """Add the members ``row`` names, then the row itself."""
        if self._tar is None:
            self._pending = PendingFile(self.folder / self.name)
            self._tar = tarfile.open(fileobj=self._pending.file, mode="w")  # noqa: SIM115 - open until close()
        for role in sample.roles:
            self._add(str(row[column(role)]).removeprefix(f"{self.name}/"), encode(sample, role))
        self._add(f"{sample.stem}.json", canonical_json(row).encode())

    def close(self) -> dict[str, str]:
        """Give the tar its name."""
        if self._tar is None or self._pending is None:
            return {}
        self._tar.close()
        self._pending.commit()
        return {self.name: atomicfiles.file_hash(self.folder / self.name)}

    def discard(self) -> None:
        """Remove a tar that is not complete."""
        if self._pending is not None:
            self._pending.discard()

    def _add(self, name: str, data: bytes) -> None:
        assert self._tar is not None
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = len(data), MTIME, 0o444
        self._tar.addfile(member, io.BytesIO(data))


class TarReader:
    """Reads members by seeking: a tar's headers are read once."""

    def __init__(self, folder: Path) -> None:
        """Read below ``folder``."""
        self.folder = folder
        self._indexes: OrderedDict[str, dict[str, tuple[int, int]]] = OrderedDict()

    def read(self, row: Row, role: str) -> Bitmap:
        """Decode one member; DataError if it or its tar is missing or damaged."""
        where = str(row[column(role)])
        tar, _, member = where.partition(f"{TAR}/")
        tar += TAR
        try:
            if tar not in self._indexes:
                self._indexes[tar] = _index(self.folder / tar)
                while len(self._indexes) > KEPT_INDEXES:
                    self._indexes.popitem(last=False)
            start, size = self._indexes[tar][member]
            with (self.folder / tar).open("rb") as file:
                file.seek(start)
                data = file.read(size)
        except KeyError:
            raise DataError(f"{self.folder / tar}: no member {member}") from None
        except tarfile.TarError as error:
            raise DataError(f"{self.folder / tar}: damaged ({error})") from error
        except OSError as error:
            raise DataError(f"{self.folder / tar}: {error.strerror or error}") from error
        return imagefiles.decode(data, str(self.folder / where))


def _index(path: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(path, "r:") as tar:
        return {member.name: (member.offset_data, member.size) for member in tar}


def _field(role: str) -> str:
    return "mask" if role == ANY else role


LAYOUT = Layout("webdataset", TarWriter, TarReader, entries=(SHARDS,), one_suffix=True)
