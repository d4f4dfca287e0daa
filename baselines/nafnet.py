"""NAFNet: a U-Net of gated convolutions without activation functions, the modern supervised reference.

Paper: Chen, Chu, Zhang & Sun, "Simple Baselines for Image Restoration" (ECCV 2022), in its SIDD configuration
of width 32; layers, loss and schedule as in the authors' release (MIT licence; nothing is copied from it).
Parameters at width 1: 29,159,715. Means over more than 1.5 training crops are taken over windows of that
size: Chu et al., "Improving Image Restoration by Revisiting Global Information Aggregation" (ECCV 2022).

Where we differ, and why:

* the profile's crops, flips, batch size and number of steps instead of 256x256 crops without flips in batches
  of 32: all methods see the same ones;
* images are mirrored up to multiples of 16 on all sides instead of being filled up with zeros: no dark rim;
* an image of more than 1024 pixels is restored in tiles that overlap.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.data import Batch, pad_to_multiple
from benchmark.method import Declaration, Descend, Setting

#: Blocks per level, from the outermost inwards, in the middle, and back.
ENCODER, MIDDLE, DECODER = (2, 2, 4, 8), 12, (2, 2, 2, 2)
MULTIPLE = 2 ** len(ENCODER)
#: Side of the windows that means are taken over, in training crops.
WINDOW = 1.5


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel, with a learned scale and shift."""

    def __init__(self, channels: int) -> None:
        """Scale 1, shift 0."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape; in float32 throughout."""
        values = features.float()
        variance, mean = torch.var_mean(values, dim=1, correction=0, keepdim=True)
        normal = (values - mean) * torch.rsqrt(variance + 1e-6)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]


