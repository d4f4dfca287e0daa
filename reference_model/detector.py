"""Scratch detector: a U-Net that says where the picture is lost, trained on synthetic damage.

Paper: Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020), section 3.3, and its extension "Old Photo
Restoration via Deep Latent Space Translation" (TPAMI 2022). Layers, channels and input as in the authors'
released detector (MIT licence; nothing is copied from it); its training was never released. 37,626,177
parameters at width 1.

The objective of the TPAMI paper, from memory, is cross-entropy weighted by the ratio of lost to kept pixels,
plus 10 times a focal term of exponent 2. Real photographs with masks drawn by hand, if the run has any, are
the second stage, as in the CVPR paper (400 there).

Where we differ, and why:

* cross-entropy in which a lost pixel weighs more than a kept one by the square root of their ratio: with the
  objective above a short training finds less, and calls hardly anything lost (measured in docs/detection.md);
* it works at the picture's own resolution, in tiles: the release shrinks the short side to 256 pixels first,
  where a 2-pixel scratch of a 2000-pixel scan is gone;
* labels are the synthesiser's soft masks, not thresholded ones; for masks of 0 and 1 the losses are equal;
* brightness and contrast of the training crops are varied, since film frames are darker than photographs;
* Adam at 2e-3 falling to nearly 0 along a half cosine: rate and schedule are our choice, none is published;
* the second stage is the last 30 % of the one budget, half of each batch real and half synthetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.data import Batch, pad_to_multiple
from benchmark.method import Declaration, Descend, Setting

#: Four halvings: sides are multiples of this.
MULTIPLE = 16
#: Weights of red, green and blue in luma (ITU-R BT.601), as the release's gray conversion has them.
LUMA = (0.299, 0.587, 0.114)
#: Share of lost pixels that the weights assume at least, or a crop without damage would weigh without limit.
LEAST_SHARE = 1e-3
#: Share of the budget spent on synthetic masks alone when there are real ones.
SYNTHETIC_SHARE = 0.7
#: Share of lost pixels expected, which the last bias starts from.
PRIOR = 0.03
#: Spread of the training crops' contrast (a factor) and brightness (an offset).
CONTRAST, BRIGHTNESS = 0.25, 0.1


class Shrink(nn.Module):
    """Halves height and width after a [1 2 1] x [1 2 1] / 16 low-pass, so that shifts do not alias.

    Source: Zhang, "Making Convolutional Networks Shift-Invariant Again" (ICML 2019).
    """

    def __init__(self, channels: int) -> None:
        """The filter is fixed; it is no weight and is not saved."""
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        kernel = (taps[:, None] * taps / 16).expand(channels, 1, 3, 3)
        self.kernel: Tensor
        self.register_buffer("kernel", kernel.clone(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(padded, self.kernel.to(features.dtype), stride=2, groups=features.shape[1])


def _convolved(inner: int, outer: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inner, outer, 3, padding=1, padding_mode="reflect")
    return [convolution, nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]


class Down(nn.Sequential):
    """Convolution, halving, two convolutions to twice the channels."""

    def __init__(self, channels: int) -> None:
        """From ``channels`` to twice as many."""
        halves = [*_convolved(channels, channels), Shrink(channels)]
        super().__init__(
            *halves, *_convolved(channels, 2 * channels), *_convolved(2 * channels, 2 * channels)
        )


class Up(nn.Module):
    """Bilinear doubling, convolution, the level's own features joined on, two convolutions."""

    def __init__(self, channels: int) -> None:
        """From twice ``channels`` to ``channels``."""
        super().__init__()
        self.enlarged = nn.Conv2d(2 * channels, channels, 3, padding=1, padding_mode="reflect")
        self.joined = nn.Sequential(*_convolved(2 * channels, channels), *_convolved(channels, channels))

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        """``below`` (B, 2C, H/2, W/2) and ``beside`` (B, C, H, W) -> (B, C, H, W)."""
        doubled = F.interpolate(below, scale_factor=2, mode="bilinear", align_corners=False)
        features: Tensor = self.joined(torch.cat([beside, self.enlarged(doubled)], dim=1))
        return features


class DetectorUNet(nn.Module):
    """Luma (B, 1, H, W) in [-1, 1] -> logit of being lost (B, 1, H, W); sides multiples of 16, from 32.

    Args:
        features: channels of the first level (64 in the release), doubled four times.
    """

    def __init__(self, features: int = 64) -> None:
        """Random weights: He et al. 2015; the last bias says that ``PRIOR`` of the pixels are lost."""
        super().__init__()
        channels = [features * 2**level for level in range(4)]
        self.stem = nn.Sequential(
            nn.Conv2d(1, features, 7, padding=3, padding_mode="reflect"), nn.LeakyReLU(0.2)
        )
        self.down = nn.ModuleList([Down(width) for width in channels])
        self.up = nn.ModuleList([Up(width) for width in reversed(channels)])
        self.head = nn.Conv2d(features, 1, 3, padding=1, padding_mode="reflect")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.constant_(self.head.bias, math.log(PRIOR / (1 - PRIOR)))  # type: ignore[arg-type]

    def forward(self, luma: Tensor) -> Tensor:
        """The logits."""
        levels = [self.stem(luma)]
        for down in self.down:
            levels.append(down(levels[-1]))
        features = levels.pop()
        for up in self.up:
            features = up(features, levels.pop())
        logits: Tensor = self.head(features)
        return logits


