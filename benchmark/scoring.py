"""Loop 2: restored images on disk and metrics to rows; it knows no method."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmark.data import PairSet
from benchmark.metrics import Metric
from degradekit import imagefiles
from degradekit.errors import DataError


@dataclass(frozen=True)
class Row:
    """One number.

    Args:
        method: name of the method.
        seed: seed of the run.
        image: stem of the restored image.
        photograph: key of the photograph it was made from; its variants are no independent samples.
        group: scene the photograph shows.
        variant: number of the degraded variant.
        metric: name of the metric.
        convention: id of the metric's exact definition.
        value: the number; may be inf, never NaN.
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


COLUMNS = tuple(field.name for field in fields(Row))


def score(
    method: str,
    restored: Path,
    pairs: PairSet,
    metrics: Sequence[Metric],
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> list[Row]:
    """Score a folder of restored images against the clean images of ``pairs``, matched by stem.

    Raises:
        DataError: an image is missing, surplus, unreadable, not 8 bit, or of another size than its clean one.
    """
    match_stems(restored, pairs.stems)
    rows = []
    for index, (stem, pair) in enumerate(zip(pairs.stems, pairs.rows, strict=True)):
        on_progress(index, len(pairs))
        clean = pairs.clean(index)
        path = restored / f"{stem}.png"
        pixels = imagefiles.read(path).rgb
        if pixels.shape != clean.shape or pixels.dtype != clean.dtype:
            expected, got = f"{clean.dtype} {clean.shape}", f"{pixels.dtype} {pixels.shape}"
            raise DataError(f"{path}: its clean image is {expected}, this one is {got}")
        about = (method, seed, stem, pair["key"], pair["group"], pair["variant"])
        rows += [
            Row(*about, metric.name, metric.convention, metric(pixels.astype(clean.dtype), clean))
            for metric in metrics
        ]
    on_progress(len(pairs), len(pairs))
    return rows


def match_stems(restored: Path, stems: Sequence[str]) -> None:
    """Check that ``restored`` holds exactly one PNG per stem.

    Raises:
        DataError: one is missing or surplus; the message names it.
    """
    there = {
        path.relative_to(restored).as_posix().removesuffix(".png") for path in restored.rglob("[!.]*.png")
    }
    missing, surplus = sorted(set(stems) - there), sorted(there - set(stems))
    for what, names in (("missing", missing), ("not of any pair", surplus)):
        if names:
            raise DataError(f"{restored}: {len(names)} images are {what}, first {names[0]}.png")


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as CSV with a header; floats in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
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
                    float(value),
                )
                for method, seed, image, photograph, group, variant, metric, convention, value in reader
            ]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as scores ({error})") from error
