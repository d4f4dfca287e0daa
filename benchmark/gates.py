"""Two runs against each other, method by method on the same photographs, and conditions on the difference."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark import metrics, scoring, statistics
from benchmark.metrics import Metric
from benchmark.scoring import Row
from benchmark.store import Store
from degradekit import manifest
from degradekit.errors import DataError, OptionError, unknown

COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
GATE = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Gate:
    """A condition on a metric's mean difference, second run less first, as ``psnr>=-0.1``."""

    metric: str
    comparison: str
    bound: float

    def holds(self, difference: float) -> bool:
        """Whether a difference meets it; one that does not exist does not."""
        return bool(COMPARISONS[self.comparison](difference, self.bound))

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.bound:g}"


@dataclass(frozen=True)
class Difference:
    """One method and metric in both runs, on the images that were scored in both.

    Args:
        method: name of the method.
        metric: the metric.
        first: mean over photographs in the first run.
        second: the same in the second run.
        mean: mean over photographs of second less first; NaN when there is none.
        low: lower end of the 95 % bootstrap interval of that mean; NaN with fewer than two photographs.
        high: its upper end.
        photographs: those with a finite value in both runs.
        failed: the gates it does not meet.
    """

    method: str
    metric: Metric
    first: float
    second: float
    mean: float
    low: float
    high: float
    photographs: int
    failed: tuple[Gate, ...] = ()


def parse(text: str) -> list[Gate]:
    """Gates with commas between them, as ``psnr>=-0.1,lpips_alex<=0.01``.

    Raises:
        OptionError: one is not of that form, or names no metric of ours.
    """
    gates = []
    for part in text.split(","):
        found = GATE.fullmatch(part)
        if found is None:
            raise OptionError(f"--gate '{part.strip()}': expected METRIC>=NUMBER or METRIC<=NUMBER")
        try:
            gates.append(Gate(metrics.find(found[1]).name, found[2], float(found[3])))
        except ValueError as error:
            raise OptionError(f"--gate '{part.strip()}': '{found[3]}' is no number") from error
    return gates


def compare(
    first: Store, second: Store, gates: Sequence[Gate], chosen: Sequence[str] = ()
) -> list[Difference]:
    """All methods that both runs have scored, with all metrics both have.

    Args:
        first: the run to measure against.
        second: the run in question.
        gates: conditions on its differences.
        chosen: methods to compare; none means those in both.

    Raises:
        DataError: a run has no scores, they were tested on different images, or no method is in both.
        OptionError: a chosen method or a gate's metric is not in both.
    """
    _require_same_test(first, second)
    rows = [_rows(store) for store in (first, second)]
    methods = _common([{row.method for row in side} for side in rows], chosen, "method")
    conventions = [{(row.metric, row.convention) for row in side} for side in rows]
    names = sorted({metric for metric, _ in conventions[0] & conventions[1]})
    for gate in gates:
        if gate.metric not in names:
            raise OptionError(f"--gate {gate}: {unknown('metric of both runs', gate.metric, names)}")
    return [
        _difference(method, metrics.find(name), rows[0], rows[1], gates)
        for method in methods
        for name in names
    ]


def _difference(
    method: str, metric: Metric, first: Sequence[Row], second: Sequence[Row], gates: Sequence[Gate]
) -> Difference:
    of_method = [[row for row in rows if row.method == method] for rows in (first, second)]
    # Other variants of a photograph are other images: a mean over them would be another test.
    shared = set.intersection(
        *({row.image for row in rows if row.metric == metric.name} for rows in of_method)
    )
    sides = []
    for rows in of_method:
        photographs, means = statistics.per_photograph(
            [row for row in rows if row.image in shared], metric.name
        )
        sides.append(dict(zip(photographs, means.get(method, []), strict=True)))
    both = [np.array([side[name] for name in sides[0] if name in sides[1]]) for side in sides]
    known = np.isfinite(both[0]) & np.isfinite(both[1])
    # Restored exactly in both runs is no difference.
    equal = np.isinf(both[0]) & (both[0] == both[1])
    change = np.where(equal, 0.0, np.where(known, both[1], 0) - np.where(known, both[0], 0))[known | equal]
    summary = (
        statistics.summarise({method: change}, higher_is_better=True, contenders=()) if len(change) else {}
    )
    mean, low, high = (
        (summary[method].mean, summary[method].low, summary[method].high) if summary else (math.nan,) * 3
    )
    failed = tuple(gate for gate in gates if gate.metric == metric.name and not gate.holds(mean))
    first_mean, second_mean = (float(side[known].mean()) if known.any() else math.nan for side in both)
    return Difference(method, metric, first_mean, second_mean, mean, low, high, len(change), failed)


def _rows(store: Store) -> list[Row]:
    names = [name for name in store.methods() if "score" in store.done(name)]
    if not names:
        raise DataError(f"{store.folder}: no method is scored yet")
    return [row for name in names for row in scoring.from_csv(store.method(name) / "scores.csv")]


def _common(sides: Sequence[set[str]], chosen: Sequence[str], what: str) -> list[str]:
    common = sorted(sides[0] & sides[1])
    for name in chosen:
        if name not in common:
            raise OptionError(unknown(f"{what} of both runs", name, common))
    if not common:
        raise DataError(
            f"no {what} is in both runs: {', '.join(sorted(sides[0]))} in the first, "
            f"{', '.join(sorted(sides[1]))} in the second"
        )
    return list(dict.fromkeys(chosen)) or common


def _require_same_test(first: Store, second: Store) -> None:
    """Both runs' test images are the same, pixel by pixel."""
    tested = []
    for store in (first, second):
        store.profile()
        folder: Path = store.data("test")
        if not folder.is_dir():
            raise DataError(f"{store.folder}: has no test images yet")
        tested.append({row["file_name"]: row["sha256"] for row in manifest.read_rows(folder)})
    differing = sorted(
        name for name in {*tested[0], *tested[1]} if tested[0].get(name) != tested[1].get(name)
    )
    if differing:
        raise DataError(
            f"{first.folder} and {second.folder} were tested on different images "
            f"({len(differing)} differ, first {differing[0]})"
        )
