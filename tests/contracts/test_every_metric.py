"""What holds for every metric."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import picture

from benchmark import metrics

ALL = [metrics.find(name) for name in metrics.names()]
each = pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)


def _noisy(sigma: float) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(0))
    clean = picture(0).astype(float)
    return np.rint(clean + rng.normal(0, sigma, clean.shape)).clip(0, 255).astype(np.uint8)


def test_there_are_metrics_and_no_two_share_a_convention() -> None:
    assert {"psnr", "ssim"} <= set(metrics.names())
    assert len({metric.convention for metric in ALL}) == len(ALL)


@each
def test_it_says_what_it_is(metric: metrics.Metric) -> None:
    assert metric.better in ("higher", "lower")
    assert metric.convention.startswith(f"{metric.name}[")
    assert metric.function.__doc__
    assert metric.heading.startswith(metric.name.upper())


@each
def test_more_damage_is_worse(metric: metrics.Metric) -> None:
    clean = picture(0)
    sign = 1 if metric.better == "higher" else -1
    values = [sign * metric(_noisy(sigma), clean) for sigma in (0, 5, 15, 40)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4


@each
def test_nothing_is_better_than_the_clean_image(metric: metrics.Metric) -> None:
    clean = picture(0)
    best = metric(clean, clean)
    assert not math.isnan(best)
    sign = 1 if metric.better == "higher" else -1
    one_off = clean.copy()
    one_off[30, 30, 1] ^= 1
    assert sign * metric(one_off, clean) < sign * best


@each
def test_it_is_a_pure_function(metric: metrics.Metric) -> None:
    restored, clean = _noisy(10), picture(0)
    copies = restored.copy(), clean.copy()
    first = metric(restored, clean)
    assert metric(restored[:, ::-1][:, ::-1], np.asfortranarray(clean)) == first
    assert np.array_equal(restored, copies[0])
    assert np.array_equal(clean, copies[1])


@each
def test_colours_count(metric: metrics.Metric) -> None:
    clean = picture(0)
    swapped = np.ascontiguousarray(clean[..., ::-1])
    sign = 1 if metric.better == "higher" else -1
    assert sign * metric(swapped, clean) < sign * metric(_noisy(5), clean)
