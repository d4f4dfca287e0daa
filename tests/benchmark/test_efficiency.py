from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import efficiency
from benchmark.efficiency import measure

CPU = torch.device("cpu")


def test_arithmetic_and_weights_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 1), nn.Flatten(), nn.Linear(300, 7)
    )
    image = torch.rand(1, 3, 10, 10)
    with torch.no_grad():
        found = measure(lambda: network(image), {"net": network}, CPU, repeats=4)
    assert found.parameters == (3 * 8 * 9 + 8) + (8 * 3 + 3) + (300 * 7 + 7)
    assert found.macs == 100 * 3 * 8 * 9 + 100 * 8 * 3 + 300 * 7
    assert found.repeats == 4


def test_attention_and_backward_passes_count() -> None:
    q = torch.rand(1, 2, 16, 8, requires_grad=True)
    forward = measure(
        lambda: nn.functional.scaled_dot_product_attention(q.detach(), q.detach(), q.detach()),
        {},
        CPU,
        repeats=3,
    )
    assert forward.macs == 2 * (2 * 16 * 16 * 8)
    weight = torch.rand(8, 8, requires_grad=True)
    both = measure(lambda: (torch.ones(4, 8) @ weight).sum().backward(), {}, CPU, repeats=3)
    assert both.macs == 2 * 4 * 8 * 8


def test_times_are_percentiles_of_real_ones() -> None:
    waits = iter([0.05, 0.002, 0.002, 0.002, 0.04, 0.002])
    found = measure(lambda: time.sleep(next(waits)), {}, CPU, repeats=5)
    assert found.repeats == 5
    assert 2 <= found.latency_p50_ms < 20
    assert found.latency_p95_ms > 20
    assert found.images_per_s == pytest.approx(5 / 0.048, rel=0.5)
    assert (found.parameters, found.macs) == (0, 0)


def test_slow_methods_are_measured_once() -> None:
    calls = []
    found = measure(lambda: calls.append(time.sleep(0.02)), {}, CPU, seconds=0.01)
    assert (found.repeats, len(calls)) == (1, 2)


def test_memory_is_what_restoring_adds() -> None:
    found = measure(lambda: np.ones(40_000_000, np.uint8).sum(), {}, CPU, repeats=3)
    if found.peak_memory_mb is None:
        pytest.skip("this system does not tell")
    assert 25 < found.peak_memory_mb < 100


def test_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(efficiency, "CLEAR", efficiency.Path(f"{tmp_path}/gone/file"))
    assert measure(lambda: None, {}, CPU, repeats=3).peak_memory_mb is None
