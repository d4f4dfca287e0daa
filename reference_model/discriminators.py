"""Discriminators of the reference model: patches at several scales, of images and of latent codes.

As in the public code of Wan et al. (CVPR 2020), which takes them from pix2pixHD: five 4x4 convolutions with
two rows of zeros around, instance normalisation without scale and shift, LeakyReLU 0.2.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from reference_model.blocks import normal_weights


class PatchDiscriminator(nn.Module):
    """(B, C, H, W) -> the maps of its five layers, the last being one score per patch, (B, 1, h, w).

    Args:
        in_channels: C.
        features: channels of the first layer, doubled in the three that follow.
        spectral: divide every weight by its largest singular value (Miyato et al. 2018).
    """

    def __init__(self, in_channels: int, features: int, *, spectral: bool = False) -> None:
        """Weights from N(0, 0.02)."""
        super().__init__()
        channels = [in_channels, features, 2 * features, 4 * features, 8 * features]
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise(channels)):
            stride = 1 if level == 3 else 2
            layer: list[nn.Module] = [nn.Conv2d(before, after, 4, stride, padding=2)]
            if level:
                layer.append(nn.InstanceNorm2d(after))
            layers.append(nn.Sequential(*layer, nn.LeakyReLU(0.2)))
        layers.append(nn.Conv2d(channels[-1], 1, 4, padding=2))
        self.layers = nn.ModuleList(layers)
        self.apply(normal_weights)
        if spectral:
            for module in list(self.modules()):
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def forward(self, judged: Tensor) -> list[Tensor]:
        """The maps, first layer first; scores last."""
        maps = []
        for layer in self.layers:
            judged = layer(judged)
            maps.append(judged)
        return maps


class MultiscaleDiscriminator(nn.Module):
    """Patch discriminators of the image and of the image halved, and so on.

    Args:
        in_channels: channels of what is judged; a conditional one gets input and output concatenated.
        features: channels of the first layer.
        scales: how many discriminators.
        spectral: see ``PatchDiscriminator``.
    """

    def __init__(self, in_channels: int, features: int, *, scales: int = 2, spectral: bool = False) -> None:
        """Weights from N(0, 0.02)."""
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(in_channels, features, spectral=spectral) for _ in range(scales)
        )

    def forward(self, judged: Tensor) -> list[list[Tensor]]:
        """For each scale, finest first, the maps of its layers."""
        maps = []
        for number, discriminator in enumerate(self.scales):
            if number:
                judged = F.avg_pool2d(judged, 3, stride=2, padding=1, count_include_pad=False)
            maps.append(discriminator(judged))
        return maps
