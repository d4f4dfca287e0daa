from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.metrics import NoValueError, detection
from benchmark.metrics.detection import Detection, Histogram, count


def _maps(seed: int, prevalence: float = 0.03) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """A detector that is right more often than not, with ties at both ends."""
    rng = np.random.Generator(np.random.PCG64(seed))
    lost = rng.random((90, 110)) < prevalence
    logits = rng.normal(-3, 2, lost.shape) + 3.5 * lost
    scores = np.rint(65_535 / (1 + np.exp(-logits))).astype(np.uint16)
    scores[:7] = 0
    scores[40:42] = 65_535
    return scores, np.where(lost, 255, 0).astype(np.uint8)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("bins", [4096, 65_536])
@pytest.mark.parametrize("prevalence", [0.003, 0.03, 0.6])
def test_auc_and_ap_equal_scikit_learn(bins: int, prevalence: float) -> None:
    from sklearn import metrics as reference

    scores, mask = _maps(5, prevalence)
    histogram = count(scores, mask, bins)
    exact, lost = scores.ravel() / 65_535, mask.ravel() > 0
    assert detection.area_under_roc(histogram) == pytest.approx(
        reference.roc_auc_score(lost, exact), abs=1e-4
    )
    assert detection.average_precision(histogram) == pytest.approx(
        reference.average_precision_score(lost, exact), abs=1e-4
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_with_65536_bins_a_16_bit_map_loses_nothing() -> None:
    from sklearn import metrics as reference

    scores, mask = _maps(6)
    line = detection.curve(count(scores, mask))
    precision, recall, cuts = reference.precision_recall_curve(mask.ravel() > 0, scores.ravel() / 65_535)
    np.testing.assert_allclose(line.cut[::-1], cuts, atol=1e-12)
    np.testing.assert_allclose(line.precision[::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(line.recall[::-1], recall[:-1], atol=1e-12)


def test_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.3, 0.1]])
    mask = np.array([[255, 0, 128, 127]], np.uint8)
    histogram = count(scores, mask)
    # Of the four pairs (lost, kept), one is the wrong way round: 0.3 under 0.8.
    assert detection.area_under_roc(histogram) == 0.75
    assert detection.average_precision(histogram) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert detection.at_cut(histogram, 0.4) == {"f1": 0.5, "iou": 1 / 3, "precision": 0.5, "recall": 0.5}
    assert detection.at_cut(histogram, 0.95)["precision"] == 1
    assert histogram.prevalence == 0.5


def test_ties_count_half() -> None:
    scores, mask = np.full((4, 4), 7, np.uint8), np.zeros((4, 4), np.uint8)
    mask[0] = 255
    assert detection.area_under_roc(count(scores, mask)) == 0.5
    assert detection.average_precision(count(scores, mask)) == 0.25


def test_a_score_on_the_cut_counts_as_lost() -> None:
    # 0.4 of 65535 is a whole number, and 0.4 of 255 too.
    for scores in (np.array([[26_214, 26_213]], np.uint16), np.array([[102, 101]], np.uint8)):
        assert detection.at_cut(count(scores, np.array([[255, 0]], np.uint8)))["f1"] == 1


def test_pictures_add_up_and_keep_their_own_scores() -> None:
    whole, parts = Detection(), Detection()
    (a, lost_a), (b, lost_b) = _maps(1), _maps(2)
    whole.add(np.vstack([a, b]), np.vstack([lost_a, lost_b]))
    parts.add(a, lost_a)
    parts.add(b, lost_b)
    parts.add(a, np.zeros_like(lost_a))
    pooled = Histogram() + count(a, lost_a) + count(b, lost_b)
    assert np.array_equal(whole.histogram.lost, pooled.lost)
    assert np.array_equal(whole.histogram.kept, pooled.kept)
    summary = parts.summary()
    assert (summary["images"], summary["images_scored"]) == (3, 2)
    expected = [detection.area_under_roc(count(*pair)) for pair in ((a, lost_a), (b, lost_b))]
    assert summary["mean_auc"] == pytest.approx(np.mean(expected))
    assert summary["f1"] >= summary["f1_at_0.4"]
    assert summary["pixels"] == 3 * a.size


def test_no_curve_without_both_kinds_of_pixels() -> None:
    scores = _maps(0)[0]
    for value, text in ((0, "no pixel is lost"), (255, "every pixel is lost")):
        alone = Detection()
        alone.add(scores, np.full(scores.shape, value, np.uint8))
        with pytest.raises(NoValueError, match=text):
            alone.summary()
    assert math.isnan(Histogram().prevalence)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan])
def test_scores_outside_the_unit_interval_are_refused(wrong: float) -> None:
    scores = np.full((3, 3), 0.5)
    scores[1, 1] = wrong
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        count(scores, np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match="shape"):
        count(scores, np.zeros((3, 4), np.uint8))


def test_a_thinned_curve_has_the_ends_and_the_shape() -> None:
    line = detection.curve(count(*_maps(3)))
    thin = line.thinned(50)
    assert len(thin.cut) <= 50
    assert (thin.recall[0], thin.recall[-1]) == (line.recall[0], line.recall[-1])
    assert np.all(np.diff(thin.recall) >= 0)
    # No step is much longer than the longest tie, the seven rows of zeros.
    way = thin.recall + thin.false_alarms
    assert np.diff(way).max() < 0.2
    assert set(zip(thin.cut, thin.recall, strict=True)) <= set(zip(line.cut, line.recall, strict=True))
