"""One sample of a data set from its photograph to coded pictures and a manifest row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from degradekit import imagefiles, layouts, pairs
from degradekit.coding import Coded, Coding
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.layouts import Layout, Sample
from degradekit.manifest import Row
from degradekit.recipe import Recipe
from degradekit.sources import FileSource, Source
from degradekit.timings import Timings

#: File endings of one format.
SAME_FORMAT = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a sample beside its photograph and its name: a run's settings.

    ``clean_coding`` is the coding of clean pictures that cannot be kept as they are in their source file.
    """

    recipe: Recipe
    seed: int
    size: int | None
    layout: str
    coding: Coding
    clean_coding: Coding


@dataclass(frozen=True, slots=True)
class Loaded:
    """A photograph in memory: its source and that one's stamp, pixels, and the bytes of its file."""

    source: Source
    stamp: tuple[int, ...]
    bitmap: Bitmap
    data: bytes


class Loader:
    """Gives photographs and keeps the last one, so that its copies are decoded, or made, once."""

    def __init__(self) -> None:
        """With none yet."""
        self._last: Loaded | None = None

    def load(self, source: Source, timings: Timings) -> Loaded:
        """The photograph of ``source`` as it is now.

        Raises:
            DataError: it cannot be read.
        """
        stamp = source.stamp
        last = self._last
        if last is None or (last.source, last.stamp) != (source, stamp):
            self._last = None  # Two large scans need not be in memory.
            with timings.of("(read)"):
                last = self._last = Loaded(source, stamp, *source.load())
        return last


def make(
    settings: Settings, loaded: Loaded, variant: int, stem: str, timings: Timings
) -> tuple[Sample | None, Row]:
    """The sample called (key, variant), and its row but for file names; no sample without pictures.

    Raises:
        DataError: the photograph does not suit the recipe or the coding.
    """
    source, bitmap = loaded.source, loaded.bitmap
    layout, recipe, seed, key = layouts.find(settings.layout), settings.recipe, settings.seed, source.key
    height, width = bitmap.rgb.shape[:2]
    window, cut = pairs.crop(bitmap, settings.size, seed, key, variant)
    px_per_mm = recipe.scale.px_per_mm(height, width) * cut.scale
    first = recipe.draw_clean(seed, key, variant, px_per_mm)
    clean = pairs.as_clean(window, first, timings)
    drawn = recipe.draw(seed, key, variant, px_per_mm)
    identity = {
        "stem": stem,
        "key": key,
        "variant": variant,
        "group": source.group,
        "licence": source.licence,
    }
    row: Row = {**identity, "seed": seed, "left": cut.left, "top": cut.top, "scale": cut.scale}
    if not layout.pictures:
        drawn_columns = {
            "width": clean.rgb.shape[1],
            "height": clean.rgb.shape[0],
            "bits": clean.bits,
            "alpha": clean.alpha is not None,
            "recipe_name": drawn.recipe,
            "recipe": drawn.to_json(),
            "clean_recipe": first.to_json(),
            "clean_sha256": pairs.bitmap_hash(clean),
        }
        return None, {**row, **drawn_columns, **pairs.versions()}
    try:
        with timings.of("(code)"):
            kept = _kept(loaded, layout, settings.clean_coding) if clean is bitmap else None
            coded = kept or settings.clean_coding.code(clean)
        # From the pixels that the clean file gives back, so the files alone give the degraded image again.
        pair = pairs.degrade(coded.bitmap, drawn, recipe.classes, timings)
        with timings.of("(code)"):
            degraded = settings.coding.code(pair.degraded)
    except DataError as error:
        raise DataError(f"{key}: {error}") from error
    pair = replace(pair, degraded=degraded.bitmap)
    with timings.of("(describe)"):
        row |= pair.columns()
    return Sample(stem, pair, coded, degraded), row


def _kept(loaded: Loaded, layout: Layout, coding: Coding) -> Coded | None:
    """The source's own file as the clean picture, if any reader takes the same pixels from it."""
    source, data = loaded.source, loaded.data
    if not isinstance(source, FileSource) or layout.lossless:
        return None
    ending = source.path.suffix
    if ending.lower() not in imagefiles.SUFFIXES:
        return None
    if layout.one_suffix:
        if SAME_FORMAT.get(ending.lower(), ending.lower()) != coding.suffix:
            return None
        ending = coding.suffix
    if not imagefiles.speaks_for_itself(data):
        return None
    kind = imagefiles.ending_of(data)
    if SAME_FORMAT.get(ending.lower(), ending.lower()) != kind:
        # Named for another format: whoever goes by the name would fail.
        return None
    return Coded(loaded.bitmap, ending, lambda: data, None if source.shared else source.path)


def sole_format(paths: list[Path]) -> str | None:
    """The ending all files have, in its usual spelling; None if they differ."""
    endings = {SAME_FORMAT.get(path.suffix.lower(), path.suffix.lower()) for path in paths}
    return endings.pop() if len(endings) == 1 else None
