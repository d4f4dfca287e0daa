"""The figures of a run: intervals of every metric, and the same places of an image for every method."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmark.data import PairSet, Pixels
from benchmark.metrics import Metric
from benchmark.report import Report, picked
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINED, UNTRAINED = "#0072b2", "#5f6368"
BOX = "#e69f00"
#: Side of the enlarged place in the examples, in image pixels.
ZOOM_PX = 128
PANELS_PER_ROW = 7
#: Side of a panel, and width of the picture that shows the whole image, in panels.
PANEL_INCH, WHOLE_WIDTH = 1.75, 1.6


#: Panels of metrics side by side.
METRICS_PER_ROW = 4


def intervals(report: Report, folder: Path) -> None:
    """``intervals.png`` and ``.svg``: one panel per metric; mean, bootstrap interval, every photograph.

    Metrics of which no method has a value have no panel; without any there is no figure.
    """
    lines = report.scored
    shown = [
        metric
        for metric in report.metrics
        if any(not math.isnan(line.summaries[metric.name].mean) for line in lines)
    ]
    if not shown:
        return
    columns = min(len(shown), METRICS_PER_ROW)
    rows = -(-len(shown) // columns)
    height = 0.4 + rows * (0.75 + 0.42 * len(lines))
    with drawing(3.6 * columns + 1.2, height) as figure:
        figure.set_layout_engine("constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, metric in zip(grid.flat, shown, strict=False):
            for place, line in enumerate(lines):
                colour = TRAINED if line.trained else UNTRAINED
                values = report.values[metric.name][line.name]
                values = values[np.isfinite(values)]
                summary = line.summaries[metric.name]
                axes.plot(values, np.full(len(values), place), "|", color=colour, alpha=0.45, markersize=9)
                if not math.isnan(summary.low):
                    axes.plot([summary.low, summary.high], [place, place], color=colour, linewidth=2.2)
                if math.isfinite(summary.mean):
                    face = "white" if line.oracle else colour
                    axes.plot(summary.mean, place, "o", color=colour, markerfacecolor=face, markersize=7)
            axes.set_xlabel(metric.heading)
            axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(len(lines) - 0.5, -0.5)
        grid[0, 0].set_yticks(range(len(lines)), [line.name for line in lines])
        _legend(figure, report)
        for suffix in ("png", "svg", "pdf"):
            save(figure, folder / f"intervals.{suffix}")


@dataclass(frozen=True)
class _Example:
    """One image of the grid: why it is shown, which square is enlarged, and its panels (title, pixels)."""

    title: str
    degraded: Pixels
    top: int
    left: int
    side: int
    panels: list[tuple[str, Pixels]]


def examples(report: Report, store: Store, folder: Path) -> None:
    """``examples.png``: the hardest, a middling and the easiest test image, restored by every method.

    Images are ranked by the first metric of single test images, averaged over the methods: the worst, the
    median and the best one are shown; without such a metric there is no figure. What is enlarged is the
    square in which the methods' outputs and the clean image differ most.
    """
    metric = picked.leading(report)
    if metric is None:
        return
    pairs = PairSet(store.data("test"))
    chosen = _chosen(report, metric)
    names = _changing(report, store, pairs, [stem for _, stem in chosen])
    shown = [_example(report, metric, store, pairs, why, stem, names) for why, stem in chosen]
    columns = min(max(len(example.panels) for example in shown), PANELS_PER_ROW)
    rows_each = max(-(-len(example.panels) // columns) for example in shown)
    width, height = (columns + WHOLE_WIDTH) * PANEL_INCH, len(shown) * rows_each * (PANEL_INCH + 0.28) + 0.3
    with drawing(width, height) as figure:
        grid = figure.add_gridspec(
            len(shown) * rows_each,
            columns + 1,
            width_ratios=[WHOLE_WIDTH] + [1] * columns,
            left=0.01,
            right=0.99,
            top=1 - 0.25 / height,
            bottom=0.3 / height,
            wspace=0.05,
            hspace=0.2,
        )
        for number, example in enumerate(shown):
            first = number * rows_each
            _whole(figure.add_subplot(grid[first : first + rows_each, 0]), example)
            for place, (title, pixels) in enumerate(example.panels):
                row, column = divmod(place, columns)
                _picture(figure.add_subplot(grid[first + row, 1 + column]), pixels, title)
        unit = f" in {metric.unit}" if metric.unit else ""
        note = (
            f"Numbers: {metric.name.upper()}{unit} of the whole image. Enlarged: the square in which the "
            "outputs and the clean image differ most."
        )
        figure.text(0.01, 0.08 / height, note, va="bottom", fontsize=8, color="#444444")
        save(figure, folder / "examples.png")


def _chosen(report: Report, metric: Metric) -> list[tuple[str, str]]:
    """(why, stem) of up to three different images that all methods restored, hardest first."""
    ranked = list(picked.ranked(report, metric, lambda value: not math.isnan(value)))
    # With fewer than three images the later names win.
    picks = {ranked[len(ranked) // 2]: "median", ranked[-1]: "easiest", ranked[0]: "hardest"}
    return [(picks[stem], stem) for stem in ranked if stem in picks]


def _changing(report: Report, store: Store, pairs: PairSet, stems: list[str]) -> list[str]:
    """The methods that change one of these images at least; the others would show the degraded one again.

    Worst first, so that the best stands beside the clean image.
    """
    return [
        line.name
        for line in reversed(report.scored)
        if any(
            not np.array_equal(_restored(store, line.name, stem), pairs.degraded(pairs.stems.index(stem)))
            for stem in stems
        )
    ]


def _restored(store: Store, name: str, stem: str) -> Pixels:
    return imagefiles.read(store.restored(name) / f"{stem}.png").rgb.astype(np.uint8)


def _example(
    report: Report, metric: Metric, store: Store, pairs: PairSet, why: str, stem: str, names: list[str]
) -> _Example:
    index = pairs.stems.index(stem)
    values = {row.method: row.value for row in report.rows if row.image == stem and row.metric == metric.name}
    degraded, clean = pairs.degraded(index), pairs.clean(index)
    outputs = {name: _restored(store, name, stem) for name in names}
    top, left, side = most_different([degraded, *outputs.values(), clean], ZOOM_PX)
    window = (slice(top, top + side), slice(left, left + side))
    before = picked.text(metric, picked.of_degraded(metric, pairs, index))
    panels = [(f"degraded {before}", degraded[window])]
    panels += [(f"{name} {picked.text(metric, values[name])}", outputs[name][window]) for name in names]
    panels.append(("clean", clean[window]))
    return _Example(f"{why}: {pairs.rows[index]['key']}", degraded, top, left, side, panels)


def most_different(images: list[Pixels], side: int) -> tuple[int, int, int]:
    """(top, left, side) of the square with the largest variance between images of one size (H, W, 3)."""
    height, width = images[0].shape[:2]
    side = min(side, height, width)
    variance = np.stack([image.astype(np.float32) for image in images]).var(axis=0).mean(axis=2)
    sums = cv2.integral(variance)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left), side


def _whole(axes: Axes, example: _Example) -> None:
    _picture(axes, example.degraded, example.title)
    corner = (example.left - 0.5, example.top - 0.5)
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(corner, example.side, example.side, fill=False, edgecolor=BOX, linewidth=1.6))


def _picture(axes: Axes, pixels: Pixels, title: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_title(title, fontsize=8, pad=3)
    axes.set_axis_off()


def _legend(figure: Figure, report: Report) -> None:
    from matplotlib.lines import Line2D

    kinds = {(line.trained, line.oracle) for line in report.scored}
    handles = []
    for trained, oracle in sorted(kinds):
        label = ("trained here" if trained else "not trained") + (
            ", told where the damage is" if oracle else ""
        )
        colour = TRAINED if trained else UNTRAINED
        face = "white" if oracle else colour
        handles.append(
            Line2D([], [], color=colour, marker="o", markerfacecolor=face, linewidth=2.2, label=label)
        )
    handles.append(
        Line2D([], [], color=UNTRAINED, marker="|", linestyle="none", markersize=9, label="one photograph")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8)


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """A figure outside pyplot's global state, in one style; the same bytes for the same numbers."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        # A reader's own matplotlibrc must not change our figures.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.size": 9, "svg.hashsalt": "degradekit"})
        yield Figure(figsize=(width, height), dpi=200)


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's ending; the same bytes for the same figure."""
    file = io.BytesIO()
    suffix = path.suffix[1:]
    # Dates and versions would make equal figures differ.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {"Software": None})
    figure.savefig(file, format=suffix, metadata=metadata, facecolor="white")
    atomicfiles.write_bytes(path, file.getvalue())
