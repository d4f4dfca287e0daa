"""ROC and precision-recall curves of detectors: one figure, one table of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.metrics.detection import Curve, Histogram, area_under_roc, average_precision, curve
from benchmark.report.figures import drawing, save
from degradekit import atomicfiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, told apart by the colour-blind, and dashes for print without colour.
STYLES: Sequence[tuple[str, str]] = (
    ("#0072b2", "-"),
    ("#d55e00", "--"),
    ("#009e73", "-."),
    ("#cc79a7", ":"),
    ("#56b4e9", "-"),
    ("#e69f00", "--"),
)
COLUMNS = "detector,test,cut,recall,precision,false_alarms"


def figure(curves: Mapping[str, Mapping[str, Histogram]], path: Path) -> None:
    """Write ``path`` (.png, .svg or .pdf): a row per test set; ROC left, precision and recall right.

    Args:
        curves: test set -> detector -> its histogram there.
        path: the figure's file.
    """
    with drawing(8.6, 0.5 + 3.6 * len(curves)) as page:
        page.set_layout_engine("constrained")
        rows = page.subplots(len(curves), 2, squeeze=False)
        for (left, right), (test, detectors) in zip(rows, curves.items(), strict=True):
            prevalence = next(iter(detectors.values())).prevalence
            for number, (name, histogram) in enumerate(detectors.items()):
                colour, dash = STYLES[number % len(STYLES)]
                line = curve(histogram).thinned()
                area, precision = area_under_roc(histogram), average_precision(histogram)
                left.plot(
                    [0, *line.false_alarms, 1],
                    [0, *line.recall, 1],
                    dash,
                    color=colour,
                    label=f"{name}, AUC {area:.3f}",
                )
                right.plot(
                    line.recall, line.precision, dash, color=colour, label=f"{name}, AP {precision:.3f}"
                )
            left.plot([0, 1], [0, 1], color="#9aa0a6", linewidth=0.8)
            right.axhline(prevalence, color="#9aa0a6", linewidth=0.8)
            _dress(left, f"{test}: ROC", "kept pixels called lost", "lost pixels found")
            title = f"{test}: {100 * prevalence:.2f} % of pixels lost"
            _dress(right, title, "lost pixels found (recall)", "of those found, lost (precision)")
            left.legend(loc="lower right", frameon=False, fontsize=7.5)
            right.legend(loc="best", frameon=False, fontsize=7.5)
        save(page, path)


def table(curves: Mapping[str, Mapping[str, Histogram]], path: Path) -> None:
    """Write the points of all curves as CSV, thinned out as they are drawn."""
    lines = [COLUMNS]
    for test, detectors in curves.items():
        for name, histogram in detectors.items():
            lines += [f"{_cell(name)},{_cell(test)},{point}" for point in _points(curve(histogram).thinned())]
    atomicfiles.write_text(path, "\n".join(lines) + "\n")


def _points(line: Curve) -> list[str]:
    columns = (line.cut, line.recall, line.precision, line.false_alarms)
    return [",".join(f"{value:.7g}" for value in point) for point in zip(*columns, strict=True)]


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
