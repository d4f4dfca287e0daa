"""What a report is made of: the rows of one run or of several seeds, and the numbers that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark import scoring, significance, statistics
from benchmark.metrics import Metric
from benchmark.scoring import Row
from benchmark.significance import Comparison, Pairs, Ranks
from benchmark.statistics import Summary, Values
from benchmark.store import Store
from degradekit import manifest
from degradekit.errors import DataError


@dataclass(frozen=True)
class Results:
    """One run: the rows of what is scored, what is known of each method, and why some have no rows."""

    seed: int
    rows: tuple[Row, ...]
    about: dict[str, dict[str, Any]]
    failures: dict[str, str]

    def reason(self, name: str) -> str | None:
        """Why there are no rows of a method; None if there are."""
        return self.failures.get(name) if name in self.about else "not run"


@dataclass(frozen=True)
class Numbers:
    """Per metric and method: a value per photograph, the mean of each seed, and all in one.

    ``pairs`` holds, per metric, every two methods' values of the images both were tested on; ``complete`` the
    methods that were tested on all images.
    """

    photographs: tuple[str, ...]
    values: dict[str, dict[str, Values]]
    seed_means: dict[str, dict[str, Values]]
    summaries: dict[str, dict[str, Summary]]
    pairs: dict[str, Pairs]
    complete: dict[str, set[str]]


def collect(store: Store) -> Results:
    """Read the results of a run.

    Raises:
        DataError: no method has finished or failed yet, or a file is damaged.
    """
    seed = store.profile().method_seed
    names = [name for name in store.methods() if "score" in store.done(name) or store.failure(name)]
    # A detector restores nothing that could be scored; its curves are drawn of what it found.
    detector = store.profile().detector
    if not names and "restore" not in store.done(detector):
        raise DataError(f"{store.folder}: no method is finished yet; `benchmark run` goes on")
    failures = {
        name: f"{failure['stage']}: {failure['reason']}" for name in names if (failure := store.failure(name))
    }
    rows = [
        row
        for name in names
        if name not in failures
        for row in scoring.from_csv(store.method(name) / "scores.csv")
    ]
    return Results(seed, tuple(rows), {name: about(store, name) for name in names}, failures)


def about(store: Store, name: str) -> dict[str, Any]:
    """What ``method.json`` says of a method; empty if there is none."""
    path = store.method(name) / "method.json"
    return manifest.read_json(path) if path.is_file() else {}


def joined(reasons: Mapping[int, str], seeds: int) -> str:
    """Seed -> reason as one text; one reason that holds for all ``seeds`` stands alone."""
    if len(reasons) == seeds and len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"seed {seed}: {reason}" for seed, reason in reasons.items())


def summarise(runs: Sequence[Results], chosen: Sequence[Metric], contenders: Sequence[str]) -> Numbers:
    """The numbers of every metric.

    Args:
        runs: one per seed.
        chosen: the metrics.
        contenders: the methods that may be called best.
    """
    photographs: list[str] = []
    values: dict[str, dict[str, Values]] = {}
    seed_means: dict[str, dict[str, Values]] = {}
    summaries, pairs, complete = {}, {}, {}
    rows = [row for run in runs for row in run.rows]
    for metric in chosen if rows else ():
        counted, tables = statistics.per_seed([run.rows for run in runs], metric.name)
        pairs[metric.name] = statistics.on_shared_images([run.rows for run in runs], metric.name)
        complete[metric.name] = statistics.complete(rows, metric.name)
        values[metric.name] = {name: statistics.over_seeds(table) for name, table in tables.items()}
        seed_means[metric.name] = {name: statistics.seed_means(table) for name, table in tables.items()}
        # Numbers of whole sets and of real photographs are not about the test photographs.
        photographs = photographs or (counted if metric.scope not in ("set", "real") else [])
        of_methods = statistics.summarise(
            tables,
            higher_is_better=metric.better == "higher",
            # One property of a picture without truth: nobody is best at it.
            contenders=contenders if metric.scope != "real" else (),
            pairs=pairs[metric.name],
        )
        summaries[metric.name] = {
            name: replace(summary, note=_note(rows, name, metric, summary))
            for name, summary in of_methods.items()
        }
    return Numbers(tuple(photographs), values, seed_means, summaries, pairs, complete)


def compared(
    chosen: Sequence[Metric], numbers: Numbers
) -> tuple[dict[str, list[Comparison]], dict[str, Ranks]]:
    """Pairs and ranks of the metrics that have a value per photograph.

    Pairs are compared on the images both methods were tested on. Ranks are of the methods tested on all of
    them: one that was tested on a few would leave these few photographs to everybody.
    """
    comparisons, ranks = {}, {}
    for metric in chosen:
        if metric.scope == "set" or metric.name not in numbers.values:
            continue
        higher = metric.better == "higher"
        comparisons[metric.name] = significance.compare(numbers.pairs[metric.name], higher_is_better=higher)
        ranked = {
            name: values
            for name, values in numbers.values[metric.name].items()
            if name in numbers.complete[metric.name]
        }
        found = significance.ranks(ranked, higher_is_better=higher)
        if found:
            ranks[metric.name] = found
    return comparisons, ranks


def _note(rows: Sequence[Row], method: str, metric: Metric, summary: Summary) -> str:
    """Why a method has no value for a metric, or what its rows say of a number of a whole set."""
    if metric.scope != "set" and not math.isnan(summary.mean):
        return ""
    return next((row.note for row in rows if row.method == method and row.metric == metric.name), "")
