"""Everything a reader sees, made from a run's scores and images alone; no method is needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark import metrics, scoring
from benchmark.metrics import Metric
from benchmark.profile import Profile
from benchmark.report import numbers
from benchmark.scoring import Row
from benchmark.significance import Comparison, Ranks
from benchmark.statistics import Summary, Values
from benchmark.store import Store
from degradekit import atomicfiles, manifest


@dataclass(frozen=True)
class Line:
    """A method's line in every table.

    Args:
        name: its name.
        about: what ``method.json`` says of it: summary, trains, mask, parameters.
        summaries: by metric name; empty when it failed.
        failure: why there are no numbers, or "".
        without: of several seeds, those of which there are no numbers, and why.
    """

    name: str
    about: dict[str, Any]
    summaries: dict[str, Summary]
    failure: str = ""
    without: dict[int, str] = field(default_factory=dict)

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
    """A run, or several that differ in their seed, in numbers: ``lines`` best first, failures last.

    ``values`` holds, per metric and method, one value per entry of ``photographs``; ``comparisons``,
    ``ranks`` and ``partial``, the methods that were tested on fewer images than others, are by metric.
    ``seeds`` are those of what methods drew; ``seed_means`` holds, per metric and method, one mean per entry
    of them.
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
    seeds: tuple[int, ...] = ()
    seed_means: dict[str, dict[str, Values]] = field(default_factory=dict)
    partial: dict[str, set[str]] = field(default_factory=dict)

    @property
    def scored(self) -> list[Line]:
        """The lines with numbers."""
        return [line for line in self.lines if not line.failure]


def read(*runs: Store) -> Report:
    """Collect a run's results, or those of several seeds.

    Raises:
        DataError: no method has been scored or has failed yet, or a file is damaged.
    """
    profile = runs[0].profile()
    chosen = tuple(metrics.find(name) for name in profile.metrics)
    results = [numbers.collect(store) for store in runs]
    names = sorted({name for run in results for name in run.about})
    about = {name: next((run.about[name] for run in results if run.about.get(name)), {}) for name in names}
    without = {
        name: {run.seed: reason for run in results if (reason := run.reason(name)) is not None}
        for name in names
    }
    scored = [name for name in names if len(without[name]) < len(runs)]
    rows = tuple(row for run in results for row in run.rows)
    # Told where the damage is, or tested on fewer images or seeds, a method is in another contest.
    tested = {name: len({row.image for row in rows if row.method == name}) for name in names}
    contenders = [
        name
        for name in scored
        if not without[name] and about[name].get("mask") != "oracle" and tested[name] == max(tested.values())
    ]
    found = numbers.summarise(results, chosen, contenders)
    lines = [
        Line(
            name,
            about[name],
            {metric.name: found.summaries[metric.name][name] for metric in chosen},
            without=without[name],
        )
        for name in scored
    ]
    headline = chosen[0]
    sign = -1 if headline.better == "higher" else 1
    lines.sort(key=lambda line: (sign * line.summaries[headline.name].mean, line.name))
    lines += [
        Line(name, about[name], {}, numbers.joined(without[name], len(runs)), without[name])
        for name in names
        if name not in scored
    ]
    if len(runs) > 1:
        profile = profile.model_copy(update={"training_seed": None})
    return Report(
        profile,
        chosen,
        tuple(lines),
        rows,
        found.photographs,
        found.values,
        manifest.read_json(runs[0].folder / "data.json"),
        *numbers.compared(chosen, found),
        seeds=tuple(run.seed for run in results),
        seed_means=found.seed_means,
        partial={metric: {*scored} - complete for metric, complete in found.complete.items()},
    )


def write(store: Store, members: Sequence[Store] = ()) -> Report:
    """Write ``rows.csv``, ``tables/``, ``figures/`` and ``report.html`` of a run; returns what they show.

    Args:
        store: the folder written to.
        members: the runs of several seeds whose results are put together there; pictures are the first one's.
            None: the folder's own.
    """
    from benchmark.report import charts, figures, html, tables

    runs = tuple(members) or (store,)
    report = read(*runs)
    first = report if len(runs) == 1 else read(runs[0])
    atomicfiles.write_text(store.folder / "rows.csv", scoring.to_csv(report.rows))
    atomicfiles.write_json(store.folder / "fairness.json", _fairness(report, runs))
    written = {
        "summary.md": tables.markdown,
        "summary.csv": tables.as_csv,
        "summary.tex": tables.latex,
        "comparisons.csv": tables.comparisons,
        "ranks.csv": tables.ranks,
    }
    if len(runs) > 1:
        written["seeds.csv"] = tables.seeds
    for name, table in written.items():
        atomicfiles.write_text(store.folder / "tables" / name, table(report))
    folder = store.folder / "figures"
    charts.detection(report, runs, folder)
    if report.scored:
        figures.intervals(report, folder)
        if first.scored:
            figures.examples(first, runs[0], folder)
        charts.learning(report, runs, folder)
        charts.cost(report, runs, folder)
        charts.perception(report, folder)
        charts.damage(report, runs[0], folder)
        headline = report.metrics[0]
        if headline.name in report.ranks:
            charts.ranks(report.ranks[headline.name], headline, folder)
    html.write(report, store, first, runs[0])
    return report


def _fairness(report: Report, runs: Sequence[Store]) -> dict[str, Any]:
    """What every method had: budget, images seen, updates, seconds, parameters; of several seeds, by seed."""
    budget = report.profile.train.model_dump(mode="json")
    if len(runs) == 1:
        return {"budget": budget, "methods": _spent(report, runs[0])}
    by_seed = {str(seed): _spent(report, store) for seed, store in zip(report.seeds, runs, strict=True)}
    return {"budget": budget, "seeds": by_seed}


def _spent(report: Report, store: Store) -> dict[str, Any]:
    methods = {}
    for line in report.lines:
        about = numbers.about(store, line.name)
        path = store.method(str(about.get("weights_of", line.name))) / "cost.json"
        cost = manifest.read_json(path) if line.trained and path.is_file() else {}
        spent = {key: cost.get(key) for key in ("updates", "images", "seconds", "processes", "device")}
        told = {key: about.get(key) for key in ("trains", "mask", "per_image", "parameters", "notes")}
        methods[line.name] = {**told, **spent}
    return methods
