"""What many participants' rankings say: shares of first places, strengths with intervals, agreement.

``Places`` are whole numbers (participants, photographs, methods): 0 is the best place, and every participant
has put all methods of every photograph in an order without ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics import BLOCK, LEVEL, RESAMPLES
from degradekit.randomness import stream

Places = NDArray[np.int64]
Values = NDArray[np.float64]

#: Wins that every pair of methods gets where the strengths would be infinite otherwise; our choice.
PRIOR_WINS = 0.5
#: Iterations end when no log strength moves more than this.
TOLERANCE = 1e-10
MOST_ITERATIONS = 10_000


@dataclass(frozen=True)
class Rankings:
    """The numbers of a study of P participants, T photographs and K methods.

    Args:
        top: (K, K), in percent; column k: how often the method was among the first k + 1.
        mean_place: (K,), 1 = always best.
        strength: (K,), Bradley and Terry's, sum 1.
        low: (K,), lower ends of their 95 % bootstrap intervals over participants; NaN for one participant.
        high: (K,), upper ends.
        prior: whether ``PRIOR_WINS`` were needed for ``strength``.
        agreement: (T,), Kendall's W between the participants, by photograph; NaN for one participant.
    """

    top: Values
    mean_place: Values
    strength: Values
    low: Values
    high: Values
    prior: bool
    agreement: Values


def summarise(places: Places, resamples: int = RESAMPLES) -> Rankings:
    """All numbers of a study.

    Args:
        places: (P, T, K), see above.
        resamples: of participants, for the intervals. They are drawn from a stream of their own, so the same
            rankings in the same order give the same numbers.
    """
    wins = pairwise_wins(places)
    total = wins.sum(axis=0)
    strength = bradley_terry(total)
    low, high = _interval(wins, strength, resamples)
    return Rankings(
        top_shares(places),
        places.mean(axis=(0, 1)) + 1,
        strength,
        low,
        high,
        not _connected(total),
        kendall_w(places),
    )


def top_shares(places: Places) -> Values:
    """(K, K) percentages: entry (m, k) is how often method m has one of the first k + 1 places."""
    methods = places.shape[-1]
    flat = places.reshape(-1, methods)
    return np.stack([100 * (flat <= place).mean(axis=0) for place in range(methods)], axis=1)


def pairwise_wins(places: Places) -> Values:
    """(P, K, K): on how many photographs participant p placed method i before method j."""
    before = places[..., :, None] < places[..., None, :]
    wins: Values = before.sum(axis=1).astype(np.float64)
    return wins


def bradley_terry(wins: Values, start: Values | None = None) -> Values:
    """Strengths p with p_i / (p_i + p_j) the chance that i beats j, of the greatest likelihood; sum 1.

    By the minorise-maximise iterations of Hunter (Annals of Statistics 32, 2004). They have a finite limit
    only if no group of methods wins, or loses, every comparison with the others; where one does, every pair
    gets ``PRIOR_WINS`` in both directions.

    Args:
        wins: (..., K, K), how often i beat j; the diagonal is 0.
        start: (K,) or (..., K), where to begin; all equal if None.

    Raises:
        ArithmeticError: no limit was reached, which these iterations never do on finite data.
    """
    methods = wins.shape[-1]
    flat: Values = wins.reshape(-1, methods, methods)
    apart = ~np.array([_connected(one) for one in flat])
    flat = flat + np.where(apart[:, None, None], PRIOR_WINS * (1 - np.eye(methods)), 0)
    strength = np.full(flat.shape[:2], 1 / methods)
    if start is not None:
        strength[:] = np.broadcast_to(start, wins.shape[:-1]).reshape(strength.shape)
    won, compared = flat.sum(axis=2), flat + flat.transpose(0, 2, 1)
    moving = np.arange(len(flat))
    for _ in range(MOST_ITERATIONS):
        now = strength[moving]
        shares = compared[moving] / (now[:, :, None] + now[:, None, :])
        better = won[moving] / shares.sum(axis=2)
        better /= better.sum(axis=1, keepdims=True)
        strength[moving] = better
        moving = moving[np.abs(np.log(better / now)).max(axis=1) > TOLERANCE]
        if not len(moving):
            settled: Values = strength.reshape(wins.shape[:-1])
            return settled
    raise ArithmeticError(f"Bradley-Terry strengths have not settled in {MOST_ITERATIONS:,} iterations")


def kendall_w(places: Places) -> Values:
    """Kendall's coefficient of concordance of the participants, for each photograph: (T,), from 0 to 1.

    W = 12 S / (P^2 (K^3 - K)), S being the squared deviations of the methods' rank sums from their mean
    (Kendall and Babington Smith, 1939). 1: all gave the same order; by lot it is 1 / P on average.
    """
    participants, photographs, methods = places.shape
    if participants < 2:
        return np.full(photographs, np.nan)
    sums = places.sum(axis=0).astype(np.float64)
    deviations = ((sums - sums.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    concordance: Values = 12 * deviations / (participants**2 * (methods**3 - methods))
    return concordance


def _interval(wins: Values, strength: Values, resamples: int) -> tuple[Values, Values]:
    """Percentiles of the strengths over resamples of whole participants, whose answers belong together."""
    participants, methods, _ = wins.shape
    if participants < 2:
        return np.full(methods, np.nan), np.full(methods, np.nan)
    rng = stream(0, "study", "bootstrap", participants)
    found = []
    for start in range(0, resamples, BLOCK):
        drawn = rng.integers(participants, size=(min(BLOCK, resamples - start), participants))
        counts = np.stack([np.bincount(row, minlength=participants) for row in drawn])
        found.append(bradley_terry(np.tensordot(counts, wins, axes=1), strength))
    low, high = np.quantile(np.concatenate(found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def _connected(wins: Values) -> bool:
    """Whether from every method a chain of wins leads to every other one."""
    reached = wins > 0
    for middle in range(len(wins)):
        reached = reached | (reached[:, middle, None] & reached[None, middle, :])
    return bool((reached | np.eye(len(wins), dtype=bool)).all())
