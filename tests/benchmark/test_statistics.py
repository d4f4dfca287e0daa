from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.scoring import Row
from benchmark.statistics import complete, on_shared_images, over_seeds, per_photograph, per_seed, summarise


def _row(method: str, photograph: str, variant: int, value: float) -> Row:
    return Row(method, 0, f"{photograph}_{variant}", photograph, photograph, variant, "psnr", "c", value)


def test_variants_of_a_photograph_are_one_sample() -> None:
    rows = [_row("m", "a", variant, 10 + variant) for variant in range(3)] + [_row("m", "b", 0, 20)]
    photographs, values = per_photograph(rows, "psnr")
    assert photographs == ["a", "b"]
    assert values["m"].tolist() == [11, 20]


def test_two_methods_are_compared_on_the_images_both_have() -> None:
    rows = [_row(name, "a", variant, 10 + variant) for name in "mn" for variant in range(3)]
    rows += [_row("few", "a", 2, 12), _row("other", "a", 1, 11)]
    pairs = on_shared_images([rows], "psnr")
    assert {pair: [value.tolist() for value in values] for pair, values in pairs.items()} == {
        ("few", "m"): [[12], [12]],
        ("few", "n"): [[12], [12]],
        ("m", "n"): [[11], [11]],
        ("m", "other"): [[11], [11]],
        ("n", "other"): [[11], [11]],
    }
    assert per_photograph(rows, "psnr")[1]["few"].tolist() == [12]


def test_those_tested_on_fewer_images_are_not_complete() -> None:
    rows = [_row(name, "a", variant, 1) for name in "mn" for variant in range(2)]
    assert complete([*rows, _row("few", "a", 1, 1)], "psnr") == {"m", "n"}
    # As many, but others.
    assert complete([*rows, _row("a", "a", 1, 1), _row("a", "a", 2, 1)], "psnr") == {"m", "n"}
    assert complete([], "psnr") == set()


def test_intervals_agree_with_theory() -> None:
    sample = np.random.Generator(np.random.PCG64(1)).normal(25, 3, 200)
    summary = summarise({"m": sample}, higher_is_better=True, contenders=["m"])["m"]
    half = 1.96 * sample.std(ddof=1) / math.sqrt(200)
    assert summary.mean == pytest.approx(sample.mean())
    assert summary.low == pytest.approx(sample.mean() - half, abs=0.05)
    assert summary.high == pytest.approx(sample.mean() + half, abs=0.05)
    again = summarise({"m": sample}, higher_is_better=True, contenders=["m"])["m"]
    assert again == summary


def test_differences_are_paired() -> None:
    # Photographs differ far more than methods do, yet b is better on every one of them.
    a = np.linspace(10, 40, 12)
    values = {"a": a, "b": a + 0.5, "c": a + 0.5 + np.resize([0.1, -0.12], 12)}
    result = summarise(values, higher_is_better=True, contenders=["a", "b", "c"])
    assert result["a"].high > result["b"].low
    assert {name: summary.best for name, summary in result.items()} == {"a": False, "b": True, "c": True}
    lower = summarise(values, higher_is_better=False, contenders=["a", "b", "c"])
    assert {name: summary.best for name, summary in lower.items()} == {"a": True, "b": False, "c": False}
    rivals = summarise(values, higher_is_better=True, contenders=["a"])
    assert {name: summary.best for name, summary in rivals.items()} == {"a": True, "b": False, "c": False}


def test_infinite_values_are_counted_and_left_out_of_the_mean() -> None:
    values = {"m": np.array([10.0, np.inf, 20.0] + [15.0] * 6), "all": np.full(9, np.inf)}
    result = summarise(values, higher_is_better=True, contenders=["m", "all"])
    assert (result["m"].mean, result["m"].infinite) == (15, 1)
    assert 10 <= result["m"].low <= result["m"].high <= 20
    assert (result["all"].mean, result["all"].infinite) == (math.inf, 9)
    assert (result["all"].best, result["m"].best) == (True, False)


