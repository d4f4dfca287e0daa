"""From per-image rows to means and intervals. The unit is the photograph, not the image.

Of several runs that differ in the seed of training, a photograph's value is its mean over the runs; intervals
resample runs too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from benchmark import significance
from benchmark.scoring import Row
from benchmark.significance import Pairs
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
        sd: sample standard deviation (n - 1) of the means of single seeds; NaN for fewer than two.
        seeds: how many of these have a mean.
    """

    mean: float
    low: float
    high: float
    photographs: int
    infinite: int
    missing: int = 0
    best: bool = False
    note: str = ""
    sd: float = np.nan
    seeds: int = 1


def per_photograph(rows: Iterable[Row], metric: str) -> tuple[list[str], dict[str, Values]]:
    """Photographs (sorted) and, per method, the mean over the variants of each; NaN where none has a value.

    A method may have been scored on some of the images only (those that optimise on each image are). Two
    methods are then compared by ``on_shared_images``, several by those of ``complete``.
    """
    photographs, values = per_seed([rows], metric)
    return photographs, {method: table[0] for method, table in values.items()}


def per_seed(runs: Sequence[Iterable[Row]], metric: str) -> tuple[list[str], dict[str, Values]]:
    """As ``per_photograph`` of several runs: a table per method, a line per run and a column per photograph.

    A line is NaN where the run lacks the method.
    """
    values: dict[str, dict[tuple[int, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    names: set[str] = set()
    for number, rows in enumerate(runs):
        for row in rows:
            if row.metric == metric:
                known = values[row.method][number, row.photograph]
                if not np.isnan(row.value):
                    known.append(row.value)
                names.add(row.photograph)
    photographs = sorted(names)
    tables = {
        method: np.array(
            [[_mean(found.get((number, name))) for name in photographs] for number in range(len(runs))]
        )
        for method, found in sorted(values.items())
    }
    return photographs, tables


def on_shared_images(runs: Sequence[Iterable[Row]], metric: str) -> Pairs:
    """Every two methods' values per photograph, averaged over seeds, on the images both were scored on."""
    of_metric = [[row for row in rows if row.metric == metric] for rows in runs]
    images = _images(chain.from_iterable(of_metric))
    values: dict[frozenset[str], dict[str, Values]] = {}
    pairs = {}
    for one, other in combinations(sorted(images), 2):
        shared = frozenset(images[one] & images[other])
        if shared not in values:
            _, tables = per_seed([[row for row in rows if row.image in shared] for rows in of_metric], metric)
            values[shared] = {name: over_seeds(table) for name, table in tables.items()}
        if shared:
            pairs[one, other] = (values[shared][one], values[shared][other])
    return pairs


def complete(rows: Iterable[Row], metric: str) -> set[str]:
    """The methods that were scored on as many images as any other, and on the same ones."""
    images = _images(row for row in rows if row.metric == metric)
    times = Counter(images.values())
    most = max(times, key=lambda scored: (len(scored), times[scored]), default=frozenset())
    return {method for method, scored in images.items() if scored == most}


def _images(rows: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Method -> names of the images it has a row of."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.method].add(row.image)
    return {method: frozenset(images) for method, images in found.items()}


def over_seeds(table: Values) -> Values:
    """The mean of each column over the lines that have a value there; NaN where none has."""
    known = ~np.isnan(table)
    count = known.sum(axis=0)
    means: Values = np.full(table.shape[1], np.nan)
    np.divide(np.where(known, table, 0).sum(axis=0), count, out=means, where=count > 0)
    return means


def seed_means(table: Values) -> Values:
    """The mean of each line over its finite values; NaN where it has none."""
    return np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in table])


def summarise(
    values: Mapping[str, Values],
    *,
    higher_is_better: bool,
    contenders: Sequence[str],
    pairs: Pairs | None = None,
) -> dict[str, Summary]:
    """Mean, bootstrap interval (10,000 resamples, 95 %) and the best methods.

    Photographs are resampled, and seeds where there are several: see ``_resampled``. All methods and metrics
    share the resamples, so differences are paired.

    Args:
        values: per method one value per photograph, or a line of these per seed; same order for all.
        higher_is_better: direction of the metric.
        contenders: the methods that may be called best; they were tested on the same images.
        pairs: of ``on_shared_images``; None: all methods were tested on the same images.
    """
    tables = {method: np.atleast_2d(table) for method, table in values.items()}
    samples = {method: over_seeds(table) for method, table in tables.items()}
    count = len(next(iter(samples.values())))
    resampled = _resampled(tables, samples, count)
    summaries = {}
    for method, sample in samples.items():
        finite = sample[np.isfinite(sample)]
        known = len(finite)
        low, high = _interval(resampled[method], known) if known > 1 else (np.nan, np.nan)
        missing = int(np.isnan(sample).sum())
        mean = float(finite.mean()) if known else float("nan" if missing == count else "inf")
        of_seeds = seed_means(tables[method])
        of_seeds = of_seeds[np.isfinite(of_seeds)]
        summaries[method] = Summary(
            mean, low, high, count, count - known - missing, missing, sd=_sd(of_seeds), seeds=len(of_seeds)
        )
    best = _best(samples, summaries, higher_is_better, contenders, pairs)
    return {method: replace(summary, best=method in best) for method, summary in summaries.items()}


def _best(
    values: Mapping[str, Values],
    summaries: Mapping[str, Summary],
    higher_is_better: bool,
    contenders: Sequence[str],
    pairs: Pairs | None,
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
    compared = significance.pairs_of(values) if pairs is None else pairs
    for pair, (_, adjusted) in significance.pairwise(compared).items():
        if leader in pair and adjusted < significance.ALPHA:
            (other,) = set(pair) - {leader}
            change = significance.differences(known[leader], known[other])
            if sign * significance.rank_biserial(change) > 0:
                worse.add(other)
    return set(competing) - worse


def _resampled(tables: Mapping[str, Values], samples: Mapping[str, Values], count: int) -> dict[str, Values]:
    """The mean of every resample of ``count`` photographs, the same for every method.

    Of several seeds each resample draws its own, one less than there are, and its photographs apart from
    them, as every seed restored the same ones (the pigeonhole bootstrap of Owen, Annals of Applied Statistics
    2007). Drawing as many seeds as there are would make the variance of n seeds too small by (n - 1) / n
    (McCarthy & Snowden, Vital and Health Statistics 1985).
    """
    rng = stream(0, "bootstrap", count)
    seeds = len(next(iter(tables.values())))
    rng_seeds = stream(0, "bootstrap seeds", seeds)
    blocks: dict[str, list[Values]] = {method: [] for method in tables}
    # In blocks, so that memory stays small for thousands of photographs.
    for start in range(0, RESAMPLES, BLOCK):
        size = min(BLOCK, RESAMPLES - start)
        indices = rng.integers(count, size=(size, count))
        if seeds == 1:
            for method, sample in samples.items():
                blocks[method].append(_means(sample[indices]))
            continue
        drawn = rng_seeds.integers(seeds, size=(size, seeds - 1))
        times = (drawn[:, :, None] == np.arange(seeds)).sum(axis=1).astype(np.float64)
        for method, table in tables.items():
            known = np.isfinite(table) & np.isfinite(samples[method])
            total, number = times @ np.where(known, table, 0), times @ known
            means = np.full(total.shape, np.nan)
            np.divide(total, number, out=means, where=number > 0)
            blocks[method].append(_means(np.take_along_axis(means, indices, axis=1)))
    return {method: np.concatenate(means) for method, means in blocks.items()}


def _mean(known: Sequence[float] | None) -> float:
    return float(np.mean(known)) if known else np.nan


def _sd(means: Values) -> float:
    if len(means) < 2:
        return np.nan
    # Equal means have none, though their own mean may be off in the last digit.
    return 0.0 if (means == means[0]).all() else float(means.std(ddof=1))


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
