from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark import grouping
from benchmark.method import Batching, Declaration

CPU, CARD = torch.device("cpu"), torch.device("cuda")


class Together:
    """Takes one byte per pixel."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        return degraded

    def restore_many(self, degraded: Tensor, mask: Tensor | None, seeds: Any) -> Tensor:
        return degraded

    def footprint(self, height: int, width: int) -> int:
        return height * width


def _declare(tile: int | None = None) -> Declaration:
    return Declaration("together", "for tests", lambda setting: Together(), per_image=True, tile=tile)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it holds three images of 10 by 10 pixels, and a bit."""
    monkeypatch.setattr(grouping, "memory", lambda device: 700)


@pytest.mark.parametrize(
    ("device", "at_most", "expected"),
    [(CPU, None, 1), (CARD, None, 3), (CPU, 2, 2), (CARD, 2, 2), (CPU, 9, 3), (CARD, 1, 1)],
)
def test_as_many_as_memory_holds(device: torch.device, at_most: int | None, expected: int) -> None:
    assert grouping.at_once(Together(), _declare(), (10, 10), device, at_most) == expected


def test_one_that_fills_the_memory_and_one_larger_than_a_tile_stay_alone() -> None:
    assert grouping.at_once(Together(), _declare(), (40, 40), CARD, None) == 1
    assert grouping.at_once(Together(), _declare(tile=10), (5, 10), CARD, None) == 7
    assert grouping.at_once(Together(), _declare(tile=10), (5, 11), CARD, None) == 1


def test_groups_are_of_one_size_and_hold_every_image_once() -> None:
    sizes = {1: (10, 10), 2: (9, 11), 4: (10, 10), 5: (10, 10), 7: (9, 11), 8: (10, 10)}
    method = Together()
    assert isinstance(method, Batching)
    groups = grouping.groups(method, _declare(), sizes, CARD)
    assert groups == [(1, 4, 5), (8,), (2, 7)]
    assert grouping.groups(method, _declare(), sizes, CPU) == [(1,), (4,), (5,), (8,), (2,), (7,)]
