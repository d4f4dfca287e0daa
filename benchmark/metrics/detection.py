"""How well a map of probabilities tells lost pixels from kept ones: ROC, precision and recall.

Pixels are counted into a histogram of scores, one for lost and one for kept ones, so memory is the same for
any number of pictures and histograms of parts add up. With 65,536 bins a 16-bit map loses nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import DAMAGED, NoValueError

BINS = 65_536
#: Score from which Wan et al. (CVPR 2020) call a pixel lost.
CUT = 0.4
#: Points a drawn curve is thinned out to.
POINTS = 400

Scores: TypeAlias = NDArray[np.uint8 | np.uint16] | NDArray[np.floating[Any]]
Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Histogram:
    """Numbers of lost and of kept pixels by score; both int64 (bins,), bin i around i / (bins - 1)."""

    lost: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))
    kept: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def __add__(self, other: Histogram) -> Histogram:
        """The counts of both, as if their pictures were one."""
        return Histogram(self.lost + other.lost, self.kept + other.kept)

    @property
    def prevalence(self) -> float:
        """Share of the pixels that are lost; NaN without a pixel."""
        lost, kept = int(self.lost.sum()), int(self.kept.sum())
        return lost / (lost + kept) if lost + kept else math.nan


@dataclass(frozen=True)
class Curve:
    """What happens as the cut falls through every score that occurs; all (N,), cuts falling.

    Pixels with a score of at least ``cut`` are called lost: ``recall`` of the lost ones are found (the true
    positive rate), ``precision`` of those found are lost, ``false_alarms`` of the kept ones are found (the
    false positive rate).
    """

    cut: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    false_alarms: NDArray[np.float64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall at every cut."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    def thinned(self, points: int = POINTS) -> Curve:
        """At most about ``points`` of the curve, evenly along recall and false alarms together; both ends."""
        way = self.recall + self.false_alarms
        chosen = np.unique(np.searchsorted(way, np.linspace(way[0], way[-1], points)))
        return Curve(*(column[chosen] for column in self._columns()))

    def _columns(self) -> tuple[NDArray[np.float64], ...]:
        return self.cut, self.recall, self.precision, self.false_alarms


def count(scores: Scores, mask: NDArray[np.uint8], bins: int = BINS) -> Histogram:
    """Histogram of one picture.

    Args:
        scores: (H, W); integers use their type's whole range for [0, 1], floats are in [0, 1] themselves.
        mask: uint8 (H, W); a pixel is lost from 128 on.
        bins: number of bins.

    Raises:
        ValueError: shapes differ, or a score is outside [0, 1] or not a number.
    """
    if scores.shape != mask.shape or scores.ndim != 2:
        raise ValueError(f"the scores have shape {scores.shape}, the mask {mask.shape}; both are (H, W)")
    lost = mask >= DAMAGED
    places = _bins(scores, bins)
    every = np.bincount(places.ravel(), minlength=bins)
    among_lost = np.bincount(places[lost], minlength=bins)
    return Histogram(among_lost.astype(np.int64), (every - among_lost).astype(np.int64))


def _bins(scores: Scores, bins: int) -> NDArray[np.int64]:
    values = scores.astype(np.float64)
    if np.issubdtype(scores.dtype, np.integer):
        values /= 255 if scores.dtype == np.uint8 else 65_535
    # The comparison is false for what is not a number, too.
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("scores are in [0, 1]")
    places: NDArray[np.int64] = np.rint(values * (bins - 1)).astype(np.int64)
    return places


def curve(histogram: Histogram) -> Curve:
    """The curve of a histogram.

    Raises:
        NoValueError: no pixel is lost, or all are.
    """
    lost, kept = _totals(histogram)
    occurring = np.flatnonzero(histogram.lost + histogram.kept)[::-1]
    found = np.cumsum(histogram.lost[occurring])
    wrong = np.cumsum(histogram.kept[occurring])
    cut = occurring / (len(histogram.lost) - 1)
    return Curve(cut, found / lost, found / (found + wrong), wrong / kept)


def area_under_roc(histogram: Histogram) -> float:
    """Probability that a lost pixel scores higher than a kept one, ties counting half; 0.5 is chance.

    Raises:
        NoValueError: no pixel is lost, or all are.
    """
    lost, kept = _totals(histogram)
    kept_below = np.cumsum(histogram.kept) - histogram.kept
    return float(np.sum(histogram.lost * (kept_below + histogram.kept / 2)) / (float(lost) * kept))


def average_precision(histogram: Histogram) -> float:
    """Sum of precision times gain in recall over all cuts, nothing interpolated; chance is the prevalence.

    Raises:
        NoValueError: no pixel is lost, or all are.
    """
    line = curve(histogram)
    return float(np.sum(np.diff(line.recall, prepend=0.0) * line.precision))


def at_cut(histogram: Histogram, cut: float = CUT) -> dict[str, float]:
    """``f1``, ``iou``, ``precision`` and ``recall`` when pixels from the score ``cut`` on are called lost.

    With nothing called lost, precision is 1.

    Raises:
        NoValueError: no pixel is lost, or all are.
    """
    lost, _ = _totals(histogram)
    first = math.ceil(cut * (len(histogram.lost) - 1) - 1e-9)
    found, wrong = int(histogram.lost[first:].sum()), int(histogram.kept[first:].sum())
    called = found + wrong
    return {
        "f1": 2 * found / (called + lost),
        "iou": found / (lost + wrong),
        "precision": found / called if called else 1.0,
        "recall": found / lost,
    }


@dataclass
class Detection:
    """Scores of one detector over pictures that come one by one; memory does not grow with their size.

    ``auc`` and ``ap`` are over all pixels of all pictures; ``mean_auc`` and ``mean_ap`` are means over the
    pictures that have both lost and kept pixels, of which there are ``images_scored``.
    """

    histogram: Histogram = field(default_factory=Histogram)
    images: int = 0
    #: AUC, AP and best F1 of each picture that has them.
    single: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, scores: Scores, mask: NDArray[np.uint8]) -> None:
        """Count one picture; see ``count``."""
        one = count(scores, mask)
        self.histogram += one
        self.images += 1
        if one.lost.any() and one.kept.any():
            self.single.append((area_under_roc(one), average_precision(one), float(curve(one).f1.max())))

    def summary(self) -> dict[str, float]:
        """All numbers by name.

        ``f1`` is the largest over all cuts, reached at ``f1_cut``; a cut chosen on these very pictures
        flatters. ``f1_single`` lets every picture have a best cut of its own. ``f1_at_0.4``, ``iou_at_0.4``,
        ``precision_at_0.4`` and ``recall_at_0.4`` are at the fixed cut.

        Raises:
            NoValueError: no pixel of any picture is lost, or all are.
        """
        line = curve(self.histogram)
        best = int(line.f1.argmax())
        # Pooled numbers can exist where no single picture has both kinds of pixels.
        means = np.mean(self.single, axis=0) if self.single else np.full(3, math.nan)
        return {
            "auc": area_under_roc(self.histogram),
            "ap": average_precision(self.histogram),
            "f1": float(line.f1[best]),
            "f1_cut": float(line.cut[best]),
            **{f"{name}_at_{CUT}": value for name, value in at_cut(self.histogram).items()},
            "prevalence": self.histogram.prevalence,
            "mean_auc": float(means[0]),
            "mean_ap": float(means[1]),
            "f1_single": float(means[2]),
            "images": self.images,
            "images_scored": len(self.single),
            "pixels": int(self.histogram.lost.sum() + self.histogram.kept.sum()),
        }


def _totals(histogram: Histogram) -> tuple[int, int]:
    lost, kept = int(histogram.lost.sum()), int(histogram.kept.sum())
    if not lost:
        raise NoValueError("no pixel is lost, so there is nothing to find")
    if not kept:
        raise NoValueError("every pixel is lost, so there is nothing to tell apart")
    return lost, kept
