"""From per-image rows to means and intervals. The unit is the photograph, not the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark import significance
from benchmark.scoring import Row
from degradekit.randomness import stream

RESAMPLES, BLOCK = 10_000, 500
LEVEL = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """One method and metric over the test photographs.

    Args:
        mean: mean over the photographs with a finite value; inf when there is none, NaN when no photograph
            has any value.
        low: lower end of the bootstrap interval of the mean; NaN when fewer than two values are finite.
        high: its upper end.
        photographs: how many there are.
        infinite: how many of them have an infinite value (equal images) and are not in the mean.
        missing: how many have no value (no damage to look at, weights missing) and are not in the mean.
        best: the best mean, and every method that is not significantly worse than it (Wilcoxon signed-rank
            test, Holm's correction over all pairs). False for all when the photographs are too few to show
            any difference. Only ``contenders`` compete.
        note: why there is no value, or what to know of it; "" if nothing.
    """

    mean: float
    low: float
    high: float
    photographs: int
    infinite: int
    missing: int = 0
    best: bool = False
    note: str = ""


def per_photograph(rows: Iterable[Row], metric: str) -> tuple[list[str], dict[str, Values]]:
    """Photographs (sorted) and, per method, the mean over the variants of each; NaN where none has a value.

    A method may have been scored on some of the images only (those that optimise on each image are).

    Raises:
        ValueError: two methods were scored on images of which neither has all.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    images: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.metric == metric:
            known = values[row.method][row.photograph]
            if not np.isnan(row.value):
                known.append(row.value)
            images[row.method].append(row.image)
    scored = {method: set(names) for method, names in images.items()}
    most = max(scored.values(), key=len, default=set())
    if not all(names <= most for names in scored.values()):
        raise ValueError("methods were scored on different images")
    photographs = sorted({name for of_method in values.values() for name in of_method})
    means = {
        method: np.array([np.mean(of_method[name]) if of_method[name] else np.nan for name in photographs])
        for method, of_method in sorted(values.items())
    }
    return photographs, means


def summarise(
    values: Mapping[str, Values], *, higher_is_better: bool, contenders: Sequence[str]
) -> dict[str, Summary]:
    """Mean, bootstrap interval (10,000 resamples of photographs, 95 %) and the best methods.

    All methods and metrics share one matrix of resampled photographs, so differences are paired.

    Args:
        values: per method one value per photograph, same order for all.
        higher_is_better: direction of the metric.
        contenders: the methods that may be called best.
    """
    count = len(next(iter(values.values())))
    resampled = _resampled(values, count)
    summaries = {}
    for method, sample in values.items():
        finite = sample[np.isfinite(sample)]
        known = len(finite)
        low, high = _interval(resampled[method], known) if known > 1 else (np.nan, np.nan)
        missing = int(np.isnan(sample).sum())
        mean = float(finite.mean()) if known else float("nan" if missing == count else "inf")
        summaries[method] = Summary(mean, low, high, count, count - known - missing, missing)
    best = _best(values, summaries, higher_is_better, contenders)
    return {method: replace(summary, best=method in best) for method, summary in summaries.items()}


def _best(
    values: Mapping[str, Values],
    summaries: Mapping[str, Summary],
    higher_is_better: bool,
    contenders: Sequence[str],
) -> set[str]:
    """The contender with the best mean, and those not significantly worse."""
    known = {name: sample for name, sample in values.items() if not np.isnan(summaries[name].mean)}
    competing = [name for name in contenders if name in known]
    sizes = [int((~np.isnan(known[name])).sum()) for name in competing]
    if not competing or not significance.decidable(min(sizes), len(known)):
        return set()
    sign = 1 if higher_is_better else -1
    leader = max(competing, key=lambda name: sign * summaries[name].mean)
    worse = set()
    for pair, (_, adjusted) in significance.pairwise(known).items():
        if leader in pair and adjusted < significance.ALPHA:
            (other,) = set(pair) - {leader}
            change = significance.differences(known[leader], known[other])
            if sign * significance.rank_biserial(change) > 0:
                worse.add(other)
    return set(competing) - worse


def _resampled(values: Mapping[str, Values], count: int) -> dict[str, Values]:
    """The mean of every resample of ``count`` photographs, the same photographs for every method."""
    rng = stream(0, "bootstrap", count)
    blocks: dict[str, list[Values]] = {method: [] for method in values}
    # In blocks, so that memory stays small for thousands of photographs.
    for start in range(0, RESAMPLES, BLOCK):
        indices = rng.integers(count, size=(min(BLOCK, RESAMPLES - start), count))
        for method, sample in values.items():
            blocks[method].append(_means(sample[indices]))
    return {method: np.concatenate(means) for method, means in blocks.items()}


def _means(samples: Values) -> Values:
    """Row means over finite entries; NaN where a row has none."""
    known = np.isfinite(samples)
    count = known.sum(axis=1)
    total = np.where(known, samples, 0).sum(axis=1)
    means: Values = np.full(len(samples), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def _interval(means: Values, count: int) -> tuple[float, float]:
    """Percentiles, a little further out than 2.5 %: a bootstrap of few values is too narrow.

    They are those at which a normal sample of ``count`` values has the interval of Student's t (the
    expanded percentile interval of Hesterberg, The American Statistician 2015).
    """
    from scipy.stats import norm, t

    reach = np.sqrt(count / (count - 1)) * t.ppf((1 + LEVEL) / 2, count - 1)
    tail = 100 * float(norm.sf(reach))
    low, high = np.nanpercentile(means, [tail, 100 - tail])
    return float(low), float(high)