def test_intervals_of_few_photographs_cover_the_truth() -> None:
    samples = np.random.Generator(np.random.PCG64(3)).normal(25, 3, (500, 10))
    found = summarise(
        {str(number): sample for number, sample in enumerate(samples)}, higher_is_better=True, contenders=()
    )
    covered = np.mean([summary.low <= 25 <= summary.high for summary in found.values()])
    assert 0.93 <= covered <= 0.97


def test_too_few_photographs_call_nobody_best() -> None:
    values = {"a": np.arange(5.0), "b": np.arange(5.0) + 1}
    assert not any(s.best for s in summarise(values, higher_is_better=True, contenders=["a", "b"]).values())
    longer = {name: np.resize(sample, 6) for name, sample in values.items()}
    result = summarise(longer, higher_is_better=True, contenders=["a", "b"])
    assert {name: summary.best for name, summary in result.items()} == {"a": False, "b": True}


def test_one_photograph_has_no_interval() -> None:
    summary = summarise({"m": np.array([12.0])}, higher_is_better=True, contenders=["m"])["m"]
    assert summary.mean == 12
    assert math.isnan(summary.low)
    assert math.isnan(summary.high)


def _seeds(rng: np.random.Generator, seeds: float, photographs: float) -> np.ndarray:
    """Three seeds of twenty photographs around 25, with these standard deviations."""
    return 25 + rng.normal(0, seeds, (3, 1)) + rng.normal(0, photographs, (1, 20))


def test_seeds_are_averaged_before_photographs() -> None:
    runs = [[_row("m", "a", 0, 10), _row("m", "a", 1, 12), _row("m", "b", 0, 30)], [_row("m", "a", 0, 13)]]
    runs[1] += [_row("m", "a", 1, 13), _row("m", "b", 0, 34)]
    runs[0].append(_row("lucky", "a", 0, 1))
    photographs, tables = per_seed(runs, "psnr")
    assert photographs == ["a", "b"]
    assert tables["m"].tolist() == [[11, 30], [13, 34]]
    assert over_seeds(tables["m"]).tolist() == [12, 32]
    assert np.isnan(tables["lucky"]).tolist() == [[False, True], [True, True]]
    summary = summarise({"m": tables["m"]}, higher_is_better=True, contenders=["m"])["m"]
    assert (summary.mean, summary.photographs, summary.seeds) == (22, 2, 2)
    assert summary.sd == pytest.approx(np.std([20.5, 23.5], ddof=1))


def test_seeds_that_differ_widen_the_interval() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    table = _seeds(rng, 1, 1)
    found = summarise(
        {
            "apart": table,
            "alike": np.repeat(table[:1], 3, axis=0),
            "single": np.where([[1], [0], [0]], table, np.nan),
        },
        higher_is_better=True,
        contenders=(),
    )
    alone = summarise({"m": table[0]}, higher_is_better=True, contenders=())["m"]
    assert (found["alike"].sd, found["alike"].seeds) == (0, 3)
    assert found["alike"].low == pytest.approx(alone.low, rel=1e-12)
    assert found["alike"].high == pytest.approx(alone.high, rel=1e-12)
    assert (found["single"].mean, found["single"].seeds) == (pytest.approx(alone.mean), 1)
    assert math.isnan(found["single"].sd)
    reach = {name: summary.high - summary.low for name, summary in found.items()}
    assert reach["apart"] > 1.3 * reach["alike"]


def test_a_number_of_the_whole_set_has_a_spread_over_seeds_and_no_interval() -> None:
    table = np.array([[30.0], [34.0], [32.0]])
    summary = summarise({"m": table}, higher_is_better=False, contenders=())["m"]
    assert (summary.mean, summary.sd, summary.seeds) == (32, 2, 3)
    assert math.isnan(summary.low)
