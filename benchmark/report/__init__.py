"""Everything a reader sees, made from a run's scores and images alone; no method is needed for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark import metrics, scoring, significance, statistics
from benchmark.metrics import Metric
from benchmark.profile import Profile
from benchmark.scoring import Row
from benchmark.significance import Comparison, Ranks
from benchmark.statistics import Summary, Values
from benchmark.store import Store
from degradekit import atomicfiles, manifest
from degradekit.errors import DataError


@dataclass(frozen=True)
class Line:
    """A method's line in every table.

    Args:
        name: its name.
        about: what ``method.json`` says of it: summary, trains, mask, parameters.
        summaries: by metric name; empty when it failed.
        failure: why there are no numbers, or "".
    """

    name: str
    about: dict[str, Any]
    summaries: dict[str, Summary]
    failure: str = ""

    @property
    def oracle(self) -> bool:
        """Whether it was told where the damage is."""
        return bool(self.about.get("mask") == "oracle")

    @property
    def trained(self) -> bool:
        """Whether it learned from the training photographs."""
        return bool(self.about.get("trains", "none") != "none")

    @property
    def parameters(self) -> int:
        """Trainable parameters of all its networks together."""
        return sum(self.about.get("parameters", {}).values())


@dataclass(frozen=True)
class Report:
    """A run in numbers: ``lines`` best first, failures last.

    ``values`` holds, per metric and method, one value per entry of ``photographs``; ``comparisons`` and
    ``ranks`` are by metric.
    """

    profile: Profile
    metrics: tuple[Metric, ...]
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]
    photographs: tuple[str, ...]
    values: dict[str, dict[str, Values]]
    data: dict[str, Any]
    comparisons: dict[str, list[Comparison]] = field(default_factory=dict)
    ranks: dict[str, Ranks] = field(default_factory=dict)

    @property
    def scored(self) -> list[Line]:
        """The lines with numbers."""
        return [line for line in self.lines if not line.failure]


def read(store: Store) -> Report:
    """Collect a run's results.

    Raises:
        DataError: no method has been scored or has failed yet, or a file is damaged.
    """
    profile = store.profile()
    chosen = tuple(metrics.find(name) for name in profile.metrics)
    names = [name for name in store.methods() if "score" in store.done(name) or store.failure(name)]
    if not names:
        raise DataError(f"{store.folder}: no method is finished yet; `benchmark run` goes on")
    failures = {name: _reason(store.failure(name)) for name in names if store.failure(name)}
    rows = [
        row
        for name in names
        if name not in failures
        for row in scoring.from_csv(store.method(name) / "scores.csv")
    ]
    about = {name: _about(store, name) for name in names}
    # Told where the damage is, or tested on fewer images, a method is in another contest.
    tested = {name: len({row.image for row in rows if row.method == name}) for name in names}
    contenders = [
        name
        for name in names
        if name not in failures
        and about[name].get("mask") != "oracle"
        and tested[name] == max(tested.values())
    ]
    photographs, values, summaries = _summarise(rows, chosen, contenders)
    lines = [
        Line(name, about[name], {metric.name: summaries[metric.name][name] for metric in chosen})
        for name in names
        if name not in failures
    ]
    headline = chosen[0]
    sign = -1 if headline.better == "higher" else 1
    lines.sort(key=lambda line: (sign * line.summaries[headline.name].mean, line.name))
    lines += [Line(name, about[name], {}, reason) for name, reason in failures.items()]
    data = manifest.read_json(store.folder / "data.json")
    return Report(
        profile,
        chosen,
        tuple(lines),
        tuple(rows),
        tuple(photographs),
        values,
        data,
        *_compared(chosen, values),
    )


def write(store: Store) -> Report:
    """Write ``rows.csv``, ``tables/``, ``figures/`` and ``report.html`` of a run; returns what they show."""
    from benchmark.report import charts, figures, html, tables

    report = read(store)
    atomicfiles.write_text(store.folder / "rows.csv", scoring.to_csv(report.rows))
    atomicfiles.write_json(store.folder / "fairness.json", _fairness(report, store))
    for name, text in (
        ("summary.md", tables.markdown(report)),
        ("summary.csv", tables.as_csv(report)),
        ("summary.tex", tables.latex(report)),
        ("comparisons.csv", tables.comparisons(report)),
        ("ranks.csv", tables.ranks(report)),
    ):
        atomicfiles.write_text(store.folder / "tables" / name, text)
    if report.scored:
        folder = store.folder / "figures"
        figures.intervals(report, folder)
        figures.examples(report, store, folder)
        charts.learning(report, store, folder)
        charts.cost(report, store, folder)
        charts.perception(report, folder)
        charts.damage(report, store, folder)
        charts.detection(report, store, folder)
        headline = report.metrics[0]
        found = significance.ranks(report.values[headline.name], higher_is_better=headline.better == "higher")
        if found is not None:
            charts.ranks(found, headline, folder)
    html.write(report, store)
    return report


def _fairness(report: Report, store: Store) -> dict[str, Any]:
    """What every method had: budget, images seen, updates, seconds, parameters."""
    methods = {}
    for line in report.lines:
        path = store.method(str(line.about.get("weights_of", line.name))) / "cost.json"
        cost = manifest.read_json(path) if line.trained and path.is_file() else {}
        spent = {key: cost.get(key) for key in ("updates", "images", "seconds", "processes", "device")}
        told = {key: line.about.get(key) for key in ("trains", "mask", "per_image", "parameters", "notes")}
        methods[line.name] = {**told, **spent}
    return {"budget": report.profile.train.model_dump(mode="json"), "methods": methods}


def _summarise(
    rows: Sequence[Row], chosen: Sequence[Metric], contenders: Sequence[str]
) -> tuple[list[str], dict[str, dict[str, Values]], dict[str, dict[str, Summary]]]:
    photographs: list[str] = []
    values, summaries = {}, {}
    for metric in chosen if rows else ():
        counted, values[metric.name] = statistics.per_photograph(rows, metric.name)
        # Numbers of whole sets and of real photographs are not about the test photographs.
        photographs = photographs or (counted if metric.scope not in ("set", "real") else [])
        of_methods = statistics.summarise(
            values[metric.name],
            higher_is_better=metric.better == "higher",
            # One property of a picture without truth: nobody is best at it.
            contenders=contenders if metric.scope != "real" else (),
        )
        summaries[metric.name] = {
            name: replace(summary, note=_note(rows, name, metric, summary))
            for name, summary in of_methods.items()
        }
    return photographs, values, summaries


def _compared(
    chosen: Sequence[Metric], values: dict[str, dict[str, Values]]
) -> tuple[dict[str, list[Comparison]], dict[str, Ranks]]:
    """Pairs and ranks of the metrics that have a value per photograph."""
    comparisons, ranks = {}, {}
    for metric in chosen:
        if metric.scope == "set" or metric.name not in values:
            continue
        higher = metric.better == "higher"
        comparisons[metric.name] = significance.compare(values[metric.name], higher_is_better=higher)
        found = significance.ranks(values[metric.name], higher_is_better=higher)
        if found:
            ranks[metric.name] = found
    return comparisons, ranks


def _note(rows: Sequence[Row], method: str, metric: Metric, summary: Summary) -> str:
    """Why a method has no value for a metric, or what its rows say of a number of a whole set."""
    if metric.scope != "set" and not math.isnan(summary.mean):
        return ""
    return next((row.note for row in rows if row.method == method and row.metric == metric.name), "")


def _about(store: Store, name: str) -> dict[str, Any]:
    path = store.method(name) / "method.json"
    return manifest.read_json(path) if path.is_file() else {}


def _reason(failure: dict[str, Any]) -> str:
    return f"{failure['stage']}: {failure['reason']}"
