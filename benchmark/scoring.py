"""Loop 2: restored images on disk and metrics to rows; it knows no method."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import folders, sourcecode
from benchmark import metrics as registry
from benchmark.data import PairSet
from benchmark.featuresets import FeatureSets
from benchmark.folders import FolderPairs
from benchmark.metrics import Metric, NoValueError, Pixels
from degradekit import atomicfiles, imagefiles
from degradekit.errors import DataError

#: How a table and a CSV file write a value that does not exist.
NA = "NA"


@dataclass(frozen=True)
class Row:
    """One number, or the reason why there is none.

    Args:
        method: name of the method.
        seed: seed of the run.
        image: stem of the restored image; "" for a number of the whole set of images.
        photograph: key of the photograph it was made from; its variants are no independent samples.
        group: scene the photograph shows.
        variant: number of the degraded variant.
        metric: name of the metric.
        convention: id of the metric's exact definition.
        value: the number; may be inf; NaN exactly when there is none.
        note: why there is none, or what to know of it.
    """

    method: str
    seed: int
    image: str
    photograph: str
    group: str
    variant: int
    metric: str
    convention: str
    value: float
    note: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


def score(
    method: str,
    restored: Path,
    pairs: PairSet | FolderPairs,
    metrics: Sequence[Metric],
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
    stems: Sequence[str] | None = None,
    clean_restored: Path | str = "not applied to clean photographs",
    real_restored: Path | str = "no real photographs in this run",
) -> list[Row]:
    """Score a folder of restored images against the clean images of ``pairs``, matched by stem.

    Rows are in the order of images, then of ``metrics``; those of whole sets come last. Memory does not grow
    with the number of images.

    Args:
        method: for the rows.
        restored: folder of images, one per pair or per one of ``stems``, under its stem.
        pairs: the clean images and the masks.
        metrics: what to compute.
        seed: for the rows.
        on_progress: gets (images done, images).
        stems: those of the pairs that the method restored; None: all.
        clean_restored: folder of what the method makes of the clean images of ``first_variants``, for
            metrics of that scope; or why there is none.
        real_restored: folder of restored real photographs, for metrics of that scope; or why there is none.

    Raises:
        DataError: an image is missing, surplus, unreadable, not 8 bit, or of another size than its clean one.
    """
    scopes = {metric.scope for metric in metrics}
    chosen = set(pairs.stems if stems is None else stems)
    paths = match_stems(restored, sorted(chosen))
    clean_stems = first_variants(pairs, chosen) if "clean" in scopes else []
    clean_paths = {} if isinstance(clean_restored, str) else match_stems(clean_restored, clean_stems)
    needed = chosen.union(clean_stems)
    places = [place for place, stem in enumerate(pairs.stems) if stem in needed]
    by_image = [metric for metric in metrics if metric.scope in ("pair", "masked", "clean")]
    rows = []
    with FeatureSets(metrics) as sets:
        for done, index in enumerate(places):
            on_progress(done, len(places))
            stem, pair, clean = pairs.stems[index], pairs.rows[index], pairs.clean(index)
            inputs: dict[str, tuple[NDArray[Any], ...] | str] = {}
            if stem in chosen:
                pixels = _read(paths[stem], clean)
                inputs["pair"] = (pixels, clean)
                if "masked" in scopes:
                    inputs["masked"] = (pixels, clean, registry.damaged(pairs.mask(index)))
                sets.add(pixels, clean)
            if stem in clean_stems:
                inputs["clean"] = (
                    clean_restored
                    if isinstance(clean_restored, str)
                    else (_read(clean_paths[stem], clean), clean)
                )
            about = (method, seed, stem, pair["key"], pair["group"], pair["variant"])
            rows += [
                _row(about, metric, inputs[metric.scope]) for metric in by_image if metric.scope in inputs
            ]
        whole = (method, seed, "", "", "", 0)
        rows += [
            _row(whole, metric, features, sets.note(metric))
            for metric in metrics
            if metric.scope == "set"
            for features in [sets.features(metric)]
        ]
    rows += _real(method, seed, [metric for metric in metrics if metric.scope == "real"], real_restored)
    on_progress(len(places), len(places))
    return rows


def key(metrics: Sequence[Metric]) -> dict[str, str]:
    """What scores depend on beside the images, in parts that a message can name."""
    functions = {metric.function.__module__ for metric in metrics}
    return {
        "metrics": ", ".join(metric.convention for metric in metrics),
        "official weights": atomicfiles.canonical_json(registry.weights_key(metrics)),
        "scoring code": sourcecode.fingerprint("benchmark.scoring", *sorted(functions)),
    }


def first_variants(pairs: PairSet | FolderPairs, stems: Iterable[str]) -> list[str]:
    """Stems of the first variants of the photographs that ``stems`` are of, the same for whatever method.

    They need not be among ``stems``, which may name some of the variants only.
    """
    named = set(stems)
    shown = {row["key"] for stem, row in zip(pairs.stems, pairs.rows, strict=True) if stem in named}
    first = first_of_each_photograph(pairs.rows)
    return [pairs.stems[place] for place in first if pairs.rows[place]["key"] in shown]


def first_of_each_photograph(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places of the first variant of each photograph, for what is done once per photograph."""
    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(row["key"], place)
    return list(first.values())


