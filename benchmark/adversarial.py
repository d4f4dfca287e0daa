"""Patch discriminators and adversarial objectives that several trained methods share.

Source of the shapes: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks"
(CVPR 2017), section 6.1; Zhu et al. 2017 use the same discriminator with instance normalisation.
"""

from __future__ import annotations

from typing import Any, Literal

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


def least_squares_loss(scores: Tensor, *, real: bool) -> Tensor:
    """Mean squared difference of ``scores`` from 1 (real) or 0 (fake): LSGAN, Mao et al. 2017."""
    return (scores.float() - float(real)).square().mean()


class ImagePool(nn.Module):
    """Generated images of earlier steps, so that a discriminator does not chase the newest ones alone.

    Source: Shrivastava et al. 2017, section 2.3, in the form that Zhu et al. 2017 use. Images are buffers, so
    a checkpoint holds them; the pool is a module for that reason only.

    Args:
        size: images it can hold.
    """

    images: Tensor

    def __init__(self, size: int = 50) -> None:
        """An empty pool."""
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(0, 1, 1, 1))

    def exchange(self, fresh: Tensor) -> Tensor:
        """Hand in new images (B, C, H, W) and get as many to train on, without gradients.

        While the pool is not full it keeps each new image and returns it. Then, for every second image on
        average, it returns a random stored one, whose place the new image takes; else the new one.
        Draws are from torch's generator on the CPU.
        """
        given = []
        self.images = self.images.to(fresh.device)
        for image in fresh.detach().float().split(1):
            if len(self.images) == 0 or self.images.shape[1:] != image.shape[1:]:
                # The first, or crops have another size than those stored, as when fine-tuning.
                self.images = image.clone()
                given.append(image)
            elif len(self.images) < self.size:
                self.images = torch.cat([self.images, image])
                given.append(image)
            elif float(torch.rand(())) < 0.5:
                place = int(torch.randint(self.size, ()))
                given.append(self.images[place : place + 1].clone())
                self.images[place] = image[0]
            else:
                given.append(image)
        return torch.cat(given)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # A checkpoint knows how full the pool is and how large its images are; a new pool does not.
        stored = state_dict.get(f"{prefix}images")
        if stored is not None:
            self.images = torch.empty_like(stored, device=self.images.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
