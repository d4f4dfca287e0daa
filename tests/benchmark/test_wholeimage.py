from __future__ import annotations

from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.wholeimage import ImageMean, InstanceNorm, in_tiles


class _Minus(nn.Module):
    """The image minus its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = ImageMean()

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, image - self.mean(image))


def test_instance_normalisation() -> None:
    features = torch.randn(2, 3, 8, 9) * 4 + 7
    assert torch.equal(InstanceNorm()(features), F.instance_norm(features))
    assert not list(InstanceNorm().parameters())
    assert not InstanceNorm().state_dict()


@pytest.mark.parametrize("network", [_Minus(), InstanceNorm()], ids=["mean", "norm"])
def test_tiles_are_treated_as_parts_of_the_image(network: nn.Module) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 130, 401) * 0.1 + (torch.arange(401) >= 170) * 0.8
    tiles = in_tiles(network, lambda tile, _: cast(Tensor, network(tile)), image, side=140)
    whole = network(image)
    # One layer, so its means are those of the whole image.
    assert torch.allclose(tiles, whole, atol=1e-4)


def test_the_two_sides_of_a_seam_agree() -> None:
    """The same pixels at both ends: by its own mean each tile would give them another value."""
    network = _Minus()
    image = torch.rand(1, 3, 128, 448) * 0.1
    image[..., 224:] += 0.8
    tiles = in_tiles(network, lambda tile, _: cast(Tensor, network(tile)), image, side=256)
    shifts = (image - tiles).mean(dim=(0, 1, 2))
    assert float(shifts.max() - shifts.min()) < 1e-4


def test_an_image_that_fits_is_not_cut() -> None:
    calls: list[tuple[int, ...]] = []

    def function(tile: Tensor, mask: Tensor | None) -> Tensor:
        calls.append(tuple(tile.shape))
        return tile

    in_tiles(_Minus(), function, torch.rand(1, 3, 100, 200), side=200)
    assert calls == [(1, 3, 100, 200)]


def test_means_are_forgotten_after_an_error() -> None:
    network = _Minus()

    def fails(tile: Tensor, mask: Tensor | None) -> Tensor:
        network(tile)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        in_tiles(network, fails, torch.rand(1, 3, 128, 300), side=200)
    assert not network.mean.active
