from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.metrics import NoValueError, domain_gap


def _codes(seed: int, count: int, shift: float = 0.0, size: int = 8) -> NDArray[np.float64]:
    rng = np.random.Generator(np.random.PCG64(seed))
    codes = rng.standard_normal((count, size))
    codes[:, 0] += shift
    return codes


def test_distances_by_hand() -> None:
    x = _codes(0, 300)
    moved = x + np.array([3.0, 4.0, *[0.0] * 6])
    assert domain_gap.gaussian_w2(x, x) == pytest.approx(0, abs=1e-6)
    assert domain_gap.gaussian_w2(x, moved) == pytest.approx(5)
    # The mean over directions of (u.d)^2 is |d|^2 / D.
    sliced = domain_gap.sliced_w2(x, moved, projections=20_000)
    assert sliced == pytest.approx(5 / np.sqrt(8), rel=0.02)


def test_sliced_distance_in_one_dimension_equals_scipy_for_unequal_sizes() -> None:
    from scipy.stats import wasserstein_distance

    x, y = _codes(0, 30, size=1), _codes(1, 47, size=1) ** 2
    # Both order-1 and order-2 distances are integrals over the same pieces, so check the pieces by order 1.
    fine = [np.repeat(np.sort(part, axis=0), 30 * 47 // len(part), axis=0) for part in (x, y)]
    assert np.abs(fine[0] - fine[1]).mean() == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]))
    expected = np.sqrt(((fine[0] - fine[1]) ** 2).mean())
    assert domain_gap.sliced_w2(x, y, projections=3) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_probe_finds_a_shift_and_nothing_where_there_is_none() -> None:
    from sklearn.metrics import roc_auc_score

    assert domain_gap.probe_auc(_codes(0, 200), _codes(1, 150, shift=2)) == pytest.approx(0.92, abs=0.04)
    assert domain_gap.probe_auc(_codes(0, 400), _codes(1, 400)) == pytest.approx(0.5, abs=0.06)
    higher, lower = np.round(_codes(2, 40)[:, 0], 1), np.round(_codes(3, 60, 1)[:, 0], 1)
    labels = np.r_[np.ones(40), np.zeros(60)]
    assert domain_gap._rank_auc(higher, lower) == pytest.approx(roc_auc_score(labels, np.r_[higher, lower]))


def test_both_forms_of_the_probe_are_one() -> None:
    codes, labels = _codes(0, 30, size=30), np.sign(_codes(1, 30)[:, 0])
    held = _codes(2, 5, size=30)
    wide = domain_gap._ridge(np.c_[codes, np.zeros((30, 5))], labels, np.c_[held, np.zeros((5, 5))])
    np.testing.assert_allclose(domain_gap._ridge(codes, labels, held), wide, atol=1e-10)


def test_a_gap_stands_out_of_its_null_and_no_gap_does_not() -> None:
    apart = domain_gap.gaps(_codes(0, 60, shift=1.5), _codes(1, 60), permutations=40)
    alike = domain_gap.gaps(_codes(0, 60), _codes(1, 60), permutations=40)
    assert set(apart) == {"gaussian_w2", "sliced_w2", "probe_auc"}
    for name, gap in apart.items():
        assert gap.p == pytest.approx(1 / 41), name
        assert gap.value > gap.null_95
        assert gap.excess > 2 * abs(alike[name].excess)
        assert alike[name].p > 0.05
        # A distance of two finite samples is never 0, which is what the null is for.
        assert name == "probe_auc" or alike[name].null_mean > 0.1


def test_the_gap_cannot_be_closed_by_scaling_the_codes() -> None:
    x, y = _codes(0, 40, 1), _codes(1, 30)
    one = domain_gap.gaps(x, y, permutations=5)
    other = domain_gap.gaps(x / 1000, y / 1000, permutations=5)
    assert one["gaussian_w2"].value == pytest.approx(other["gaussian_w2"].value)


def test_what_has_no_gap_is_refused() -> None:
    with pytest.raises(NoValueError, match="10 photographs of each kind, got 40 and 9"):
        domain_gap.gaps(_codes(0, 40), _codes(1, 9))
    with pytest.raises(ValueError, match=r"\(N, D\) and \(M, D\)"):
        domain_gap.gaps(_codes(0, 40), _codes(1, 40, size=3))
    broken = _codes(0, 40)
    broken[3, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        domain_gap.gaps(broken, _codes(1, 40))
