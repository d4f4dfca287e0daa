"""Whether methods differ: paired tests, effect sizes, ranks. Blocks are photographs, one metric at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
#: Up to so many differences the null distribution is enumerated; beyond, it is normal to four digits.
EXACT = 100

Values = NDArray[np.float64]
#: Two methods -> the values of each, one per photograph, made of the same images.
Pairs = Mapping[tuple[str, str], tuple[Values, Values]]


@dataclass(frozen=True)
class Comparison:
    """Two methods on one metric, over the photographs of which both have a value, on the images both have.

    Args:
        first: name of the better one, by the sum of signed ranks.
        second: name of the other.
        photographs: how many there are.
        shift: Hodges-Lehmann estimate of first minus second, in the metric's unit; NaN without a finite one.
        low: lower end of its distribution-free interval; NaN when there are too few for one.
        high: its upper end.
        effect: matched-pairs rank-biserial correlation (Kerby 2014), from 0 (no difference) to 1 (first is
            better on every photograph).
        wins: share of the photographs on which first is better, ties counting half.
        p: two-sided, of the Wilcoxon signed-rank test.
        adjusted: the same after Holm's correction for all pairs of methods.
    """

    first: str
    second: str
    photographs: int
    shift: float
    low: float
    high: float
    effect: float
    wins: float
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the two differ at the 5 % level."""
        return self.adjusted < ALPHA


@dataclass(frozen=True)
class Ranks:
    """Methods ranked on every photograph (1 = best, ties share), as Demsar (JMLR 2006) does.

    Args:
        mean: method -> mean rank, best first.
        photographs: those on which every method has a value.
        p: of Friedman's test that all are alike; NaN for fewer than three methods.
        critical_difference: of two mean ranks, by Nemenyi, at 5 %.
    """

    mean: dict[str, float]
    photographs: int
    p: float
    critical_difference: float

    def cliques(self) -> list[tuple[str, ...]]:
        """The largest groups whose mean ranks lie within the critical difference, best first."""
        names = list(self.mean)
        groups: list[tuple[str, ...]] = []
        for start, name in enumerate(names):
            limit = self.mean[name] + self.critical_difference
            group = tuple(other for other in names[start:] if self.mean[other] < limit)
            if len(group) > 1 and not (groups and set(group) <= set(groups[-1])):
                groups.append(group)
        return groups


def pairs_of(values: Mapping[str, Values]) -> Pairs:
    """Every two methods that were tested on the same images.

    Args:
        values: per method one value per photograph, same order for all; NaN where there is none.
    """
    return {(one, other): (values[one], values[other]) for one, other in combinations(values, 2)}


def compare(pairs: Pairs, *, higher_is_better: bool) -> list[Comparison]:
    """Every pair of methods with a photograph in common, smallest p first.

    Args:
        pairs: their values; NaN where there is none.
        higher_is_better: direction of the metric.
    """
    found = []
    for (one, other), (p, adjusted) in pairwise(pairs).items():
        values = pairs[one, other]
        effect = rank_biserial(differences(*values)) * (1 if higher_is_better else -1)
        first, second = (one, other) if effect >= 0 else (other, one)
        signed = differences(*(values if effect >= 0 else values[::-1]))
        better = signed if higher_is_better else -signed
        wins = float(np.mean((better > 0) + (better == 0) / 2))
        found.append(Comparison(first, second, len(signed), *shift(signed), abs(effect), wins, p, adjusted))
    return sorted(found, key=lambda pair: (pair.adjusted, pair.p, pair.first, pair.second))


def pairwise(pairs: Pairs) -> dict[tuple[str, str], tuple[float, float]]:
    """(method, method) -> (p, Holm-adjusted p), for all pairs with a photograph in common."""
    changes = {pair: differences(*values) for pair, values in pairs.items()}
    raw = {pair: signed_rank(change) for pair, change in changes.items() if len(change)}
    corrected = holm(list(raw.values()))
    return {pair: (p, adjusted) for (pair, p), adjusted in zip(raw.items(), corrected, strict=True)}


def differences(first: Values, second: Values) -> Values:
    """First minus second where both have a value; two equal infinities differ by 0."""
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    equal = first == second
    return np.subtract(first, second, out=np.zeros(len(first)), where=~equal)


