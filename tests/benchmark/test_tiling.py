from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from benchmark.tiling import starts, tiled


def _blurred(image: Tensor, mask: Tensor | None) -> Tensor:
    return torch.nn.functional.avg_pool2d(image, 9, stride=1, padding=4, count_include_pad=False)


@pytest.mark.parametrize(("height", "width"), [(200, 300), (129, 64), (64, 500), (30, 40)])
def test_a_local_operation_has_no_seams(height: int, width: int) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, height, width)
    made = tiled(_blurred, image, None, side=96, overlap=32)
    whole = _blurred(image, None)
    assert made.shape == whole.shape
    # Pixels next to a tile's border weigh next to nothing, but not nothing.
    assert (made - whole).abs().max() < 0.02
    assert (made - whole).abs().mean() < 2e-4


def test_tiles_of_different_brightness_fade_into_each_other() -> None:
    calls: list[tuple[int, ...]] = []

    def paint(image: Tensor, mask: Tensor | None) -> Tensor:
        calls.append(tuple(image.shape[-2:]))
        assert mask is not None
        assert mask.shape[-2:] == image.shape[-2:]
        return torch.full_like(image, len(calls) % 2)

    made = tiled(paint, torch.zeros(1, 3, 40, 400), torch.zeros(1, 1, 40, 400), side=100, overlap=40)
    assert set(calls) == {(40, 100)}
    steps = (made[0, 0, :, 1:] - made[0, 0, :, :-1]).abs()
    assert 0 < steps.max() < 2 / 40


def test_tiles_cover_an_axis() -> None:
    for length in (65, 96, 97, 160, 161, 1000):
        begins = starts(length, min(96, length), 32)
        assert begins[0] == 0
        assert begins[-1] + min(96, length) == length
        assert all(b - a <= 96 - 32 for a, b in pairwise(begins))
    with pytest.raises(ValueError, match="tiles of 50 pixels cannot overlap by 32"):
        tiled(_blurred, torch.zeros(1, 3, 60, 60), None, side=50, overlap=32)
