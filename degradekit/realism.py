"""How like the real thing: generated statistics beside measured ones. Numbers only; figures are next door."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit import grainmodel, ops, pairs
from degradekit.drawn import DrawnStep
from degradekit.errors import DataError
from degradekit.imagefiles import Bitmap
from degradekit.levels import Image, quantise
from degradekit.photo import Photo
from degradekit.randomness import generator, stream
from degradekit.recipe import Recipe
from degradekit.sources import Source

Values = NDArray[np.float64]

#: Columns a file of labelled defects needs; one row each defect, lengths in pixels.
COLUMNS = ("scan", "label", "area_px", "length_px", "width_px", "um_per_px")
#: Label -> defect class. Labels not listed are taken as they are, in lower case.
LABELS = {"long hair": "hair", "short hair": "hair"}
MEASURES = {"area": "um2", "length": "um", "width": "um"}
#: The annotated frames are 36 x 24 mm.
FRAME_MM = (24.0, 36.0)
#: A generated object counts where its mask exceeds this: half of the usual opacity, so outlines are true.
SEEN = 0.4
#: The smallest object people outlined, in pixels.
SMALLEST_PX = 36
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(slots=True)
class Defects:
    """Objects of each class on a known area: class -> measure -> values in um or um2, one each object.

    ``counts``: class -> number of objects on each frame.
    """

    area_mm2: float = 0.0
    found: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, name: str, area_um2: float, length_um: float, width_um: float) -> None:
        """Count one object."""
        of_class = self.found.setdefault(name, {measure: [] for measure in MEASURES})
        for measure, value in zip(MEASURES, (area_um2, length_um, width_um), strict=True):
            of_class[measure].append(value)


def read_annotations(path: Path) -> tuple[Defects, list[float]]:
    """Labelled defects of a CSV file, and the resolution of each of its scans in um per pixel.

    Raises:
        DataError: the file is missing or empty, a column is missing, or a value is no number or too small.
    """
    defects = Defects()
    scans: dict[str, float] = {}
    on_frame: dict[str, Counter[str]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
            for number, row in enumerate(reader, 2):
                values = _numbers(path, number, row)
                # Outlines of no size are slips of the hand.
                if not all(values.values()):
                    continue
                pitch = scans.setdefault(row["scan"], values["um_per_px"])
                label = row["label"].strip().lower()
                lengths = sorted((values["length_px"] * pitch, values["width_px"] * pitch), reverse=True)
                name = LABELS.get(label, label)
                defects.add(name, values["area_px"] * pitch**2, *lengths)
                on_frame.setdefault(name, Counter())[row["scan"]] += 1
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not scans:
        raise DataError(f"{path}: holds no defect")
    defects.area_mm2 = len(scans) * FRAME_MM[0] * FRAME_MM[1]
    defects.counts = {name: [number[scan] for scan in scans] for name, number in on_frame.items()}
    return defects, list(scans.values())


def _numbers(path: Path, number: int, row: dict[str, str]) -> dict[str, float]:
    values = {}
    for name in COLUMNS[2:]:
        try:
            values[name] = float(row[name])
        except (TypeError, ValueError):
            raise DataError(f"{path}: line {number}: {name} is a number, got {row[name]!r}") from None
        may_be_zero = name != "um_per_px"
        if not (0 < values[name] < np.inf or (values[name] == 0 and may_be_zero)):
            rule = "at least 0" if may_be_zero else "above 0"
            raise DataError(f"{path}: line {number}: {name} is {rule}, got {row[name]!r}")
    return values


def generate_defects(
    recipe: Recipe,
    frames: int,
    pitches: Sequence[float],
    seed: int,
    on_frame: Callable[[int, int], None] | None = None,
) -> Defects:
    """Objects a recipe paints on ``frames`` empty gray 35 mm frames, outlined as people would.

    The frames take turns in having the resolutions ``pitches`` (um per pixel), as the real scans did. Rates
    differ from frame to frame as the recipe says, evenly spread: the median of a few frames is the recipe's.
    """
    defects = Defects()
    for frame, steps in enumerate(recipe.draw_evenly(seed, "frame", frames)):
        um_per_px = pitches[frame % len(pitches)]
        height, width = (round(side * 1000 / um_per_px) for side in FRAME_MM)
        gray = np.full((height, width, 3), 0.5, dtype=np.float32)
        for step in steps:
            op = ops.find(step.op)
            if op.masks:
                photo = op(Photo(gray, 1000 / um_per_px), generator(step.seed), **step.values)
                for name in set(op.masks) & set(photo.masks):
                    _outline(defects, name, quantise(photo.masks[name]), um_per_px)
        defects.area_mm2 += FRAME_MM[0] * FRAME_MM[1]
        for name, measures in defects.found.items():
            earlier = defects.counts.setdefault(name, [0] * frame)
            earlier.append(len(measures["area"]) - sum(earlier))
        if on_frame:
            on_frame(frame + 1, frames)
    return defects


def _outline(defects: Defects, name: str, mask: NDArray[Any], um_per_px: float) -> None:
    contours, _ = cv2.findContours(
        (mask > SEEN * 255).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    for contour in contours:
        # A contour runs through the centres of the border pixels; half a pixel is missing all around.
        box = sorted(side + 1 for side in cv2.minAreaRect(contour)[1])
        area = cv2.contourArea(contour) + len(contour) / 2 + 1
        if area >= SMALLEST_PX:
            defects.add(name, area * um_per_px**2, box[1] * um_per_px, box[0] * um_per_px)


def compare_defects(real: Defects, made: Defects) -> list[dict[str, Any]]:
    """One row for each class and measure: counts, quantiles of both, Kolmogorov-Smirnov distance."""
    from scipy.stats import ks_2samp

    rows = []
    for name in sorted(real.found):
        for measure, unit in MEASURES.items():
            a = np.array(real.found[name][measure])
            b = np.array(made.found.get(name, {}).get(measure, []))
            row: dict[str, Any] = {"class": name, "measure": f"{measure} ({unit})"}
            for label, values, area in (("real", a, real.area_mm2), ("generated", b, made.area_mm2)):
                row[f"{label}_n"] = len(values)
                row[f"{label}_per_mm2"] = len(values) / area if area else None
                for quantile in QUANTILES:
                    row[f"{label}_q{quantile * 100:02.0f}"] = (
                        float(np.quantile(values, quantile)) if len(values) else None
                    )
            row["ks"] = float(ks_2samp(a, b).statistic) if len(b) else None
            rows.append(row)
    return rows


def verdict(real: Defects, made: Defects) -> dict[str, dict[str, float | None]]:
    """For each class the Kolmogorov-Smirnov distances of area and length, and the ratio of median counts.

    Counts are per frame, ours over the real ones.
    """
    rows = {
        (row["class"], row["measure"].partition(" ")[0]): row["ks"] for row in compare_defects(real, made)
    }
    return {
        name: {
            "ks_area": rows[name, "area"],
            "ks_length": rows[name, "length"],
            "count_ratio": float(np.median(made.counts[name]) / np.median(real.counts[name]))
            if made.counts.get(name) and np.median(real.counts[name])
            else None,
        }
        for name in sorted(real.found)
    }


@dataclass(frozen=True, slots=True)
class GrainCurves:
    """Grain against gray level and distance, of the op and of discs really thrown."""

    levels: Values
    second_order_sd: Values
    boolean_sd: Values
    lags: Values
    second_order_acf: Values
    boolean_acf: Values


def grain_curves(radius_px: float, spread: float, blur_px: float, seed: int, side: int = 256) -> GrainCurves:
    """Noise against level, and autocorrelation at mid gray, of the default grain and of the exact model."""
    levels = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    lags = np.arange(6, dtype=np.float64)
    sd: list[list[float]] = [[], []]
    acf: list[Values] = []
    values: dict[str, float | str] = {
        "radius_um": radius_px * 1000, "radius_spread": spread, "scanner_blur_px": blur_px,
        "chroma": 0.0, "model": "second_order",
    }  # fmt: skip
    for level in levels:
        flat = np.full((side, side, 3), level, dtype=np.float32)
        default = ops.find("film_grain")(Photo(flat, 1.0), stream(seed, "grain", str(level)), **values)
        exact = grainmodel.covered(
            flat[..., 0], radius_px, spread, blur_px, stream(seed, "discs", str(level))
        )
        planes = [plane[8:-8, 8:-8].astype(np.float64) for plane in (default.image[..., 0], exact)]
        for results, plane in zip(sd, planes, strict=True):
            results.append(float(plane.std()))
        if level == 0.5:
            acf = [_autocorrelation(plane, lags) for plane in planes]
    return GrainCurves(levels, np.array(sd[0]), np.array(sd[1]), lags, acf[0], acf[1])


def _autocorrelation(plane: Values, lags: Values) -> Values:
    plane = plane - plane.mean()
    width = plane.shape[1]
    along = [float((plane[:, : width - int(lag)] * plane[:, int(lag) :]).mean()) for lag in lags]
    return np.array(along) / along[0]


@dataclass(frozen=True, slots=True)
class Cast:
    """Colour of one picture: mean CIELAB a* and b*, and the lightness of its 1 % and 99 % points."""

    name: str
    a: float
    b: float
    black: float
    white: float


def cast(name: str, image: Image) -> Cast:
    """Measure an sRGB picture, float32 (H, W, 3) in [0, 1]."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    black, white = np.quantile(lab[..., 0], [0.01, 0.99])
    return Cast(name, float(lab[..., 1].mean()), float(lab[..., 2].mean()), float(black), float(white))


