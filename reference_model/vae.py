"""Variational autoencoders: photographs to codes of a quarter of their side, and back.

``PlainVae`` is that of the public code of Wan et al. (CVPR 2020). ``SkipVae`` is ours: a fixed-size code that
holds the rearranged pixels from the start, so that training is spent on the code and not on copying.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.blocks import GatedBlock, ResBlock, convolution, normal_weights

#: A code has one position per block of 4x4 pixels.
BLOCK_PX = 4
#: Channels of ``SkipVae``'s code: the 48 values of a block and 16 of its surroundings.
SKIP_LATENT = 64


class Vae(Protocol):
    """An autoencoder's two halves; the code of an encoder is the mean of a normal distribution."""

    encoder: nn.Module
    decoder: nn.Module
    #: Channels of the code.
    latent: int
    #: Standard deviation of the distribution around the code.
    sigma: float


class PlainVae(nn.Module):
    """(B, 3, H, W) in [-1, 1] <-> (B, F, H/4, W/4); sides multiples of 4, at least 16. Sigma is 1.

    872,131 parameters at 64 features.
    """

    sigma = 1.0

    def __init__(self, features: int = 64) -> None:
        """Weights from N(0, 0.02)."""
        super().__init__()
        self.latent = features
        self.encoder = nn.Sequential(
            *convolution(3, features, 7, reflect=True),
            *convolution(features, features, 4, stride=2),
            *convolution(features, features, 4, stride=2),
            *(ResBlock(features) for _ in range(4)),
        )
        self.decoder = nn.Sequential(
            *(ResBlock(features) for _ in range(4)),
            *_doubled(features),
            *_doubled(features),
            nn.Conv2d(features, 3, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )
        self.apply(normal_weights)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The code, and the image decoded from the code with its noise."""
        return _sampled(self, image)


def _doubled(features: int) -> list[nn.Module]:
    """Transposed convolution to twice the side, instance normalisation, ReLU."""
    return [
        nn.ConvTranspose2d(features, features, 4, stride=2, padding=1),
        nn.InstanceNorm2d(features),
        nn.ReLU(inplace=True),
    ]


class SkipVae(nn.Module):
    """(B, 3, H, W) in [-1, 1] <-> (B, 64, H/4, W/4); sides multiples of 4.

    Both halves are a linear map between the 48 values of a 4x4 block and the code, plus convolutions that
    start at zero. The linear maps start as a cosine transform and its inverse, so the autoencoder starts
    lossless, and colour differences are easy for what follows to take apart.

    Args:
        features: channels of the convolutions.
        sigma: standard deviation of the noise on the code when training.
    """

    def __init__(self, features: int, sigma: float = 0.05) -> None:
        """The cosine transform."""
        super().__init__()
        self.latent, self.sigma = SKIP_LATENT, sigma
        self.encoder = SkipEncoder(features)
        self.decoder = SkipDecoder(features)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The code, and the image decoded from the code with its noise."""
        return _sampled(self, image)


class SkipEncoder(nn.Module):
    """(B, 3, H, W) -> (B, 64, H/4, W/4)."""

    def __init__(self, features: int) -> None:
        """The cosine transform."""
        super().__init__()
        values = 3 * BLOCK_PX**2
        self.linear = nn.Conv2d(values, SKIP_LATENT, 1, bias=False)
        self.convolutions = _refinement(values, features, SKIP_LATENT)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.weight[:values, :, 0, 0] = cosine_transform()

    def forward(self, image: Tensor) -> Tensor:
        """The mean of the code."""
        blocks = F.pixel_unshuffle(image, BLOCK_PX)
        code: Tensor = self.linear(blocks) + self.convolutions(blocks)
        return code


class SkipDecoder(nn.Module):
    """(B, 64, H/4, W/4) -> (B, 3, H, W)."""

    def __init__(self, features: int) -> None:
        """The inverse cosine transform."""
        super().__init__()
        values = 3 * BLOCK_PX**2
        self.linear = nn.Conv2d(SKIP_LATENT, values, 1, bias=False)
        self.convolutions = _refinement(SKIP_LATENT, features, values)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.weight[:, :values, 0, 0] = cosine_transform().T

    def forward(self, code: Tensor) -> Tensor:
        """The image; slightly outside [-1, 1] at times."""
        return F.pixel_shuffle(self.linear(code) + self.convolutions(code), BLOCK_PX)


def _refinement(in_channels: int, features: int, out_channels: int) -> nn.Sequential:
    last = nn.Conv2d(features, out_channels, 3, padding=1)
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    first = nn.Conv2d(in_channels, features, 3, padding=1)
    return nn.Sequential(first, GatedBlock(features, attend=False), last)


def cosine_transform() -> Tensor:
    """Orthogonal (48, 48): values of a block as ``pixel_unshuffle`` orders them to cosine coefficients.

    Rows 0-15 are the sum of the channels, 16-31 red minus blue, 32-47 green against both, each in order of
    vertical, then horizontal frequency.
    """
    place = torch.arange(BLOCK_PX) + 0.5
    waves = torch.cos(torch.pi / BLOCK_PX * torch.arange(BLOCK_PX)[:, None] * place)
    waves = waves / waves.norm(dim=1, keepdim=True)
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]])
    colours = colours / colours.norm(dim=1, keepdim=True)
    return torch.kron(colours, torch.kron(waves, waves))


def _sampled(vae: PlainVae | SkipVae, image: Tensor) -> tuple[Tensor, Tensor]:
    code: Tensor = vae.encoder(image)
    decoded: Tensor = vae.decoder(code + vae.sigma * torch.randn_like(code))
    return code, decoded
