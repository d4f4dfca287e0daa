"""The mapping between latent codes: old photographs' to clean ones'."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.blocks import GatedBlock, ResBlock, convolution, hole_positions, normal_weights
from reference_model.partial_nonlocal import GlobalBranch, PartialNonLocal


class PlainMapping(nn.Module):
    """(B, L, h, w) -> (B, L, h, w) at one resolution, as in the public code of Wan et al. (CVPR 2020).

    36,135,232 parameters at 64 features, 51,344,704 with the global branch.

    Args:
        latent: channels of the code, L.
        features: an eighth of the channels in the middle.
        partial_nonlocal: with the global branch for defects.
    """

    def __init__(self, latent: int, features: int, *, partial_nonlocal: bool) -> None:
        """Weights from N(0, 0.02), those of the global branch too."""
        super().__init__()
        outer, inner, middle = 2 * features, 4 * features, 8 * features
        self.head = nn.Sequential(
            *convolution(latent, outer, 3),
            *convolution(outer, inner, 3),
            *convolution(inner, middle, 3),
            *convolution(middle, middle, 3),
        )
        self.global_branch = GlobalBranch(middle, everywhere=True) if partial_nonlocal else None
        self.body = nn.Sequential(*(ResBlock(middle) for _ in range(6)))
        self.tail = nn.Sequential(
            *convolution(middle, middle, 3),
            *convolution(middle, inner, 3),
            *convolution(inner, outer, 3),
            nn.Conv2d(outer, latent, 3, padding=1),
        )
        self.apply(normal_weights)

    def forward(self, code: Tensor, mask: Tensor) -> Tensor:
        """Map a code, given the mask of lost pixels (B, 1, H, W), above 0 = lost."""
        features = self.head(code)
        if self.global_branch is not None:
            features = self.global_branch(features, mask)
        mapped: Tensor = self.tail(self.body(features))
        return mapped


class PyramidMapping(nn.Module):
    """(B, L, h, w) -> (B, L, h, w), sides multiples of 4: the code plus a change that starts at zero.

    Gated blocks at three scales, each half the one before, with skips between equal ones. At the second the
    partial non-local block looks for what fits into the defects; a convolution weighs it against what is
    there, since a detected defect may be a faint one or none.

    Args:
        latent: channels of the code, L.
        features: channels of the first scale, doubled twice.
        partial_nonlocal: with the partial non-local block.
    """

    def __init__(self, latent: int, features: int, *, partial_nonlocal: bool) -> None:
        """Identity at first."""
        super().__init__()
        first, second, third = features, 2 * features, 4 * features
        self.head = nn.Conv2d(latent + 1, first, 3, padding=1)
        self.fine = GatedBlock(first)
        self.to_middle = nn.Conv2d(first, second, 2, stride=2)
        self.middle = GatedBlock(second)
        self.nonlocal_block = PartialNonLocal(second) if partial_nonlocal else None
        self.weigh = nn.Conv2d(2 * second, second, 1) if partial_nonlocal else None
        self.to_coarse = nn.Conv2d(second, third, 2, stride=2)
        self.coarse = nn.Sequential(*(GatedBlock(third) for _ in range(4)))
        self.from_coarse = nn.Conv2d(third, 4 * second, 1)
        self.middle_up = GatedBlock(second)
        self.from_middle = nn.Conv2d(second, 4 * first, 1)
        self.fine_up = nn.Sequential(GatedBlock(first), GatedBlock(first))
        self.tail = nn.Conv2d(first, latent, 3, padding=1)
        for last in (self.tail, self.weigh):
            if last is not None and last.bias is not None:
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def forward(self, code: Tensor, mask: Tensor) -> Tensor:
        """Map a code, given the mask of lost pixels (B, 1, H, W), above 0 = lost."""
        cover = F.adaptive_avg_pool2d(mask.to(code.dtype), (code.shape[2], code.shape[3]))
        fine = self.fine(self.head(torch.cat([code, cover], dim=1)))
        middle = self._filled(self.middle(self.to_middle(fine)), mask)
        coarse = self.coarse(self.to_coarse(middle))
        middle = self.middle_up(middle + F.pixel_shuffle(self.from_coarse(coarse), 2))
        fine = self.fine_up(fine + F.pixel_shuffle(self.from_middle(middle), 2))
        changed: Tensor = code + self.tail(fine)
        return changed

    def _filled(self, features: Tensor, mask: Tensor) -> Tensor:
        if self.nonlocal_block is None or self.weigh is None:
            return features
        filled = self.nonlocal_block(features, mask)
        holes = hole_positions(mask, (features.shape[2], features.shape[3]))
        return torch.where(holes, features + self.weigh(torch.cat([features, filled], dim=1)), features)