def real_casts(sources: Iterable[Source]) -> list[Cast]:
    """The colour of real photographs."""
    return [cast(source.key, source.read().image()) for source in sources]


def generated_samples(
    recipe: Recipe, sources: Sequence[Source], copies: int, seed: int
) -> tuple[list[Cast], dict[str, list[float]]]:
    """Colour of each degraded sample, and the coverage of each class in it."""
    casts: list[Cast] = []
    covers: dict[str, list[float]] = {}
    for source in sources:
        bitmap: Bitmap = source.read()
        for variant in range(copies):
            pair, _ = pairs.make(bitmap, recipe, seed, source.key, variant, None)
            casts.append(cast(f"{source.key}#{variant}", pair.degraded.image()))
            for name, mask in pair.masks.items():
                covers.setdefault(name, []).append(float(mask.mean()) / 255)
    return casts, covers


def grain_of(recipe: Recipe, seed: int, px_per_mm: float) -> tuple[float, float, float] | None:
    """(radius px, spread, blur px) of the first film grain the recipe draws in twenty samples, if any."""
    drawn: Iterable[DrawnStep] = (
        step for sample in range(20) for step in recipe.draw(seed, f"grain-{sample}", 0, px_per_mm).steps
    )
    for step in drawn:
        if step.op == "film_grain":
            numbers = {
                name: float(value) for name, value in step.values.items() if not isinstance(value, str)
            }
            radius = numbers["radius_um"] * 1e-3 * px_per_mm
            return radius, numbers["radius_spread"], numbers["scanner_blur_px"]
    return None
