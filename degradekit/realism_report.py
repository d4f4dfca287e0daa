"""The realism comparison as files: tables (CSV, Markdown) and figures (PNG)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from degradekit import atomicfiles, realism
from degradekit.realism import Cast, Defects, GrainCurves

REAL, MADE = "#4d4d4d", "#d55e00"


def write_table(folder: Path, name: str, rows: Sequence[dict[str, Any]]) -> str:
    """Write ``name``.csv and return the same rows as a Markdown table."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomicfiles.write_text(folder / f"{name}.csv", buffer.getvalue())
    head = "| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0])
    body = ["| " + " | ".join(_text(value) for value in row.values()) + " |" for row in rows]
    return "\n".join([head, *body])


def defects_figure(path: Path, real: Defects, made: Defects) -> None:
    """Histograms on logarithmic axes: one row for each class, one column for each measure."""
    plt = _pyplot()
    names = sorted(real.found)
    figure, axes = plt.subplots(len(names), 3, figsize=(10, 2.2 * len(names)), squeeze=False)
    for row, name in zip(axes, names, strict=True):
        for axis, (measure, unit) in zip(row, realism.MEASURES.items(), strict=True):
            values = real.found[name][measure]
            others = made.found.get(name, {}).get(measure, [])
            both = np.concatenate([values, others])
            bins = np.geomspace(both.min(), both.max() * 1.001, 32)
            axis.hist(values, bins, density=True, color=REAL, alpha=0.45, label=f"real, n {len(values)}")
            if others:
                axis.hist(
                    others,
                    bins,
                    density=True,
                    histtype="step",
                    color=MADE,
                    lw=1.5,
                    label=f"ours, n {len(others)}",
                )
            axis.set(xscale="log", yticks=[], xlabel=f"{name}: {measure} ({unit.replace('um', 'µm')})")
            axis.legend(fontsize=7, frameon=False)
            axis.spines[["top", "right", "left"]].set_visible(False)
    _save(figure, path)


def grain_figure(path: Path, curves: GrainCurves) -> None:
    """Noise against level, and autocorrelation, of the default grain and of discs really thrown."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    left.plot(curves.levels, curves.boolean_sd, "o", color=REAL, label="discs really thrown")
    left.plot(curves.levels, curves.second_order_sd, "-", color=MADE, label="second-order model")
    left.set(xlabel="gray level", ylabel="standard deviation", ylim=(0, None))
    right.plot(curves.lags, curves.boolean_acf, "o", color=REAL)
    right.plot(curves.lags, curves.second_order_acf, "-", color=MADE)
    right.set(xlabel="distance (px)", ylabel="autocorrelation at mid gray")
    left.legend(frameon=False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def cast_figure(path: Path, real: Sequence[Cast], made: Sequence[Cast]) -> None:
    """Where real old photographs and generated ones lie in colour, and their black and white points."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    for casts, colour, label in ((made, MADE, "ours"), (real, REAL, "real")):
        size = 60 if casts is real else 16
        left.scatter(
            [c.a for c in casts], [c.b for c in casts], s=size, color=colour, alpha=0.7, label=label, lw=0
        )
        right.scatter(
            [c.black for c in casts], [c.white for c in casts], s=size, color=colour, alpha=0.7, lw=0
        )
    left.axhline(0, color="#cccccc", lw=0.8, zorder=0)
    left.axvline(0, color="#cccccc", lw=0.8, zorder=0)
    left.set(xlabel="mean a* (green to red)", ylabel="mean b* (blue to yellow)")
    right.set(xlabel="lightness of the 1 % point", ylabel="lightness of the 99 % point")
    left.legend(frameon=False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def verdict_rows(verdict: dict[str, dict[str, float | None]]) -> list[dict[str, Any]]:
    """One row for each class: distances of area and length, ratio of median counts per frame."""
    return [{"class": name, **values} for name, values in verdict.items()]


def grain_rows(curves: GrainCurves) -> list[dict[str, Any]]:
    """Standard deviation of both models at each gray level."""
    return [
        {"level": float(level), "boolean_sd": float(exact), "second_order_sd": float(ours)}
        for level, exact, ours in zip(curves.levels, curves.boolean_sd, curves.second_order_sd, strict=True)
    ]


def cast_rows(real: Sequence[Cast], made: Sequence[Cast]) -> list[dict[str, Any]]:
    """Median and 5 to 95 % of each colour measure."""
    rows = []
    for measure in ("a", "b", "black", "white"):
        row: dict[str, Any] = {"measure": measure}
        for label, casts in (("real", real), ("generated", made)):
            values = np.array([getattr(item, measure) for item in casts])
            for quantile in realism.QUANTILES:
                row[f"{label}_q{quantile * 100:02.0f}"] = (
                    float(np.quantile(values, quantile)) if len(values) else None
                )
        rows.append(row)
    return rows


def coverage_rows(covers: dict[str, list[float]], real: Defects | None) -> list[dict[str, Any]]:
    """Coverage of each class in per cent: quantiles over samples, and the real mean where it is known."""
    rows = []
    for name, values in covers.items():
        known = real.found.get(name) if real else None
        mean = 100 * sum(known["area"]) / 1e6 / real.area_mm2 if known and real else None
        row: dict[str, Any] = {"class": name, "real_mean_percent": mean}
        row["generated_mean_percent"] = 100 * float(np.mean(values))
        for quantile in realism.QUANTILES:
            row[f"generated_q{quantile * 100:02.0f}_percent"] = 100 * float(np.quantile(values, quantile))
        rows.append(row)
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.tight_layout()
    figure.savefig(buffer, format="png", dpi=150)
    _pyplot().close(figure)
    atomicfiles.write_bytes(path, buffer.getvalue())
