"""No pixels: rows with the recipe of every sample, rendered from the photographs whenever they are needed."""

from __future__ import annotations

from pathlib import Path

from degradekit import manifest, pairs, sources
from degradekit.drawn import Drawn
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.layouts import CLEAN, DEGRADED, Layout, Sample
from degradekit.manifest import Row
from degradekit.pairs import Pair


class NothingWriter:
    """Writes nothing."""

    def __init__(self, folder: Path, shard: int) -> None:
        """Nothing to open."""

    def names(self, sample: Sample) -> dict[str, str]:
        """No files."""
        return {}

    def write(self, sample: Sample, row: Row) -> None:
        """Nothing."""

    def close(self) -> dict[str, str]:
        """No files."""
        return {}

    def discard(self) -> None:
        """Nothing."""


class RenderingReader:
    """Renders the samples of rows; the last one is kept, as its pictures are asked for one by one."""

    def __init__(self, folder: Path) -> None:
        """Find out where the photographs were when the data set was made."""
        self._origins = manifest.read_origins(folder)
        self._classes = tuple(manifest.read_run(folder)["classes"])
        self._size: int | None = manifest.read_run(folder)["size"]
        self._last: tuple[tuple[str, int], Pair] | None = None

    def read(self, row: Row, role: str) -> Bitmap:
        """Render; DataError if the photograph is missing, damaged or not the one the row was drawn for."""
        name = (str(row["key"]), int(row["variant"]))
        if self._last is None or self._last[0] != name:
            self._last = (name, self._render(row))
        pair = self._last[1]
        if role in (CLEAN, DEGRADED):
            return pair.clean if role == CLEAN else pair.degraded
        return Bitmap(pair.masks[role])

    def _render(self, row: Row) -> Pair:
        key = str(row["key"])
        bitmap = sources.by_origin(key, self._origins.get(key)).read()
        cut, _ = pairs.crop(bitmap, self._size, int(row["seed"]), key, int(row["variant"]))
        clean = pairs.as_clean(cut, Drawn.from_json(str(row["clean_recipe"])))
        if pairs.bitmap_hash(clean) != row["clean_sha256"]:
            raise DataError(f"{key}: is not the photograph that the recipes were drawn for")
        return pairs.degrade(clean, Drawn.from_json(str(row["recipe"])), self._classes)


LAYOUT = Layout("recipes", NothingWriter, RenderingReader, entries=(), pictures=False)
