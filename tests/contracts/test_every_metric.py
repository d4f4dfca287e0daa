"""What holds for every metric. Those of networks run on random weights elsewhere; here they have none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import picture

from benchmark import metrics
from benchmark.metrics import Metric, NoValueError

ALL = [metrics.find(name) for name in metrics.names()]
each = pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
of_pixels = pytest.mark.parametrize(
    "metric", [one for one in ALL if not one.weights], ids=lambda metric: metric.name
)
against_clean = pytest.mark.parametrize(
    "metric", [one for one in ALL if not one.weights and one.scope != "real"], ids=lambda metric: metric.name
)
SIZE = (192, 176)
MASK = np.zeros(SIZE, bool)
MASK[30:90, 40:120] = True


def _clean() -> np.ndarray:
    return picture(0, *SIZE)


def _noisy(sigma: float) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(0))
    clean = _clean().astype(float)
    return np.rint(clean + rng.normal(0, sigma, clean.shape)).clip(0, 255).astype(np.uint8)


def _value(metric: Metric, restored: np.ndarray, clean: np.ndarray) -> float:
    inputs = {"real": (restored,), "masked": (restored, clean, MASK)}.get(metric.scope, (restored, clean))
    return metric(*inputs)


def test_there_are_metrics_and_no_two_share_a_convention() -> None:
    assert {"psnr", "ssim", "psnr_y", "ms_ssim", "lpips_alex", "fid", "kid"} <= set(metrics.names())
    assert len({metric.convention for metric in ALL}) == len(ALL)


@each
def test_it_says_what_it_is(metric: Metric) -> None:
    assert metric.better in ("higher", "lower")
    assert metric.decimals > 0
    assert metric.convention.startswith(f"{metric.name}[")
    assert metric.summary.endswith((".", ";")) or metric.function.__doc__
    assert metric.heading.endswith(metric.arrow)
    assert metric.heading.upper().startswith(metric.name.partition("_")[0].upper())


@each
def test_it_comes_with_its_weights_or_without_a_number(
    metric: Metric, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    if not metric.weights:
        assert metric.unavailable() is None
        return
    assert metric.unavailable() == f"weights missing: benchmark weights fetch {metric.weights[0]}"
    inputs = (np.zeros((2, 8), np.float32),) * 2 if metric.scope == "set" else (_clean(),) * 2
    with pytest.raises(NoValueError, match="weights missing"):
        metric(*inputs)


@of_pixels
def test_more_damage_is_worse(metric: Metric) -> None:
    if metric.name == "blur":
        pytest.skip("noise is no blur")
    sign = 1 if metric.better == "higher" else -1
    values = [sign * _value(metric, _noisy(sigma), _clean()) for sigma in (0, 5, 15, 40)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4


@against_clean
def test_nothing_is_better_than_the_clean_image(metric: Metric) -> None:
    clean = _clean()
    best = _value(metric, clean, clean)
    assert not math.isnan(best)
    sign = 1 if metric.better == "higher" else -1
    off = clean.copy()
    off[27:60, 37:60, 1] ^= 1  # Over the mask's edge, so that every region sees it.
    assert sign * _value(metric, off, clean) < sign * best


@of_pixels
def test_it_is_a_pure_function(metric: Metric) -> None:
    restored, clean = _noisy(10), _clean()
    copies = restored.copy(), clean.copy()
    first = _value(metric, restored, clean)
    assert _value(metric, restored[:, ::-1][:, ::-1], np.asfortranarray(clean)) == first
    assert np.array_equal(restored, copies[0])
    assert np.array_equal(clean, copies[1])


@against_clean
def test_colours_count(metric: Metric) -> None:
    clean = _clean()
    swapped = np.ascontiguousarray(clean[..., ::-1])
    sign = 1 if metric.better == "higher" else -1
    assert sign * _value(metric, swapped, clean) < sign * _value(metric, _noisy(5), clean)


@each
def test_what_it_cannot_take_is_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match=f"{metric.name} takes"):
        metric()
    wrong = np.zeros((12, 12, 3), np.uint16)
    inputs = {"real": (wrong,), "masked": (wrong, wrong, MASK)}.get(metric.scope, (wrong, wrong))
    with pytest.raises(ValueError, match=f"{metric.name} takes"):
        metric(*inputs)


@of_pixels
def test_tiny_images_have_a_value_or_a_reason(metric: Metric) -> None:
    tiny, mask = picture(0, 8, 6), np.ones((8, 6), bool)
    mask[0, 0] = False
    inputs = {"real": (tiny,), "masked": (tiny, tiny, mask)}.get(metric.scope, (tiny, tiny))
    try:
        assert not math.isnan(metric(*inputs))
    except NoValueError as reason:
        assert "got 6x8" in str(reason)
