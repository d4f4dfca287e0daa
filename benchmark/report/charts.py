"""Curves of a run: learning, cost, perception against distortion, damage and severity, ranks, detection."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.data import PairSet
from benchmark.metrics import Metric
from benchmark.metrics.detection import Detection
from benchmark.report import Line, Report, picked
from benchmark.report.detection_curves import STYLES
from benchmark.report.figures import drawing, save
from benchmark.significance import Ranks
from benchmark.store import Store
from degradekit import imagefiles, manifest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = ("png", "svg", "pdf")
#: Width, in inches, of a figure with names beside the panel.
WITH_NAMES = 7.2
#: Bins of the curves along coverage and severity, of as many images each.
BINS = 4


def learning(report: Report, runs: Sequence[Store], folder: Path) -> None:
    """``learning``: validation PSNR of every trained method against its steps.

    Of several seeds, a thin line for each and their mean.
    """
    logs = {
        line.name: [log for store in runs if (log := _log(store, line.name))]
        for line in report.lines
        if line.trained
    }
    logs = {name: of_seeds for name, of_seeds in logs.items() if of_seeds}
    if not logs:
        return

    def draw(axes: Axes) -> None:
        for number, (name, of_seeds) in enumerate(logs.items()):
            for log in of_seeds if len(of_seeds) > 1 else ():
                axes.plot(*_curve(log), **_style(number), linewidth=0.6, alpha=0.6)
            label = name if len(of_seeds) == 1 else f"{name}, mean of {len(of_seeds)} seeds"
            axes.plot(*_curve(*of_seeds), **_style(number), marker="o", markersize=3, label=label)
        axes.set_xlabel("steps")
        axes.set_ylabel("validation PSNR (dB)")
        _legend(axes)

    _one(draw, folder / "learning", width=WITH_NAMES)


def cost(report: Report, runs: Sequence[Store], folder: Path) -> None:
    """``cost``: the first metric against seconds of training, of several seeds their mean."""
    metric = report.metrics[0]
    points = [
        (_seconds(runs, line), _mean(line, metric), line.name) for line in report.scored if line.trained
    ]
    if points:
        _one(lambda axes: _scatter(axes, points, "seconds of training", metric.heading), folder / "cost")


def perception(report: Report, folder: Path) -> None:
    """``perception``: LPIPS or FID against PSNR, when the run has both."""
    by_name = {metric.name: metric for metric in report.metrics}
    other = next((metric for name, metric in by_name.items() if name.startswith(("lpips", "fid"))), None)
    distortion = by_name.get("psnr")
    if other is None or distortion is None:
        return
    points = [(_mean(line, distortion), _mean(line, other), line.name) for line in report.scored]
    if any(math.isfinite(y) for _, y, _ in points):
        _one(lambda axes: _scatter(axes, points, distortion.heading, other.heading), folder / "perception")


def damage(report: Report, store: Store, folder: Path) -> None:
    """``coverage`` and ``severity``: a metric of single images along the lost share, and the input's PSNR.

    It is the first of these; without one there are no figures.
    """
    metric = picked.leading(report)
    if metric is None:
        return
    pairs = PairSet(store.data("test"))
    psnr = {stem: _psnr(pairs.degraded(index), pairs.clean(index)) for index, stem in enumerate(pairs.stems)}
    lost = {stem: 100 * float(pairs.mask(index).mean()) / 255 for index, stem in enumerate(pairs.stems)}
    for name, along, label in (
        ("coverage", lost, "lost pixels (%)"),
        ("severity", psnr, "PSNR of the degraded image (dB)"),
    ):
        _one(_binned(report, metric, along, label), folder / name, width=WITH_NAMES)


def ranks(found: Ranks, metric: Metric, folder: Path) -> None:
    """``ranks``: mean ranks on a line, best left; a bar joins methods within the critical difference."""

    def draw(axes: Axes) -> None:
        names = list(found.mean)
        for place, name in enumerate(names):
            axes.plot([found.mean[name]] * 2, [0, -1 - place], color="#9aa0a6", linewidth=0.8)
            axes.plot(found.mean[name], 0, "o", color="#0072b2", markersize=5)
            axes.text(
                found.mean[name],
                -1 - place,
                f" {name} ({found.mean[name]:.2f})",
                va="center",
                fontsize=8,
                # The lines of later methods pass behind it.
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        for number, clique in enumerate(found.cliques()):
            ends = [found.mean[clique[0]], found.mean[clique[-1]]]
            axes.plot(ends, [0.5 + 0.4 * number] * 2, color="#d55e00", linewidth=3)
        axes.set_xlabel(
            f"mean rank by {metric.name.upper()}; critical difference {found.critical_difference:.2f}"
        )
        axes.set_xlim(0.7, len(names) + 1.3)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)

    _one(draw, folder / "ranks", height=1.6 + 0.28 * len(found.mean))


def detection(report: Report, runs: Sequence[Store], folder: Path) -> None:
    """``detection``: ROC and precision-recall curves of the run's detector on the test images, by seed."""
    from benchmark.report import detection_curves

    name = report.profile.detector
    found = {}
    for seed, store in zip(report.seeds, runs, strict=True):
        maps = store.detected(name, "test")
        if "restore" not in store.done(name) or not maps.is_dir():
            continue
        pairs = PairSet(store.data("test"))
        counted = Detection()
        for index, stem in enumerate(pairs.stems):
            counted.add(imagefiles.read(maps / f"{stem}.png").rgb[..., 0], pairs.mask(index))
        if 0 < counted.histogram.prevalence < 1:
            found[name if len(runs) == 1 else f"{name}, seed {seed}"] = counted.histogram
    for suffix in SUFFIXES if found else ():
        detection_curves.figure({"test images": found}, folder / f"detection.{suffix}")


