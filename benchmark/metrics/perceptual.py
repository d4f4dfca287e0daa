"""Learned perceptual distances: the ``lpips`` package with the official weights, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.metrics import Pixels, metric, require_size

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmark.features import Trunk

#: Smallest side that every layer of every trunk still has an output for.
SMALLEST = 32


@metric(
    better="lower",
    unit="",
    convention="lpips_alex[v0.1,rgb,full-size]",
    decimals=4,
    weights=("alexnet",),
    label="LPIPS alex",
)
def lpips_alex(restored: Pixels, clean: Pixels) -> float:
    """LPIPS with AlexNet: distance of deep features, weighted to agree with people; 0 for equal images.

    Zhang, Isola, Efros, Shechtman & Wang 2018, version 0.1, on the whole image at its own size.

    Raises:
        NoValueError: a side is under 32 pixels, or the weights are not here.
    """
    return _distance("alex", restored, clean)


@metric(
    better="lower",
    unit="",
    convention="lpips_vgg[v0.1,rgb,full-size]",
    decimals=4,
    weights=("vgg16",),
    label="LPIPS vgg",
)
def lpips_vgg(restored: Pixels, clean: Pixels) -> float:
    """LPIPS with VGG16; see ``lpips_alex``."""
    return _distance("vgg", restored, clean)


@metric(
    better="lower",
    unit="",
    convention="lpips_squeeze[v0.1,rgb,full-size]",
    decimals=4,
    weights=("squeezenet1_1",),
    label="LPIPS squeeze",
)
def lpips_squeeze(restored: Pixels, clean: Pixels) -> float:
    """LPIPS with SqueezeNet 1.1; see ``lpips_alex``."""
    return _distance("squeeze", restored, clean)


def distance(network: nn.Module, restored: Pixels, clean: Pixels) -> float:
    """What an ``lpips.LPIPS`` network says of two uint8 images (H, W, 3)."""
    import torch

    with torch.no_grad():
        return float(network(_centred(restored), _centred(clean)))


def _distance(trunk: Trunk, restored: Pixels, clean: Pixels) -> float:
    require_size(f"lpips_{trunk}", clean, SMALLEST)
    from benchmark import features

    network = features.lpips(trunk)
    assert network is not None  # Its weights were found a moment ago.
    return distance(network, restored, clean)


def _centred(pixels: Pixels) -> Tensor:
    """(1, 3, H, W) in [-1, 1]; the network's range cannot be got wrong, since only uint8 comes in."""
    import torch

    values = pixels.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
    return torch.from_numpy(values)
