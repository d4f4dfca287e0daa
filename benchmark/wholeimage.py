"""Networks that look at means over the whole image, on images too large to be restored in one piece.

Cut into tiles, such a network would treat each tile by the tile's own means, and neighbours would differ in
tone. So the image is gone through twice: in the first pass, over tiles that touch, means are collected; their
mean over all pixels takes the place of each tile's own in the second, over tiles that overlap. Up to their
borders every pixel then goes through the same function. Means of deeper layers are of features that
shallower ones made with the tile's own means, so the result is close to that of the image in one piece, not
equal to it.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.tiling import Function, tiled

#: Largest side restored in one piece.
SIDE_PX = 768


class ImageMean(nn.Module):
    """Mean over all pixels, (B, C, H, W) to (B, C, 1, 1); over all tiles within ``in_tiles``."""

    def __init__(self) -> None:
        """It has no weights."""
        super().__init__()
        self._collected: list[tuple[Tensor, int]] | None = None
        self._kept: Tensor | None = None

    @property
    def active(self) -> bool:
        """Whether ``in_tiles`` is at work."""
        return self._collected is not None or self._kept is not None

    def collect(self) -> None:
        """From now on give each tile's own mean, and remember it."""
        self._collected, self._kept = [], None

    def keep(self) -> None:
        """From now on give the mean over the pixels of all those tiles."""
        assert self._collected
        total = torch.stack([mean * pixels for mean, pixels in self._collected]).sum(dim=0)
        self._kept = total / sum(pixels for _, pixels in self._collected)
        self._collected = None

    def forget(self) -> None:
        """From now on give the mean of what comes in."""
        self._collected = self._kept = None

    def forward(self, features: Tensor) -> Tensor:
        """The mean of ``features``, or the one kept."""
        if self._kept is not None:
            return self._kept
        mean = features.mean(dim=(2, 3), keepdim=True)
        if self._collected is not None:
            self._collected.append((mean, features.shape[2] * features.shape[3]))
        return mean


class InstanceNorm(nn.Module):
    """Each channel of each image to mean 0 and variance 1 over its pixels; nothing learned."""

    def __init__(self) -> None:
        """It has no weights."""
        super().__init__()
        self.mean, self.mean_square = ImageMean(), ImageMean()

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        if not self.mean.active:
            return F.instance_norm(features)
        # Differences of squares lose digits in float32.
        values = features.double()
        mean = self.mean(values)
        variance = self.mean_square(values.square()) - mean.square()
        normal = (values - mean) * torch.rsqrt(variance.clamp(min=0) + 1e-5)
        return cast(Tensor, normal.to(features.dtype))


def in_tiles(network: nn.Module, function: Function, image: Tensor, *, side: int = SIDE_PX) -> Tensor:
    """``function`` of an image of any size in bounded memory.

    Args:
        network: what ``function`` applies; its ``ImageMean`` layers are told what to do.
        function: (image, mask) -> (1, C, h, w) of the tile's height and width; the mask is None.
        image: (1, 3, H, W); up to ``side`` pixels it is not cut.
        side: largest side of a tile.
    """
    if max(image.shape[2:]) <= side:
        return function(image, None)
    means = [module for module in network.modules() if isinstance(module, ImageMean)]
    try:
        for mean in means:
            mean.collect()
        for strip in image.tensor_split(-(-image.shape[2] // side), dim=2):
            for tile in strip.tensor_split(-(-image.shape[3] // side), dim=3):
                function(tile, None)
        for mean in means:
            mean.keep()
        return tiled(function, image, None, side=side)
    finally:
        for mean in means:
            mean.forget()