def _log(store: Store, name: str) -> list[dict[str, Any]]:
    path = store.method(name) / "training.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _curve(*logs: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    """Steps that every log has, and their mean validation PSNR."""
    found = [{line["step"]: line["val_psnr"] for line in log} for log in logs]
    steps = [step for step in found[0] if all(step in log for log in found)]
    return steps, [sum(log[step] for log in found) / len(found) for step in steps]


def _seconds(runs: Sequence[Store], line: Line) -> float:
    name = str(line.about.get("weights_of", line.name))
    paths = [path for store in runs if (path := store.method(name) / "cost.json").is_file()]
    return sum(float(manifest.read_json(path)["seconds"]) for path in paths) / max(len(paths), 1)


def _mean(line: Line, metric: Metric) -> float:
    return line.summaries[metric.name].mean


def _psnr(degraded: np.ndarray[Any, Any], clean: np.ndarray[Any, Any]) -> float:
    error = float(np.mean((degraded.astype(np.float64) - clean) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-10))


def _binned(report: Report, metric: Metric, along: Mapping[str, float], label: str) -> Callable[[Axes], None]:
    """Draws means of the metric over images in bins of equal count along a quantity."""
    ordered = sorted(along, key=lambda stem: (along[stem], stem))
    bins = [list(part) for part in np.array_split(np.array(ordered), min(BINS, len(ordered)))]
    of_seeds: dict[tuple[str, str], list[float]] = {}
    for row in report.rows:
        if row.metric == metric.name:
            of_seeds.setdefault((row.method, row.image), []).append(row.value)
    values = {which: sum(known) / len(known) for which, known in of_seeds.items()}

    def draw(axes: Axes) -> None:
        for number, line in enumerate(report.scored):
            points = []
            for part in bins:
                known = [values[line.name, stem] for stem in part if (line.name, stem) in values]
                known = [value for value in known if math.isfinite(value)]
                if known:
                    points.append((np.mean([along[stem] for stem in part]), np.mean(known)))
            if points:
                axes.plot(
                    *zip(*points, strict=True), **_style(number), marker="o", markersize=3, label=line.name
                )
        axes.set_xlabel(label)
        axes.set_ylabel(metric.heading)
        _legend(axes)

    return draw


def _legend(axes: Axes) -> None:
    """The lines' names beside the panel, where they hide none."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(loc="outside right upper", frameon=False, fontsize=7.5)


def _scatter(axes: Axes, points: list[tuple[float, float, str]], x_label: str, y_label: str) -> None:
    shown = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    for x, y, _ in shown:
        axes.plot(x, y, "o", color="#0072b2")
    for x, y, names in _together(shown):
        axes.annotate(
            "\n".join(names), (x, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7.5
        )
    axes.margins(0.15)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)


def _together(points: list[tuple[float, float, str]]) -> list[tuple[float, float, list[str]]]:
    """Places of labels: points whose labels would lie over each other share one."""
    width, height = (np.ptp([point[axis] for point in points] or [0.0]) or 1.0 for axis in (0, 1))
    labels: list[tuple[float, float, list[str]]] = []
    for x, y, name in sorted(points, key=lambda point: -point[1]):
        for left, top, names in labels:
            if abs(x - left) < 0.25 * width and 0 <= top - y < 0.05 * height * len(names):
                names.append(name)
                break
        else:
            labels.append((x, y, [name]))
    return labels


def _style(number: int) -> dict[str, Any]:
    colour, _ = STYLES[number % len(STYLES)]
    return {"color": colour, "linestyle": ("-", "--", "-.", ":")[number // len(STYLES) % 4]}


def _one(draw: Callable[[Axes], None], path: Path, height: float = 3.6, width: float = 5.6) -> None:
    """A figure of one panel, in every format."""
    with drawing(width, height) as figure:
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        axes.grid(color="#e4e4e4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        for suffix in SUFFIXES:
            save(figure, path.with_suffix(f".{suffix}"))