class WindowMean(nn.Module):
    """Mean over the image, or over windows where the image is larger than those.

    Args:
        stride: pixels of the image per pixel of these features.
    """

    def __init__(self, stride: int) -> None:
        """A window for training crops of 256 pixels."""
        super().__init__()
        self.stride = stride
        self.window_px = round(WINDOW * 256)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 1, 1), or to (B, C, H, W) where windows are smaller than that."""
        height, width = features.shape[2:]
        side = self.window_px // self.stride
        if self.training or (height <= side and width <= side):
            return features.mean(dim=(2, 3), keepdim=True)
        return window_mean(features, (min(side, height), min(side, width)))


def window_mean(features: Tensor, window: tuple[int, int]) -> Tensor:
    """Mean over the window around each pixel; at borders, of the nearest window that lies inside.

    Args:
        features: (B, C, H, W).
        window: rows and columns, at most H and W.
    """
    rows, columns = window
    # Sums over a large image lose digits in float32.
    sums = F.pad(features.double().cumsum(2).cumsum(3), (1, 0, 1, 0))
    total = (
        sums[:, :, rows:, columns:]
        - sums[:, :, :-rows, columns:]
        - sums[:, :, rows:, :-columns]
        + sums[:, :, :-rows, :-columns]
    )
    means = (total / (rows * columns)).to(features.dtype)
    above, left = (rows - 1) // 2, (columns - 1) // 2
    return F.pad(means, (left, columns - 1 - left, above, rows - 1 - above), mode="replicate")


def gate(features: Tensor) -> Tensor:
    """Half of the channels times the other half: (B, 2C, H, W) to (B, C, H, W)."""
    first, second = features.chunk(2, dim=1)
    return first * second


class Block(nn.Module):
    """Norm, widen, depthwise 3x3, gate, scale by image means, narrow; norm, widen, gate, narrow.

    Both halves are added to what comes in, scaled per channel by ``beta`` and ``gamma``, at first 0.
    """

    def __init__(self, channels: int, stride: int) -> None:
        """Random weights; see ``WindowMean`` for ``stride``."""
        super().__init__()
        wide = 2 * channels
        self.spatial_norm = ChannelNorm(channels)
        self.spatial_widen = nn.Conv2d(channels, wide, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.mean = WindowMean(stride)
        self.attention = nn.Conv2d(channels, channels, 1)
        self.spatial_narrow = nn.Conv2d(channels, channels, 1)
        self.channel_norm = ChannelNorm(channels)
        self.channel_widen = nn.Conv2d(channels, wide, 1)
        self.channel_narrow = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        gated = gate(self.depthwise(self.spatial_widen(self.spatial_norm(features))))
        gated = gated * self.attention(self.mean(gated))
        features = features + self.beta * self.spatial_narrow(gated)
        gated = gate(self.channel_widen(self.channel_norm(features)))
        return features + self.gamma * cast(Tensor, self.channel_narrow(gated))


class NAFNet(nn.Module):
    """The network: (B, 3, H, W) in [0, 1] to (B, 3, H, W); sides are multiples of 16.

    Args:
        channels: of the outermost level (32 in the paper's smaller network), doubled four times.
    """

    #: Side of the crops it was trained on, kept with the weights: it sets the windows of ``WindowMean``.
    crop_px: Tensor

    def __init__(self, channels: int = 32) -> None:
        """Random weights as PyTorch draws them."""
        super().__init__()
        self.register_buffer("crop_px", torch.tensor(256))
        self.enter = nn.Conv2d(3, channels, 3, padding=1)
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        stride = 1
        for blocks in ENCODER:
            self.encoders.append(nn.Sequential(*[Block(channels, stride) for _ in range(blocks)]))
            self.downs.append(nn.Conv2d(channels, 2 * channels, 2, stride=2))
            channels, stride = 2 * channels, 2 * stride
        self.middle = nn.Sequential(*[Block(channels, stride) for _ in range(MIDDLE)])
        for blocks in DECODER:
            self.ups.append(
                nn.Sequential(nn.Conv2d(channels, 2 * channels, 1, bias=False), nn.PixelShuffle(2))
            )
            channels, stride = channels // 2, stride // 2
            self.decoders.append(nn.Sequential(*[Block(channels, stride) for _ in range(blocks)]))
        self.leave = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """The image plus what the network adds to it."""
        features = self.enter(image)
        skipped: list[Tensor] = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            features = encoder(features)
            skipped.append(features)
            features = down(features)
        features = self.middle(features)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            features = decoder(up(features) + skipped.pop())
        return image + cast(Tensor, self.leave(features))

    def use_windows(self) -> None:
        """Take means over ``WINDOW`` times the side of the training crops, where images are larger."""
        window_px = round(WINDOW * int(self.crop_px))
        for module in self.modules():
            if isinstance(module, WindowMean):
                module.window_px = window_px


def psnr_loss(restored: Tensor, clean: Tensor) -> Tensor:
    """Minus the mean PSNR (dB) of images (B, 3, H, W) in [0, 1]; 80 dB at best."""
    errors = (restored.float() - clean).square().mean(dim=(1, 2, 3))
    return 10 / math.log(10) * torch.log(errors + 1e-8).mean()


class Nafnet:
    """The network and its optimiser; ``Trainable``."""

    def __init__(self, setting: Setting) -> None:
        """A network of 32 * ``setting.width`` channels at the outermost level."""
        self.network = NAFNet(max(round(32 * setting.width), 1))
        self.networks = {"network": self.network}
        self.optimizers = {
            "network": torch.optim.AdamW(
                self.network.parameters(), lr=1e-3, betas=(0.9, 0.9), weight_decay=0.0
            )
        }

    def rate(self, progress: float) -> float:
        """Half a cosine, from 1 to 1e-4: learning rates from 1e-3 to 1e-7."""
        return 1e-4 + (1 - 1e-4) * (0.5 + 0.5 * math.cos(math.pi * progress))

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """One step on minus the PSNR, gradients clipped to a norm of 0.01 as in the authors' release."""
        self.network.train()
        self.network.crop_px.fill_(max(batch.degraded.shape[2:]))
        padded, inside = pad_to_multiple(batch.degraded, MULTIPLE)
        loss = psnr_loss(self.network(padded)[inside], batch.clean)
        descend(loss, self.optimizers["network"], clip_norm=0.01)
        return {"psnr": loss}

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The network's output; the image is mirrored up to multiples of 16 and cut out again."""
        self.network.eval()
        self.network.use_windows()
        padded, inside = pad_to_multiple(degraded, MULTIPLE)
        return cast(Tensor, self.network(padded)[inside])


METHOD = Declaration(
    name="nafnet",
    summary="U-Net of gated convolutions without activations, on minus the PSNR (Chen et al. 2022)",
    build=Nafnet,
    trains="paired",
    tile=1024,
)
