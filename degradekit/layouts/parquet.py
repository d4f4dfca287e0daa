"""``shards/00000.parquet``: one row per sample, pictures as bytes in columns Hugging Face datasets shows.

Columns: ``degraded``, ``clean``, ``mask``, one ``CLASS_mask`` per class, each ``{bytes, path}``, then those
of the manifest. Needs pyarrow.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from degradekit import atomicfiles, imagefiles
from degradekit.atomicfiles import PendingFile
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.layouts import CLEAN, DEGRADED, Layout, Sample, column, encode, suffix
from degradekit.manifest import Row
from degradekit.pairs import ANY

SHARDS, PARQUET = "shards", ".parquet"
#: Samples written and read at once: small, so that one sample can be read without its whole shard.
GROUP = 8
KEPT_FILES = 8
TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class ParquetWriter:
    """Writes one file, which appears when the shard is complete; holds ``GROUP`` samples in memory."""

    def __init__(self, folder: Path, shard: int) -> None:
        """The file is opened with the first sample, so a shard without one has none."""
        self.folder = folder
        self.name = f"{SHARDS}/{shard:05d}{PARQUET}"
        self._written = 0
        self._waiting: list[dict[str, Any]] = []
        self._pending: PendingFile | None = None
        self._parquet: Any = None

    def names(self, sample: Sample) -> dict[str, str]:
        """File, row and column by manifest column."""
        number = self._written + len(self._waiting)
        return {column(role): f"{self.name}/{number}/{_column(role)}" for role in sample.roles}

    def write(self, sample: Sample, row: Row) -> None:
        """Add a row with the sample's pictures and its manifest columns."""
        pictures = {
            _column(role): {
                "bytes": encode(sample, role),
                "path": f"{sample.stem.replace('/', '_')}.{_column(role)}{suffix(sample, role)}",
            }
            for role in sample.roles
        }
        self._waiting.append({**pictures, **_described(row)})
        if len(self._waiting) == GROUP:
            self._flush()

    def close(self) -> dict[str, str]:
        """Give the file its name."""
        self._flush()
        if self._pending is None:
            return {}
        self._parquet.close()
        self._pending.commit()
        return {self.name: atomicfiles.file_hash(self.folder / self.name)}

    def discard(self) -> None:
        """Remove a file that is not complete."""
        if self._pending is not None:
            self._pending.discard()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._pending is None:
            schema = _schema(self._waiting[0])
            self._pending = PendingFile(self.folder / self.name)
            described = [field.name for field in schema if field.type != PICTURE]
            self._parquet = pq.ParquetWriter(
                self._pending.file,
                schema,
                # Pictures are compressed already, and a minimum and maximum of them would be two more copies.
                compression={field.name: "zstd" for field in schema if field.name in described}
                | {
                    f"{field.name}.{part.name}": "none"
                    for field in schema
                    if field.name not in described
                    for part in PICTURE
                },
                use_dictionary=described,
                write_statistics=described,
            )
        table = pa.Table.from_pylist(self._waiting, schema=self._parquet.schema)
        self._parquet.write_table(table, row_group_size=GROUP)
        self._written += len(self._waiting)
        self._waiting = []


class ParquetReader:
    """Reads pictures by row; the last group of rows is kept, as its pictures are asked for one by one."""

    def __init__(self, folder: Path) -> None:
        """Read below ``folder``."""
        self.folder = folder
        self._files: OrderedDict[str, Any] = OrderedDict()
        self._group: tuple[tuple[str, int], Any] | None = None

    def read(self, row: Row, role: str) -> Bitmap:
        """Decode one picture; DataError if it or its file is missing or damaged."""
        where = str(row[column(role)])
        name, _, rest = where.partition(f"{PARQUET}/")
        name += PARQUET
        number, _, field = rest.partition("/")
        try:
            group, place = divmod(int(number), GROUP)
            if self._group is None or self._group[0] != (name, group):
                self._group = ((name, group), self._file(name).read_row_group(group, use_threads=False))
            data = self._group[1].column(field)[place].as_py()["bytes"]
        except FileNotFoundError as error:
            raise DataError(f"{self.folder / name}: {error.strerror or error}") from error
        except (pa.ArrowException, OSError, KeyError, IndexError, ValueError, TypeError) as error:
            raise DataError(f"{self.folder / name}: row {number}: damaged ({error})") from error
        return imagefiles.decode(data, str(self.folder / where))

    def _file(self, name: str) -> Any:
        if name not in self._files:
            self._files[name] = pq.ParquetFile(self.folder / name)
            while len(self._files) > KEPT_FILES:
                self._files.popitem(last=False)[1].close()
        return self._files[name]


def _schema(row: Row) -> Any:
    """The Arrow schema of rows like ``row``, with the note by which Hugging Face datasets shows pictures."""
    fields, features = [], {}
    for name, value in row.items():
        picture = isinstance(value, dict)
        kind = PICTURE if picture else TYPES[type(value)]
        fields.append(pa.field(name, kind))
        dtype = "float64" if kind == pa.float64() else str(kind)
        features[name] = {"_type": "Image"} if picture else {"dtype": dtype, "_type": "Value"}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})


def _described(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.endswith("file_name")}


def _column(role: str) -> str:
    if role in (CLEAN, DEGRADED):
        return role
    return "mask" if role == ANY else f"{role}_mask"


LAYOUT = Layout("parquet", ParquetWriter, ParquetReader, entries=(SHARDS,))
