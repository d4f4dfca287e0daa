from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from benchmark import significance
from benchmark.significance import Ranks


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _pairs(*samples: np.ndarray) -> significance.Pairs:
    """Methods a, b, c, ... with these values."""
    return significance.pairs_of(dict(zip("abcdefgh", samples, strict=False)))


@pytest.mark.parametrize("count", [3, 6, 12, 40])
def test_p_equals_scipys_where_there_are_no_ties(count: int) -> None:
    from scipy.stats import wilcoxon

    difference = _generator(count).normal(0.4, 1, count)
    assert significance.signed_rank(difference) == pytest.approx(wilcoxon(difference, method="exact").pvalue)


def test_p_with_ties_and_zeros_is_that_of_all_signs() -> None:
    from scipy.stats import rankdata

    difference = np.array([0.0, 1, 1, -1, 2, 2, 3, 0, 4])
    ranks = rankdata(np.abs(difference))[difference != 0]
    observed = ranks[difference[difference != 0] > 0].sum()
    sums = np.array([np.dot(signs, ranks) for signs in product((0, 1), repeat=len(ranks))])
    expected = 2 * min((sums >= observed).mean(), (sums <= observed).mean())
    assert significance.signed_rank(difference) == pytest.approx(min(1, expected))


def test_many_differences_use_the_normal_distribution() -> None:
    from scipy.stats import wilcoxon

    difference = _generator(0).normal(0.1, 1, 400)
    expected = wilcoxon(difference, method="approx", correction=False).pvalue
    assert significance.signed_rank(difference) == pytest.approx(expected, rel=1e-6)
    boundary = difference[: significance.EXACT]
    exact = significance.signed_rank(boundary)
    assert exact == pytest.approx(wilcoxon(boundary, method="approx").pvalue, abs=2e-3)


def test_no_difference_is_no_evidence() -> None:
    assert significance.signed_rank(np.zeros(10)) == 1
    assert significance.rank_biserial(np.zeros(10)) == 0


def test_holm_as_worked_by_hand() -> None:
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.9, 0.8]) == [1, 1]


@pytest.mark.parametrize("count", [8, 30, 60])
def test_identical_methods_are_told_apart_in_five_percent_of_runs(count: int) -> None:
    # 2,000 runs: by chance, a rate seen in 500 misses the band once in twenty-five times.
    # A run: one picture quality per photograph, two measurements of it that differ by noise alone.
    rng = _generator(count)
    quality = rng.normal(25, 4, (2000, count))
    one, other = (quality + rng.standard_t(4, (2000, count)) for _ in range(2))
    claims = [significance.signed_rank(a - b) < significance.ALPHA for a, b in zip(one, other, strict=True)]
    assert 0.03 <= np.mean(claims) <= 0.07


def test_the_family_of_all_pairs_keeps_the_level() -> None:
    rng = _generator(5)
    runs = rng.normal(25, 4, (500, 1, 20)) + rng.normal(0, 1, (500, 4, 20))
    wrong = [
        any(adjusted < significance.ALPHA for _, adjusted in significance.pairwise(_pairs(*run)).values())
        for run in runs
    ]
    assert np.mean(wrong) <= 0.07


def test_a_pair_in_numbers() -> None:
    base = np.linspace(20, 30, 11)
    pair = significance.compare(_pairs(base, base + np.linspace(1, 2, 11)), higher_is_better=True)[0]
    assert (pair.first, pair.second, pair.photographs) == ("b", "a", 11)
    assert (pair.effect, pair.wins) == (1, 1)
    assert pair.shift == pytest.approx(1.5)
    assert 1 <= pair.low < 1.5 < pair.high <= 2
    assert pair.p == pair.adjusted == pytest.approx(2 / 2**11)
    lower = significance.compare(_pairs(base, base + 1), higher_is_better=False)[0]
    assert (lower.first, lower.shift) == ("a", pytest.approx(-1))


def test_the_interval_of_the_shift_covers_it() -> None:
    samples = _generator(9).normal(1, 2, (500, 15))
    covered = [low <= 1 <= high for _, low, high in map(significance.shift, samples)]
    assert 0.93 <= np.mean(covered) <= 0.98


def test_infinite_and_missing_values() -> None:
    first, second = np.array([np.inf, 30, np.nan, np.inf]), np.array([np.inf, 29, 20, 10])
    assert significance.differences(first, second).tolist() == [0, 1, math.inf]
    pair = significance.compare(_pairs(first, second), higher_is_better=True)[0]
    assert (pair.first, pair.photographs, pair.shift) == ("a", 3, 0.5)
    assert math.isnan(pair.low)
    assert significance.pairwise(_pairs(first, np.full(4, np.nan))) == {}


def test_what_few_photographs_can_show() -> None:
    assert not significance.decidable(5, 2)
    assert significance.decidable(6, 2)
    assert not significance.decidable(8, 6)


def test_ranks_as_in_demsar() -> None:
    # Five methods on ten photographs; Nemenyi's critical value for five is 2.728 (Demsar 2006, table 5).
    values = {name: _generator(2).normal(0, 1, 10) + step for step, name in enumerate("abcde")}
    found = significance.ranks(values, higher_is_better=True)
    assert found is not None
    assert list(found.mean) == ["e", "d", "c", "b", "a"]
    assert found.mean["e"] == 1
    assert found.critical_difference == pytest.approx(2.728 * math.sqrt(5 * 6 / 60), abs=2e-3)
    assert found.p < 1e-6
    assert significance.ranks({"a": np.arange(3.0)}, higher_is_better=True) is None


def test_cliques_are_the_largest_groups() -> None:
    ranks = Ranks({"a": 1.0, "b": 1.8, "c": 2.5, "d": 4.5}, 9, 0.01, 1.0)
    assert ranks.cliques() == [("a", "b"), ("b", "c")]
    assert Ranks({"a": 1.0, "b": 2.0, "c": 3.0}, 9, 0.01, 5.0).cliques() == [("a", "b", "c")]
