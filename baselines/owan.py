"""Operation-wise Attention Network: the image chooses, layer by layer, how much of which filter it gets.

Paper: Suganuma, Liu & Okatani, "Attention-Based Adaptive Selection of Operations for Image Restoration in the
Presence of Unknown Combined Distortions" (CVPR 2019); layers and training as in the authors' release (MIT
licence; nothing is copied from it). Parameters at width 1: 391,456.

Where we differ, and why:

* the profile's crops, flips and batch size instead of 63x63 patches in batches of 32: all methods see the
  same ones;
* ``width`` takes groups away before it takes channels: see ``Owan``;
* the learning rate falls along the cosine per step of the budget instead of per epoch of 150;
* an image of more than 768 pixels is restored in tiles. Attention weights come from means over the image;
  these are taken over all tiles, so every tile gets the same filters (see ``benchmark.wholeimage``).
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.data import Batch
from benchmark.method import Declaration, Descend, Setting
from benchmark.wholeimage import ImageMean, in_tiles

CHANNELS, GROUPS, LAYERS = 16, 10, 4
SEPARABLE, DILATED = (1, 3, 5, 7), (3, 5, 7)
OPERATIONS = len(SEPARABLE) + len(DILATED) + 1


def depthwise(channels: int, size: int, *, dilation: int = 1) -> nn.Conv2d:
    """A filter of its own for each channel; it keeps the size and has no bias."""
    padding = dilation * (size - 1) // 2
    return nn.Conv2d(
        channels, channels, size, padding=padding, dilation=dilation, groups=channels, bias=False
    )


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class Residual(nn.Module):
    """Two depthwise 3x3 convolutions around a ReLU, plus the input, then a ReLU."""

    def __init__(self, channels: int) -> None:
        """Random weights."""
        super().__init__()
        self.body = nn.Sequential(depthwise(channels, 3), nn.ReLU(), depthwise(channels, 3))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return F.relu(self.body(features) + features)


def _apply(filtered: nn.Module, features: Tensor) -> Tensor:
    """A depthwise convolution; of one pixel it is a multiplication, which is many times as fast on a CPU."""
    assert isinstance(filtered, nn.Conv2d)
    if filtered.kernel_size == (1, 1):
        return features * filtered.weight.view(1, -1, 1, 1).to(features.dtype)
    return cast(Tensor, filtered(features))


def phases_of(features: Tensor) -> Tensor:
    """Every second row and column: (B, C, H, W) to (4B, C, H/2, W/2), H and W filled up to even with zeros.

    A convolution with dilation 2 is one without on each of these, and several times as fast on a CPU.
    """
    batch, channels, height, width = features.shape
    even = F.pad(features, (0, width % 2, 0, height % 2))
    pairs = even.reshape(batch, channels, (height + 1) // 2, 2, (width + 1) // 2, 2)
    cut = pairs.permute(3, 5, 0, 1, 2, 4).reshape(4 * batch, channels, (height + 1) // 2, (width + 1) // 2)
    return cut.contiguous(memory_format=torch.channels_last)


def from_phases(phases: Tensor, height: int, width: int) -> Tensor:
    """Back from ``phases_of``: (4B, C, H/2, W/2) to (B, C, height, width)."""
    quarter, channels, rows, columns = phases.shape
    apart = phases.reshape(2, 2, quarter // 4, channels, rows, columns).permute(2, 3, 4, 0, 5, 1)
    whole = apart.reshape(quarter // 4, channels, 2 * rows, 2 * columns)
    return whole[:, :, :height, :width].contiguous(memory_format=torch.channels_last)


class Separable(nn.Module):
    """Depthwise k x k, 1x1, ReLU, depthwise k x k; then a 1x1 convolution ``last``, left to the layer."""

    def __init__(self, channels: int, size: int) -> None:
        """Random weights."""
        super().__init__()
        self.first = nn.Sequential(depthwise(channels, size), pointwise(channels, channels), nn.ReLU())
        self.second = depthwise(channels, size)
        self.last = pointwise(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, before ``last``."""
        filtered, mix, rectify = self.first
        return _apply(self.second, rectify(mix(_apply(filtered, features))))


class Dilated(nn.Module):
    """Depthwise k x k, every second pixel; then a 1x1 convolution ``last``, left to the layer."""

    def __init__(self, channels: int, size: int) -> None:
        """Random weights."""
        super().__init__()
        self.first = depthwise(channels, size, dilation=2)
        self.last = pointwise(channels, channels)

    def forward(self, phases: Tensor) -> Tensor:
        """``phases_of`` features to those of the filtered ones, before ``last``."""
        filtered = self.first
        padding = filtered.kernel_size[0] // 2
        return F.conv2d(phases, filtered.weight, padding=padding, groups=filtered.groups)


