"""Tone of the whole photograph: faded, yellowed, flat prints made normal by one polynomial for all pixels.

Our addition. Most of an old print's distance from the truth is a smooth change of all its colours, which
patches of a code have to guess each by itself; a photograph has one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Side of the thumbnail whose histogram is looked at, and places of its quantiles.
THUMBNAIL_PX = 32
QUANTILES = (0.01, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99)
#: Terms of the polynomial: the channels, their squares, cubes and products of two, and 1.
TERMS = 13


class Tone(nn.Module):
    """Predicts coefficients (B, 3, 13) of the change of colour from quantiles of each channel.

    Args:
        features: units of the two hidden layers.
    """

    def __init__(self, features: int = 64) -> None:
        """No change at first."""
        super().__init__()
        last = nn.Linear(features, 3 * TERMS)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Linear(3 * len(QUANTILES), features),
            nn.GELU(),
            nn.Linear(features, features),
            nn.GELU(),
            last,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Coefficients for images (B, 3, H, W) in [-1, 1]."""
        thumbnail = F.adaptive_avg_pool2d(image.detach().float(), THUMBNAIL_PX).flatten(2)
        places = [round(q * (THUMBNAIL_PX**2 - 1)) for q in QUANTILES]
        quantiles = thumbnail.sort(dim=2).values[:, :, places]
        coefficients: Tensor = self.layers(quantiles.flatten(1))
        return coefficients.view(-1, 3, TERMS)


def corrected(image: Tensor, coefficients: Tensor) -> Tensor:
    """``image`` (B, 3, H, W) plus the polynomial's value at each pixel."""
    red, green, blue = torch.split(image, 1, dim=1)
    products = torch.cat([red * green, red * blue, green * blue], dim=1)
    terms = torch.cat([image, image**2, image**3, products, torch.ones_like(red)], dim=1)
    change = torch.einsum("bct,bthw->bchw", coefficients.to(image.dtype), terms)
    return image + change
