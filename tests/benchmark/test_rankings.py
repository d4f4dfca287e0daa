from __future__ import annotations

import numpy as np
import pytest

from benchmark import rankings
from degradekit.randomness import stream


def _places(*orders: tuple[int, ...]) -> rankings.Places:
    """One participant per order of one photograph; an order names methods, best first."""
    return np.array([[np.argsort(order)] for order in orders])


def _drawn(strength: np.ndarray, participants: int, photographs: int, seed: int) -> rankings.Places:
    """Orders in which each method comes next with a chance in proportion to its strength."""
    noise = stream(seed, "rankings").gumbel(size=(participants, photographs, len(strength)))
    return np.argsort(np.argsort(-(np.log(strength) + noise), axis=2), axis=2)


def test_shares_and_mean_places_by_hand() -> None:
    found = rankings.summarise(_places((0, 1, 2), (0, 2, 1), (1, 0, 2), (0, 1, 2)), resamples=50)
    assert found.top.tolist() == [[75, 100, 100], [25, 75, 100], [0, 25, 100]]
    assert found.mean_place.tolist() == [1.25, 2.0, 2.75]


def test_two_methods_are_as_strong_as_they_win_often() -> None:
    strength = rankings.bradley_terry(np.array([[0.0, 30.0], [10.0, 0.0]]))
    assert strength == pytest.approx([0.75, 0.25], abs=1e-12)


def test_strengths_that_made_the_wins_are_found() -> None:
    true = np.array([0.5, 0.3, 0.15, 0.05])
    expected_wins = 100 * true[:, None] / (true[:, None] + true[None, :])
    np.fill_diagonal(expected_wins, 0)
    assert rankings.bradley_terry(expected_wins) == pytest.approx(true, abs=1e-8)
    # Many at once are as one by one, wherever they begin.
    both = np.stack([expected_wins, expected_wins.T])
    at_once = rankings.bradley_terry(both, start=np.array([0.1, 0.1, 0.1, 0.7]))
    assert at_once[1] == pytest.approx(rankings.bradley_terry(expected_wins.T), abs=1e-8)


def test_the_likelihood_is_greatest_there() -> None:
    wins = rankings.pairwise_wins(_drawn(np.array([5.0, 3, 2, 1]), 6, 5, seed=1)).sum(axis=0)

    def likelihood(strength: np.ndarray) -> float:
        return float((wins * np.log(strength[:, None] / (strength[:, None] + strength[None, :]))).sum())

    best = rankings.bradley_terry(wins)
    rng = stream(0, "nearby")
    for _ in range(50):
        assert likelihood(best) >= likelihood(best * np.exp(0.05 * rng.standard_normal(4)))


def test_a_method_that_never_wins_gets_half_a_win() -> None:
    found = rankings.summarise(_places((0, 1), (0, 1), (0, 1)), resamples=20)
    assert found.prior
    assert found.strength == pytest.approx([3.5 / 4, 0.5 / 4], abs=1e-9)
    # All resamples are alike.
    assert found.low == pytest.approx(found.high)
    contested = rankings.summarise(_places((0, 1), (0, 1), (1, 0)), resamples=20)
    assert not contested.prior
    assert contested.strength == pytest.approx([2 / 3, 1 / 3], abs=1e-9)


def test_a_group_that_always_loses_is_noticed() -> None:
    # 0 and 1 beat each other, 2 and 3 beat each other, but nothing of the second pair beats the first.
    found = rankings.summarise(_places((0, 1, 2, 3), (1, 0, 3, 2)), resamples=20)
    assert found.prior
    assert found.strength[0] == pytest.approx(found.strength[1])
    assert found.strength[2] == pytest.approx(found.strength[3])
    assert found.strength[0] > found.strength[2] > 0


def test_agreement_by_hand() -> None:
    assert rankings.kendall_w(_places((0, 1, 2), (0, 1, 2), (0, 1, 2))).tolist() == [1.0]
    assert rankings.kendall_w(_places((0, 1, 2), (2, 1, 0))).tolist() == [0.0]
    # Rank sums 4, 5, 9 of three participants: S = 14, W = 12 * 14 / (9 * 24).
    assert rankings.kendall_w(_places((0, 1, 2), (0, 1, 2), (1, 0, 2))) == pytest.approx([7 / 9])
    by_lot = rankings.kendall_w(_drawn(np.ones(5), 8, 2000, seed=3))
    assert by_lot.mean() == pytest.approx(1 / 8, abs=0.01)


def test_one_participant_has_no_interval() -> None:
    found = rankings.summarise(_places((1, 0, 2)))
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()
    assert np.isnan(found.agreement).all()


def test_numbers_do_not_change() -> None:
    places = _drawn(np.array([3.0, 2, 1]), 7, 4, seed=2)
    one, other = (rankings.summarise(places, resamples=600) for _ in range(2))
    assert one.low.tolist() == other.low.tolist()
    assert (one.low < one.strength).all()
    assert (one.strength < one.high).all()


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    true = np.array([0.5, 0.25, 0.15, 0.1])
    held = []
    for study in range(120):
        found = rankings.summarise(_drawn(true, 22, 6, seed=study), resamples=400)
        held.append((found.low <= true) & (true <= found.high))
    # Percentile intervals of 22 participants are a little too short.
    assert 0.88 < np.mean(held) < 0.98


def test_participants_of_different_taste_widen_the_intervals() -> None:
    tastes = [np.array([8.0, 1, 1]), np.array([1.0, 8, 1])]
    mixed = np.concatenate([_drawn(tastes[person % 2], 1, 40, seed=person) for person in range(20)])
    # The same answers dealt out so that every participant has some of either taste.
    dealt = stream(0, "dealt").permuted(mixed.reshape(-1, 3), axis=0).reshape(mixed.shape)
    apart, alike = rankings.summarise(mixed, resamples=500), rankings.summarise(dealt, resamples=500)
    assert (apart.high - apart.low)[:2].sum() > 1.5 * (alike.high - alike.low)[:2].sum()