def _real(method: str, seed: int, metrics: Sequence[Metric], folder: Path | str) -> list[Row]:
    """Rows of real photographs, each its own photograph and scene."""
    if isinstance(folder, str):
        return [_row((method, seed, "", "", "", 0), metric, folder) for metric in metrics]
    rows = []
    for stem, path in folders.images(folder).items() if metrics else ():
        pixels = _read(path)
        rows += [_row((method, seed, stem, stem, stem, 0), metric, (pixels,)) for metric in metrics]
    return rows


def _row(
    about: tuple[str, int, str, str, str, int],
    metric: Metric,
    inputs: tuple[NDArray[Any], ...] | str,
    note: str = "",
) -> Row:
    """The metric's row; ``inputs`` may be the reason why there are none."""
    try:
        if isinstance(inputs, str):
            raise NoValueError(metric.unavailable() or inputs)
        return Row(*about, metric.name, metric.convention, metric(*inputs), note)
    except NoValueError as reason:
        return Row(*about, metric.name, metric.convention, math.nan, str(reason))


def _read(path: Path, clean: Pixels | None = None) -> Pixels:
    """A restored image; it has to be 8 bit, and of the size of the clean one."""
    pixels = imagefiles.read(path).rgb
    if pixels.dtype != np.uint8 or (clean is not None and pixels.shape != clean.shape):
        expected = "8 bit" if clean is None else f"{clean.dtype} {clean.shape}"
        raise DataError(f"{path}: its clean image is {expected}, this one is {pixels.dtype} {pixels.shape}")
    return pixels.astype(np.uint8, copy=False)


def match_stems(restored: Path, stems: Sequence[str]) -> dict[str, Path]:
    """The images of ``restored`` by stem, after checking that there is exactly one for each of ``stems``.

    Raises:
        DataError: one is missing, surplus or twice there; the message names it.
    """
    there = folders.images(restored)
    folders.require_same(restored, there, stems)
    return there


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as CSV with a header; floats in full precision, values that do not exist as NA."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        *about, value, note = astuple(row)
        writer.writerow((*about, NA if math.isnan(value) else value, note))
    return text.getvalue()


def from_csv(path: Path) -> list[Row]:
    """Read what ``to_csv`` gave.

    Raises:
        DataError: the file is missing or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if tuple(next(reader, ())) != COLUMNS:
                raise DataError(f"{path}: expected the columns {', '.join(COLUMNS)}")
            return [
                Row(
                    method,
                    int(seed),
                    image,
                    photograph,
                    group,
                    int(variant),
                    metric,
                    convention,
                    math.nan if value == NA else float(value),
                    note,
                )
                for method, seed, image, photograph, group, variant, metric, convention, value, note in reader
            ]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as scores ({error})") from error
