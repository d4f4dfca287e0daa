"""Losses of the reference model; scalars, computed in float32 whatever the precision of the networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

#: VGG19 layers compared, and their weights in the sum (the public code's).
PERCEPTUAL = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}


def least_squares(maps: list[list[Tensor]], *, real: bool) -> Tensor:
    """LSGAN objective: mean squared distance of the scores to 1 (real) or 0, summed over scales.

    Source: Mao et al., "Least Squares Generative Adversarial Networks" (ICCV 2017).
    """
    return torch.stack([(scale[-1].float() - float(real)).square().mean() for scale in maps]).sum()


def feature_matching(fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """L1 distance of a discriminator's inner maps of fake and real, summed over layers, mean over scales.

    Source: Wang et al., "High-Resolution Image Synthesis ... with Conditional GANs" (CVPR 2018), eq. 4. No
    gradient flows into ``real``.
    """
    distances = [
        F.l1_loss(one.float(), other.detach().float())
        for fake_scale, real_scale in zip(fake, real, strict=True)
        for one, other in zip(fake_scale[:-1], real_scale[:-1], strict=True)
    ]
    return torch.stack(distances).sum() / len(fake)


def perceptual(fake: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> Tensor:
    """Weighted L1 distance of VGG19 maps, by layer name; no gradient flows into ``real``."""
    distances = [
        weight * F.l1_loss(fake[name].float(), real[name].detach().float())
        for name, weight in PERCEPTUAL.items()
    ]
    return torch.stack(distances).sum()


def code_size(code: Tensor) -> Tensor:
    """Mean of the squared codes: the KL divergence of N(code, 1) from N(0, 1), times 2 / numel."""
    return code.float().square().mean()


def charbonnier(restored: Tensor, clean: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of sqrt((restored - clean)^2 + epsilon^2): L1 with a smooth bottom (Charbonnier et al. 1994)."""
    return ((restored.float() - clean.float()).square() + epsilon**2).sqrt().mean()


def structural(restored: Tensor, clean: Tensor) -> Tensor:
    """1 - SSIM of (B, 3, H, W) in [0, 1], 11x11 uniform windows without padding.

    Source: Wang et al. 2004; as a loss: Zhao et al., "Loss Functions for Image Restoration with Neural
    Networks" (2017). Windows are uniform because sums of those are cheap.
    """
    x, y = restored.float(), clean.float()
    products = torch.cat([x, y, x * x, y * y, x * y], dim=1)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = F.avg_pool2d(products, 11, stride=1).chunk(5, dim=1)
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * (mean_xy - mean_x * mean_y) + c2) / ((mean_xx - mean_x**2) + (mean_yy - mean_y**2) + c2)
    return 1 - (luminance * structure).mean()
