"""Measures how like the real thing the shipped recipes are, and writes docs/realism.md with its figures.

``python docs/measure_realism.py --labels CSV --real FOLDER --clean FOLDER``: a CSV of labelled defects on
35 mm frames, real old photographs, and clean photographs to degrade. About ten minutes on one core.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from degradekit import calibration, realism, realism_report, realism_study, recipe, sources
from degradekit.realism import Defects
from degradekit.recipe import Recipe
from degradekit.sources import Source

DOCS = Path(__file__).parent
FIGURES = DOCS / "realism"
#: As `degradekit realism` has it.
FRAMES = 42


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown; numbers with three digits."""

    def text(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(text, line)) + " |" for line in lines)


def against_all(film: Recipe, labels: Path, seeds: Sequence[int]) -> str:
    """Distances and ratios of counts against all scans, for several seeds; draws the figure."""
    real, pitches = realism.read_annotations(labels)
    rows = []
    for seed in seeds:
        made = realism.generate_defects(film, FRAMES, pitches, seed)
        for name, values in realism.verdict(real, made).items():
            spread = f"{min(made.counts[name])} to {max(made.counts[name])}"
            theirs = f"{min(real.counts[name])} to {max(real.counts[name])}"
            rows.append((name, seed, *values.values(), spread, theirs))
        if seed == seeds[0]:
            figure(lambda path, made=made: realism_report.defects_figure(path, real, made), "defects")
    head = ("class", "seed", "KS area", "KS length", "count ratio", "ours per frame", "real per frame")
    return table(head, sorted(rows, key=lambda row: row[:2]))


def against_each(film: Recipe, labels: Path) -> str:
    """KS distance of areas from every single scan: ours, and that of the other scans put together."""
    with labels.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    scans = sorted({line["scan"] for line in lines})
    made: dict[float, Defects] = {}
    rows: list[tuple[Any, ...]] = []
    for scan in scans:
        alone = _part(lines, [line for line in lines if line["scan"] == scan])
        rest = _part(lines, [line for line in lines if line["scan"] != scan])
        pitch = alone[1][0]
        if pitch not in made:
            made[pitch] = realism.generate_defects(film, 14, [pitch], 0)
        for name in sorted(alone[0].found):
            count = len(alone[0].found[name]["area"])
            if count < 15:
                continue
            ours = realism.verdict(alone[0], made[pitch])[name]["ks_area"]
            others = realism.verdict(alone[0], rest[0]).get(name, {}).get("ks_area")
            rows.append((name, scan, count, ours, others))
    rows.sort()
    means = [
        (name, "mean", "", *(statistics.mean(row[at] for row in rows if row[0] == name) for at in (3, 4)))
        for name in sorted({row[0] for row in rows})
    ]
    return table(("class", "scan", "labels", "ours", "other scans"), [*rows, *means])


def _part(lines: list[dict[str, str]], chosen: list[dict[str, str]]) -> tuple[Defects, list[float]]:
    """The annotations of some lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(chosen)
        return realism.read_annotations(path)


def colour(real: Path, clean: Sequence[Source]) -> str:
    """Colour of old-photo beside real photographs; draws the figure."""
    casts = realism.real_casts(sources.find([str(real)]))
    made, _ = realism.generated_samples(recipe.load("old-photo"), clean, 6, 0)
    before = [realism.cast(source.key, source.read().image()) for source in clean]
    figure(lambda path: realism_report.cast_figure(path, casts, made), "colour")
    rows = []
    for name in ("a", "b", "black", "white"):
        for label, group in (("real", casts), ("old-photo", made), ("clean", before)):
            values = [getattr(item, name) for item in group]
            rows.append((name, label, *(float(np.quantile(values, q)) for q in realism.QUANTILES)))
    return table(("CIELAB", "of", "5 %", "median", "95 %"), rows)


def paper(clean: Sequence[Source], seeds: Sequence[int]) -> str:
    """Mean PSNR of old-photo-paper's inputs, and what other severities give."""
    shipped = recipe.load("old-photo-paper")
    bitmaps = [(source.key, source.read()) for source in clean]
    rows = []
    for factor in (0.5, 0.75, 1.0, 1.25):
        chosen = shipped.at_severity(shipped.severity * factor)
        means, spreads = [], []
        for seed in seeds:
            found = calibration.scores(chosen, bitmaps, calibration.psnr, 8, 256, seed)
            means.append(float(found.mean()))
            spreads.append(float(found.std()))
        note = " (as shipped)" if factor == 1 else ""
        rows.append(
            (f"{chosen.severity:.2f}{note}", statistics.mean(means), min(means), max(means), max(spreads))
        )
    return table(("severity", "mean PSNR, dB", "lowest seed", "highest seed", "sd of samples"), rows)


def figure(draw: Any, name: str) -> None:
    """Draw a figure and keep it as a small JPEG."""
    path = FIGURES / f"{name}.png"
    draw(path)
    picture = cv2.imread(str(path))
    small = cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path.with_suffix(".jpg")), small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    path.unlink()


@click.command()
@click.option("--labels", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--real", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--clean", type=click.Path(exists=True, path_type=Path), required=True)
def main(labels: Path, real: Path, clean: Path) -> None:
    """Measure, and write docs/realism.md and docs/realism/."""
    FIGURES.mkdir(exist_ok=True)
    film, found = recipe.load("film-scan"), sources.find([str(clean)])
    grain = realism.grain_of(recipe.load("old-photo"), 0, realism_study.GRAIN_PX_PER_MM)
    assert grain is not None
    curves = realism.grain_curves(*grain, 0)
    figure(lambda path: realism_report.grain_figure(path, curves), "grain")
    parts = [
        "# Realism, measured",
        "Made by `python docs/measure_realism.py`; `degradekit realism` measures any recipe and any labels.",
        "## Defects of film",
        f"`film-scan` against labels drawn by hand ({labels.name}): Kolmogorov-Smirnov distance of areas and "
        f"lengths in physical units, and median number per frame over the real one; {FRAMES} frames a seed.",
        against_all(film, labels, (0, 1, 2)),
        "![Defects](realism/defects.jpg)",
        "No scan is like another. Area distance from each single scan, of our frames at its resolution and "
        "of all other scans together (what a fit without that scan could reach):",
        against_each(film, labels),
        "## Grain",
        "Radius {:.3f} px, spread {:.2f}, scanner blur {:.2f} px: the default model and discs that are "
        "really thrown.".format(*grain),
        "![Grain](realism/grain.jpg)",
        "## Colour",
        "Mean a* and b*, and lightness of the 1 % and 99 % points, of real old photographs, of `old-photo` "
        "and of the clean photographs that it was made from.",
        colour(real, found),
        "![Colour](realism/colour.jpg)",
        "## Calibration of `old-photo-paper`",
        f"{len(found)} photographs, crops of 256 px, 8 each, three seeds. The severity was set on these and "
        "300 more photographs, so that the mean over all is 12.9 dB.",
        paper(found, (1, 2, 3)),
    ]
    (DOCS / "realism.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
