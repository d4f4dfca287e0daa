"""The blocks the reference model's networks are made of.

Source of the released ones: the public code of Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020,
TPAMI 2022), MIT licence, described in our own words. The gated block follows Chen et al., "Simple Baselines
for Image Restoration" (ECCV 2022), MIT licence; nothing is copied from either.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Standard deviation of the normal distribution initial weights are drawn from.
WEIGHT_STD = 0.02


def normal_weights(module: nn.Module) -> None:
    """Convolution weights from N(0, 0.02); biases keep torch's initial values. Use with ``Module.apply``."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, WEIGHT_STD)


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, reflect: bool = False
) -> list[nn.Module]:
    """Convolution, instance normalisation without scale and shift, ReLU; size H / ``stride``.

    Args:
        in_channels: channels it gets.
        out_channels: channels it gives.
        kernel: side of the kernel; 4 with stride 2, odd otherwise.
        stride: 1 or 2.
        reflect: mirror the border instead of zeros.
    """
    mode: Literal["reflect", "zeros"] = "reflect" if reflect else "zeros"
    padding = (kernel - 1) // 2
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, padding_mode=mode),
        nn.InstanceNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class ResBlock(nn.Sequential):
    """Identity plus two 3x3 convolutions, each instance-normalised, ReLU between them and none at the end.

    (B, C, H, W) -> (B, C, H, W), sides at least 2.
    """

    def __init__(self, channels: int) -> None:
        """Channels in and out."""
        super().__init__(
            *convolution(channels, channels, 3, reflect=True),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``features`` plus the residual."""
        residual: Tensor = super().forward(features)  # type: ignore[no-untyped-call]
        return features + residual


class ChannelNorm(nn.Module):
    """Normalises each position over its channels, then scales and shifts each channel.

    Unlike instance normalisation it takes nothing from other positions, so a tile of a photograph is
    normalised as the whole of it is.
    """

    def __init__(self, channels: int) -> None:
        """Scale 1, shift 0."""
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        variance, mean = torch.var_mean(features, dim=1, correction=0, keepdim=True)
        return (features - mean) * torch.rsqrt(variance + 1e-6) * self.scale + self.shift


class GatedBlock(nn.Module):
    """Two residuals, one of 3x3 pixels with a gate and channel attention, one of a pixel with a gate.

    (B, C, H, W) -> (B, C, H, W). The gate multiplies the two halves of the channels. Both residuals start at
    zero: the last convolutions' weights are.

    Args:
        channels: channels in and out.
        attend: weight channels by a linear function of their means over the image.
    """

    def __init__(self, channels: int, *, attend: bool = True) -> None:
        """Identity at first."""
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.spread = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.attention = nn.Conv2d(channels, channels, 1) if attend else None
        self.narrow = nn.Conv2d(channels, channels, 1)
        self.pointwise = nn.Sequential(ChannelNorm(channels), nn.Conv2d(channels, 2 * channels, 1))
        self.pointwise_narrow = nn.Conv2d(channels, channels, 1)
        for last in (self.narrow, self.pointwise_narrow):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(_bias(last))
        if self.attention is not None:
            # Every channel keeps its weight at first.
            nn.init.ones_(_bias(self.attention))

    def forward(self, features: Tensor) -> Tensor:
        """``features`` plus both residuals."""
        gated = gate(self.spread(self.widen(self.norm(features))))
        if self.attention is not None:
            gated = gated * self.attention(gated.mean(dim=(2, 3), keepdim=True))
        features = features + self.narrow(gated)
        changed: Tensor = features + self.pointwise_narrow(gate(self.pointwise(features)))
        return changed


def gate(features: Tensor) -> Tensor:
    """(B, 2C, H, W) -> (B, C, H, W): the first half of the channels times the second."""
    first, second = features.chunk(2, dim=1)
    return first * second


def hole_positions(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Which feature positions a defect touches: a pixel mask shrunk by its maximum.

    No line is too thin for it: every pixel belongs to at least one position. (The public code shrinks
    bilinearly and loses one line in four.)

    Args:
        mask: (B, 1, H, W), above 0 where the picture is lost.
        size: (h, w) of the features.

    Returns:
        bool (B, 1, h, w), True where any pixel of the position is lost.
    """
    if tuple(mask.shape[2:]) != tuple(size):
        mask = F.adaptive_max_pool2d(mask.detach().float(), size)
    return mask > 0


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
