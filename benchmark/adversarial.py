"""Patch discriminators and adversarial objectives that several trained methods share.

Source of the shapes: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks"
(CVPR 2017), section 6.1; Zhu et al. 2017 use the same discriminator with instance normalisation.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["batch", "instance"]


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """Batch normalisation with learned scale and shift, or instance normalisation with neither."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels)


class PatchDiscriminator(nn.Sequential):
    """Judges overlapping 70x70 patches: (B, C, H, W) -> one logit per patch, (B, 1, H/8 - 2, W/8 - 2).

    Args:
        in_channels: channels of what is judged; a conditional one gets input and output concatenated.
        norm: "batch" (Pix2Pix) or "instance" (CycleGAN).
        features: channels after the first convolution (64 in the paper).
    """

    def __init__(self, in_channels: int, *, norm: Norm, features: int = 64) -> None:
        """Random weights, as ``initialise`` draws them."""
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, features, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        # Batch normalisation has a shift of its own, so a bias before it would be idle.
        bias = norm == "instance"
        channels = features
        for stride in (2, 2, 1):
            layers += [
                nn.Conv2d(channels, 2 * channels, kernel_size=4, stride=stride, padding=1, bias=bias),
                norm_layer(norm, 2 * channels),
                nn.LeakyReLU(0.2),
            ]
            channels *= 2
        layers.append(nn.Conv2d(channels, 1, kernel_size=4, stride=1, padding=1))
        super().__init__(*layers)
        self.apply(initialise)


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), biases 0, normalisation scales from N(1, 0.02); use with ``Module.apply``."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def logistic_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Binary cross-entropy of ``logits`` with the label real = 1, fake = 0; the original GAN objective."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
