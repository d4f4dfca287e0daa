"""The whole realism comparison: measure, tabulate, draw, and one page that says what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from degradekit import atomicfiles, realism, realism_report
from degradekit import sources as photographs
from degradekit.recipe import Recipe
from degradekit.sources import Source

#: Grain is compared at the recipe's scale on a print scanned at 600 dpi, where it can be seen.
GRAIN_PX_PER_MM = 600 / 25.4


def write(
    out: Path,
    recipe: Recipe,
    sources: Sequence[Source],
    annotations: Path | None,
    real: Path | None,
    frames: int,
    copies: int,
    seed: int,
    on_frame: Callable[[int, int], None] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Write tables, figures and ``realism.md`` into ``out``; returns the page and the verdict.

    Raises:
        DataError: the annotations or the real photographs are missing or damaged.
    """
    labelled = realism.read_annotations(annotations) if annotations else None
    real_casts = realism.real_casts(photographs.find([str(real)])) if real else []
    title = f"# Realism of `{recipe.name}`"
    parts = [title, f"Seed {seed}; {frames} frames; {copies} samples of each photograph."]
    verdict: dict[str, Any] = {}
    if labelled:
        defects, pitches = labelled
        made = realism.generate_defects(recipe, frames, pitches, seed, on_frame)
        realism_report.defects_figure(out / "defects.png", defects, made)
        table = realism_report.write_table(out, "defects", realism.compare_defects(defects, made))
        areas = f"On {defects.area_mm2:.0f} mm2 of real film and {made.area_mm2:.0f} mm2 of ours."
        verdict = realism.verdict(defects, made)
        found = realism_report.write_table(out, "verdict", realism_report.verdict_rows(verdict))
        parts += ["## Defects", found, areas, table, "![Defects](defects.png)"]
    casts, covers = realism.generated_samples(recipe, sources, copies, seed)
    rows = realism_report.coverage_rows(covers, labelled[0] if labelled else None)
    parts += ["## Coverage", realism_report.write_table(out, "coverage", rows)]
    grain = realism.grain_of(recipe, seed, GRAIN_PX_PER_MM)
    if grain:
        curves = realism.grain_curves(*grain, seed)
        realism_report.grain_figure(out / "grain.png", curves)
        table = realism_report.write_table(out, "grain", realism_report.grain_rows(curves))
        setting = "Radius {:.3f} px, spread {:.2f}, blur {:.2f} px (600 dpi).".format(*grain)
        parts += ["## Grain", setting, table, "![Grain](grain.png)"]
    if real_casts:
        realism_report.cast_figure(out / "colour.png", real_casts, casts)
        table = realism_report.write_table(out, "colour", realism_report.cast_rows(real_casts, casts))
        counts = f"{len(real_casts)} real photographs, {len(casts)} of ours (CIELAB)."
        parts += ["## Colour", counts, table, "![Colour](colour.png)"]
    atomicfiles.write_text(out / "realism.md", "\n\n".join(parts) + "\n")
    return out / "realism.md", verdict
