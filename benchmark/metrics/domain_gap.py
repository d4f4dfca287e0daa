"""How far apart two sets of codes lie, such as a network's codes of real and of synthetic old photographs.

Three distances, each against its permutation null: the same distance after the sets' labels are shuffled,
which is not 0 for finitely many samples. A gap is what exceeds that. Wan et al. (CVPR 2020) report "a
Wasserstein distance" of the codes without saying which estimator; these are stated in full.

Codes are means of a network's distribution, averaged over places: one row per photograph (N, D).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import NoValueError
from benchmark.metrics.distribution import frechet_distance
from degradekit.randomness import stream

PROJECTIONS, FOLDS, PERMUTATIONS = 512, 5, 200
#: Ridge of the probe, relative to the mean variance of a standardised feature (which is 1).
RIDGE = 1.0

Codes = NDArray[np.floating]
Distance = Callable[[Codes, Codes], float]


@dataclass(frozen=True)
class Gap:
    """A distance, and what shuffled labels give: mean and 95th percentile of the null.

    ``p`` is the share of shuffles, the true labels among them, that give as much or more.
    """

    value: float
    null_mean: float
    null_95: float
    p: float

    @property
    def excess(self) -> float:
        """The value beyond the null's mean: near 0 when there is no gap."""
        return self.value - self.null_mean


def gaps(real: Codes, synthetic: Codes, *, seed: int = 0, permutations: int = PERMUTATIONS) -> dict[str, Gap]:
    """``gaussian_w2``, ``sliced_w2`` and ``probe_auc`` of two sets of codes.

    Features are first standardised by mean and deviation of both sets together, so that a network cannot
    close the gap by scaling its codes down.

    Args:
        real: (N, D).
        synthetic: (M, D).
        seed: decides shuffles, projections and folds.
        permutations: shuffles.

    Raises:
        NoValueError: a set has fewer than ten rows.
        ValueError: the sets have different D, or a value is not finite.
    """
    if real.ndim != 2 or synthetic.ndim != 2 or real.shape[1] != synthetic.shape[1]:
        raise ValueError(f"codes are (N, D) and (M, D), got {real.shape} and {synthetic.shape}")
    if min(len(real), len(synthetic)) < 2 * FOLDS:
        counts = f"{len(real)} and {len(synthetic)}"
        raise NoValueError(f"a gap needs {2 * FOLDS} photographs of each kind, got {counts}")
    both = np.concatenate([real, synthetic]).astype(np.float64)
    if not np.isfinite(both).all():
        raise ValueError("a code is not finite")
    both = standardised(both)
    measures: dict[str, Distance] = {
        "gaussian_w2": gaussian_w2,
        "sliced_w2": lambda x, y: sliced_w2(x, y, seed=seed),
        "probe_auc": lambda x, y: probe_auc(x, y, seed=seed),
    }
    return {
        name: against_null(measure, both, len(real), seed=seed, permutations=permutations)
        for name, measure in measures.items()
    }


def against_null(
    distance: Distance, both: Codes, count: int, *, seed: int = 0, permutations: int = PERMUTATIONS
) -> Gap:
    """Distance of the first ``count`` rows of ``both`` from the others, and of shuffles of them."""
    value = distance(both[:count], both[count:])
    null = np.empty(permutations)
    for number in range(permutations):
        order = stream(seed, "permutation", number).permutation(len(both))
        null[number] = distance(both[order[:count]], both[order[count:]])
    p = (1 + int((null >= value).sum())) / (1 + permutations)
    return Gap(value, float(null.mean()), float(np.percentile(null, 95)), p)


def standardised(codes: Codes) -> NDArray[np.float64]:
    """Every feature with mean 0 and deviation 1; constant ones become 0."""
    centred = codes - codes.mean(axis=0)
    deviation = centred.std(axis=0)
    scaled: NDArray[np.float64] = centred / np.where(deviation > 1e-12, deviation, np.inf)
    return scaled


def gaussian_w2(x: Codes, y: Codes) -> float:
    """2-Wasserstein distance of the Gaussians fitted to both sets: the root of the Frechet distance."""
    # Rounding can leave a tiny negative number for equal sets.
    return float(np.sqrt(max(frechet_distance(x, y), 0.0)))


def sliced_w2(x: Codes, y: Codes, *, seed: int = 0, projections: int = PROJECTIONS) -> float:
    """Root mean square over random directions of the 2-Wasserstein distance of the projections.

    Bonneel, Rabin, Peyre & Pfister 2015. In one dimension it is the distance of the quantile functions; sets
    of different size are compared exactly, piece by piece between the jumps of either.
    """
    directions = stream(seed, "projections").standard_normal((x.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    along_x, along_y = np.sort(x @ directions, axis=0), np.sort(y @ directions, axis=0)
    jumps = np.union1d(np.arange(1, len(x) + 1) * len(y), np.arange(1, len(y) + 1) * len(x))
    widths = np.diff(jumps, prepend=0) / (len(x) * len(y))
    at_x = -(-jumps // len(y)) - 1
    at_y = -(-jumps // len(x)) - 1
    squared = ((along_x[at_x] - along_y[at_y]) ** 2 * widths[:, None]).sum(axis=0)
    return float(np.sqrt(squared.mean()))


def probe_auc(x: Codes, y: Codes, *, seed: int = 0) -> float:
    """How well a linear probe tells the sets apart on rows it was not fitted to: area under ROC, 0.5 = not.

    Ridge regression to labels of -1 and 1, five folds, each with the same share of both sets; ranks of all
    held-out outputs together. Below 0.5 the probe has learnt nothing that holds.
    """
    folds_x, folds_y = (
        stream(seed, "folds", which).permutation(np.arange(len(part)) % FOLDS)
        for which, part in enumerate((x, y))
    )
    codes = np.concatenate([x, y]).astype(np.float64)
    labels = np.concatenate([np.ones(len(x)), -np.ones(len(y))])
    folds = np.concatenate([folds_x, folds_y])
    outputs = np.empty(len(codes))
    for fold in range(FOLDS):
        held = folds == fold
        outputs[held] = _ridge(codes[~held], labels[~held], codes[held])
    return _rank_auc(outputs[: len(x)], outputs[len(x) :])


def _ridge(
    codes: NDArray[np.float64], labels: NDArray[np.float64], held: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Outputs for ``held`` of the ridge regression; in the smaller of the two equivalent systems."""
    # Labels weighted so that both sets count alike, whatever their sizes.
    share = (labels > 0).mean()
    weights = np.where(labels > 0, 0.5 / share, 0.5 / (1 - share))
    middle = np.average(codes, axis=0, weights=weights)
    A = (codes - middle) * np.sqrt(weights)[:, None]
    b = labels * np.sqrt(weights)
    ridge = RIDGE * len(codes)
    if len(codes) < codes.shape[1]:
        solution = A.T @ np.linalg.solve(A @ A.T + ridge * np.eye(len(A)), b)
    else:
        solution = np.linalg.solve(A.T @ A + ridge * np.eye(A.shape[1]), A.T @ b)
    return np.asarray((held - middle) @ solution)


def _rank_auc(higher: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, "left")
    upto = np.searchsorted(ordered, higher, "right")
    return float((below + upto).mean() / (2 * len(lower)))