class ScratchDetector:
    """The network with its optimiser; ``Detector`` and ``Trainable``."""

    def __init__(self, setting: Setting) -> None:
        """A network of 64 * ``setting.width`` channels at the first level."""
        self.network = DetectorUNet(max(round(64 * setting.width), 2))
        self.networks: Mapping[str, nn.Module] = {"detector": self.network}
        self.optimizers: Mapping[str, Optimizer] = {
            "detector": torch.optim.Adam(self.network.parameters(), lr=2e-3)
        }

    def rate(self, progress: float) -> float:
        """Half a cosine from 1 to nearly 0."""
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """One step; in the second stage on half a batch of each kind."""
        image, lost = batch.degraded, batch.mask
        if batch.labelled is not None and progress >= SYNTHETIC_SHARE:
            image, lost = _half_real(batch.degraded, batch.mask, *batch.labelled)
        self.network.train()
        padded, inside = pad_to_multiple(_relit(_luma(image)), MULTIPLE)
        logits = self.network(2 * padded - 1)[inside].float()
        loss = weighted_cross_entropy(logits, lost)
        descend(loss, self.optimizers["detector"])
        return {"cross_entropy": loss}

    def detect(self, degraded: Tensor) -> Tensor:
        """Probability that the picture is lost: (1, 3, H, W) in [0, 1] -> (1, 1, H, W), any size."""
        self.network.eval()
        # A side of 16 would leave nothing to reflect at the innermost level.
        padded, inside = pad_to_multiple(_luma(degraded), 2 * MULTIPLE)
        return torch.sigmoid(self.network(2 * padded - 1)[inside].float())


def weighted_cross_entropy(logits: Tensor, lost: Tensor) -> Tensor:
    """Mean cross-entropy in which lost pixels weigh sqrt((1 - a) / a), kept ones 1; weights average 1.

    ``a`` is the share of lost pixels in the batch. Even weights let the rare class be ignored; the full ratio
    calls everything near it lost. The root is our choice.
    """
    share = lost.mean().clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    weight = ((1 - share) / share).sqrt()
    at_lost, at_kept = -lost * F.logsigmoid(logits), -(1 - lost) * F.logsigmoid(-logits)
    return (weight * at_lost + at_kept).mean() / (weight * share + 1 - share)


def _luma(image: Tensor) -> Tensor:
    weights = torch.tensor(LUMA, device=image.device, dtype=image.dtype)
    return (image * weights[:, None, None]).sum(dim=1, keepdim=True)


def _relit(luma: Tensor) -> Tensor:
    """Each crop with a contrast and brightness of its own.

    Not clipped: white specks on a light ground would be gone while their labels stay.
    """
    shape = (luma.shape[0], 1, 1, 1)
    contrast = torch.exp(CONTRAST * torch.randn(shape)).to(luma.device)
    brightness = (BRIGHTNESS * torch.randn(shape)).to(luma.device)
    middle = luma.mean(dim=(2, 3), keepdim=True)
    return (luma - middle) * contrast + middle + brightness


def _half_real(image: Tensor, lost: Tensor, real: Tensor, real_lost: Tensor) -> tuple[Tensor, Tensor]:
    """As many crops as before, the first half of them real."""
    count = min(max(len(image) // 2, 1), len(real))
    rest = len(image) - count
    return torch.cat([real[:count], image[:rest]]), torch.cat([real_lost[:count], lost[:rest]])


class MultiscaleDetector(ScratchDetector):
    """The same network on the picture and on the picture at half its size, the two probabilities averaged.

    What is too large to be seen as a whole is told from the picture at half its size; our choice.
    """

    def detect(self, degraded: Tensor) -> Tensor:
        """As of one scale, any size."""
        fine = super().detect(degraded)
        even, inside = pad_to_multiple(degraded, 2)
        coarse = super().detect(F.avg_pool2d(even, 2))
        doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return (fine + doubled[inside]) / 2


METHODS = (
    Declaration(
        name="scratch_detector",
        summary="U-Net that finds lost pixels, trained on synthetic masks (Wan et al. 2020)",
        build=ScratchDetector,
        trains="paired",
        kind="detector",
        tile=1024,
    ),
    Declaration(
        name="scratch_detector_multiscale",
        summary="the weights of scratch_detector on the picture and on it at half its size, averaged",
        build=MultiscaleDetector,
        trains="paired",
        kind="detector",
        tile=1024,
        trained_as="scratch_detector",
        in_all=False,
    ),
)