class OperationLayer(nn.Module):
    """Eight operations side by side, each scaled by its attention, merged by a 1x1 convolution and a ReLU.

    The operations are separable 1, 3, 5, 7, dilated 3, 5, 7 and the mean of 3x3 pixels. Seven of them end in
    a 1x1 convolution. That, the scaling and the merging are linear in each pixel's channels, so they are
    multiplied into one matrix per image first: less than half of the memory, and fewer passes over it.
    """

    def __init__(self, channels: int) -> None:
        """Random weights."""
        super().__init__()
        self.operations = nn.ModuleList(
            [Separable(channels, size) for size in SEPARABLE] + [Dilated(channels, size) for size in DILATED]
        )
        self.merge = pointwise(channels * OPERATIONS, channels)

    def forward(self, features: Tensor, attention: Tensor) -> Tensor:
        """Features (B, C, H, W) and attention (B, 8) to (B, C, H, W)."""
        # The mean at the border is of the pixels that exist.
        mean = F.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)
        phases = phases_of(features)
        separable, dilated = self.operations[: len(SEPARABLE)], self.operations[len(SEPARABLE) :]
        filtered = torch.cat([operation(phases) for operation in dilated], dim=1)
        applied = torch.cat(
            [
                *(operation(features) for operation in separable),
                from_phases(filtered, *features.shape[2:]),
                mean,
            ],
            dim=1,
        )
        *parts, last = self.merge.weight[:, :, 0, 0].chunk(OPERATIONS, dim=1)
        folded = [
            part @ cast(nn.Conv2d, operation.last).weight[:, :, 0, 0]
            for part, operation in zip(parts, self.operations, strict=True)
        ]
        # (B, C, 8, C): each operation's matrix times its attention.
        matrices = torch.stack([*folded, last], dim=1) * attention[:, None, :, None]
        merged = matrices.flatten(2).to(applied.dtype) @ applied.flatten(2)
        return F.relu(merged.view(*merged.shape[:2], *features.shape[2:]))


class Group(nn.Module):
    """Four operation layers, their attention computed once from the mean of what enters the group."""

    def __init__(self, channels: int) -> None:
        """Random weights; the attention's hidden layer has 64 units at any width."""
        super().__init__()
        weights = LAYERS * OPERATIONS
        self.mean = ImageMean()
        self.attention = nn.Sequential(
            nn.Linear(channels, 2 * weights), nn.ReLU(), nn.Linear(2 * weights, weights)
        )
        self.enter = pointwise(channels, channels)
        self.layers = nn.ModuleList([OperationLayer(channels) for _ in range(LAYERS)])

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        scores = self.attention(self.mean(features).flatten(1)).unflatten(1, (LAYERS, OPERATIONS))
        attention = scores.softmax(dim=2)
        features = F.relu(self.enter(features))
        for number, layer in enumerate(self.layers):
            features = F.relu(layer(features, attention[:, number]) + features)
        return features


class OperationWiseAttention(nn.Sequential):
    """The network: (B, 3, H, W) in [0, 1] to (B, 3, H, W), of any size.

    Args:
        channels: of all features.
        groups: of four operation layers each.
    """

    def __init__(self, channels: int = CHANNELS, groups: int = GROUPS) -> None:
        """Random weights as PyTorch draws them."""
        super().__init__(
            nn.Conv2d(3, channels, 3, padding=1, bias=False),
            *[Residual(channels) for _ in range(4)],
            *[Group(channels) for _ in range(groups)],
            nn.Conv2d(channels, 3, 3, padding=1, bias=False),
        )


class Owan:
    """The network and its optimiser; ``Trainable``."""

    def __init__(self, setting: Setting) -> None:
        """A network ``setting.width`` times as large, by fewer groups first and fewer channels then.

        Each group begins with a rectified 1x1 convolution, and nothing has a bias: ten of them in a row with
        4 channels let nothing through for one seed out of seven. Two groups of 16 channels learn faster than
        three of 12, and cost no more.
        """
        groups = max(round(GROUPS * setting.width), 1)
        channels = min(max(round(CHANNELS * GROUPS * setting.width / groups), 1), CHANNELS)
        self.network = OperationWiseAttention(channels, groups)
        self.networks = {"network": self.network}
        self.optimizers = {"network": torch.optim.Adam(self.network.parameters(), lr=1e-3)}

    def rate(self, progress: float) -> float:
        """Half a cosine, from 1 to 0."""
        return 0.5 + 0.5 * math.cos(math.pi * progress)

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """One step on the mean absolute difference."""
        self.network.train()
        l1_loss = F.l1_loss(self.network(batch.degraded).float(), batch.clean)
        descend(l1_loss, self.optimizers["network"])
        return {"l1": l1_loss}

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The network's output."""
        self.network.eval()
        return in_tiles(self.network, lambda image, _: cast(Tensor, self.network(image)), degraded)


METHOD = Declaration(
    name="owan",
    summary="operation-wise attention: eight filters per layer, weighted by the image (Suganuma et al. 2019)",
    build=Owan,
    trains="paired",
)