def signed_rank(difference: Values) -> float:
    """Two-sided p of the Wilcoxon signed-rank test that differences are symmetric about 0.

    Zeros are ranked and then left out (Pratt 1959); ties share ranks. The distribution is that of these very
    ranks under random signs: exact for up to ``EXACT`` differences, ties and zeros or not.
    """
    ranks = _ranks(difference)
    positive = float(ranks[difference > 0].sum())
    ranks = ranks[difference != 0]
    if not len(ranks):
        return 1.0
    if len(ranks) > EXACT:
        from scipy.stats import norm

        deviation = positive - ranks.sum() / 2
        return float(2 * norm.sf(abs(deviation) / np.sqrt((ranks * ranks).sum() / 4)))
    chances = _null(ranks)
    # Ranks are halves at the finest.
    place = round(2 * positive)
    return float(min(1.0, 2 * min(chances[: place + 1].sum(), chances[place:].sum())))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction: any claim among them is false with at most the stated chance."""
    order = np.argsort(p, kind="stable")
    adjusted = [0.0] * len(p)
    floor = 0.0
    for place, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = floor
    return adjusted


def decidable(photographs: int, methods: int) -> bool:
    """Whether so few photographs could ever show a difference among so many methods."""
    pairs = methods * (methods - 1) // 2
    return pairs * 2.0 ** (1 - photographs) < ALPHA


def rank_biserial(difference: Values) -> float:
    """(favourable - unfavourable) / all rank sums, from -1 to 1."""
    ranks = _ranks(difference)
    total = ranks[difference != 0].sum()
    return float((ranks * np.sign(difference)).sum() / total) if total else 0.0


def shift(difference: Values) -> tuple[float, float, float]:
    """Median of the pairwise means of finite differences and its 95 % interval (Hodges & Lehmann 1963)."""
    finite = difference[np.isfinite(difference)]
    count = len(finite)
    if not count:
        return (np.nan, np.nan, np.nan)
    rows, columns = np.triu_indices(count)
    means = np.sort((finite[rows] + finite[columns]) / 2)
    outside = _quantile(count)
    if not outside:
        return float(np.median(means)), np.nan, np.nan
    return float(np.median(means)), float(means[outside - 1]), float(means[-outside])


def ranks(values: Mapping[str, Values], *, higher_is_better: bool) -> Ranks | None:
    """Mean ranks; None without two methods that have a value on two photographs in common."""
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    known = {name: sample for name, sample in values.items() if not np.isnan(sample).all()}
    if len(known) < 2:
        return None
    table = np.stack(list(known.values()), axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    count, methods = table.shape
    if count < 2:
        return None
    placed = rankdata(-table if higher_is_better else table, axis=1)
    mean = dict(
        sorted(zip(known, placed.mean(axis=0).tolist(), strict=True), key=lambda pair: (pair[1], pair[0]))
    )
    p = np.nan
    if methods > 2:
        alike = bool((placed == placed[:, :1]).all())
        p = 1.0 if alike else float(friedmanchisquare(*placed.T).pvalue)
    quantile = float(studentized_range.ppf(1 - ALPHA, methods, np.inf)) / np.sqrt(2)
    return Ranks(mean, count, p, quantile * float(np.sqrt(methods * (methods + 1) / (6 * count))))


def _ranks(difference: Values) -> Values:
    from scipy.stats import rankdata

    ranked: Values = rankdata(np.abs(difference))
    return ranked


def _null(ranks: Values) -> Values:
    """Chance of every sum 0, 1/2, 1, ... of ranks whose signs are fair coins."""
    steps = np.rint(2 * ranks).astype(np.int64)
    chances = np.zeros(int(steps.sum()) + 1)
    chances[0] = 1
    for step in steps:
        chances[step:] = (chances[step:] + chances[:-step]) / 2
        chances[:step] /= 2
    return chances


def _quantile(count: int) -> int:
    """How many pairwise means lie outside the 95 % interval on each side; 0 when there are too few."""
    if count > EXACT:
        from scipy.stats import norm

        spread = np.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return int(count * (count + 1) / 4 + norm.ppf(ALPHA / 2) * spread)
    below = np.cumsum(_null(np.arange(1, count + 1, dtype=np.float64))[::2])
    return int(np.searchsorted(below, ALPHA / 2, side="right"))
