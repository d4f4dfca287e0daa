"""The partial non-local block: defects are filled with features of the intact rest of the photograph.

Paper: Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020), section 3.3, equations 8 and 9. Computed
for the positions that need it and in pieces, so memory grows with the number of positions, not its square.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from reference_model.blocks import ResBlock, hole_positions

#: Most pairs (query, key) at a time, 64 MiB of float32. Torch's fused attention needs no matrix of pairs at
#: all; where it falls back on plain matrix products, this is the bound.
PAIRS = 1 << 24


class PartialNonLocal(nn.Module):
    """Fills defect positions with a weighted mean over all intact positions; intact ones stay as they are.

    With f_ij = theta(F_i) . phi(F_j) and v_j = 1 where position j is intact, a defect position i becomes
    out(sum_j s_ij g(F_j)), s_ij = v_j exp(f_ij) / sum_k v_k exp(f_ik). theta, phi, g and out are 1x1
    convolutions. Exact: nothing is sampled or windowed.

    An empty mask gives the features back. So does a full one: nothing intact is there to be copied from.

    Args:
        channels: C of the features.
        everywhere: give the weighted mean for intact positions too, as the public code does before its
            residual blocks. It costs (intact / defect) times as much. What a position without any intact
            one to look at gets, at a full mask, stays its own feature.
    """

    def __init__(self, channels: int, *, everywhere: bool = False) -> None:
        """Torch's default weights."""
        super().__init__()
        self.everywhere = everywhere
        self.theta = nn.Conv2d(channels, channels, 1)
        self.phi = nn.Conv2d(channels, channels, 1)
        self.g = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Fill the defects.

        Args:
            features: (B, C, h, w), any size.
            mask: (B, 1, H, W) of any size, above 0 = lost; a position counts as lost if any of its pixels is.

        Returns:
            (B, C, h, w).
        """
        holes = hole_positions(mask, (features.shape[2], features.shape[3]))
        return torch.stack([self._fill(item, hole[0]) for item, hole in zip(features, holes, strict=True)])

    def _fill(self, features: Tensor, hole: Tensor) -> Tensor:
        """One photograph: features (C, h, w), hole bool (h, w)."""
        lost, intact = hole.flatten().nonzero()[:, 0], (~hole).flatten().nonzero()[:, 0]
        if not len(intact) or not (len(lost) or self.everywhere):
            return features
        values = features.flatten(1)
        queried = values if self.everywhere else values[:, lost]
        filled = _apply(self.out, self._attend(queried, values[:, intact]))
        if not self.everywhere:
            filled = values.to(filled.dtype).index_copy(1, lost, filled)
        return filled.view_as(features)

    def _attend(self, queried: Tensor, intact: Tensor) -> Tensor:
        """Weighted means (C, Q) of ``intact`` (C, K) for the ``queried`` (C, Q)."""
        theta = _apply(self.theta, queried).T
        phi, g = _apply(self.phi, intact).T, _apply(self.g, intact).T
        pieces = torch.split(theta, max(PAIRS // len(phi), 1))
        if len(pieces) == 1 or not torch.is_grad_enabled():
            means = [_attention(piece, phi, g) for piece in pieces]
        else:
            # Kept for the backward pass, the pieces' matrices would together be the whole one.
            means = [
                checkpoint(_attention, piece, phi, g, use_reentrant=False, preserve_rng_state=False)
                for piece in pieces
            ]
        return torch.cat(means).T


def _attention(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """softmax(theta phi^T) g with theta (Q, C), phi and g (K, C)."""
    return F.scaled_dot_product_attention(theta[None, None], phi[None, None], g[None, None], scale=1.0)[0, 0]


def _apply(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """A 1x1 convolution on a list of positions, (C, N)."""
    return F.conv1d(values[None], layer.weight[..., 0], layer.bias)[0]


class GlobalBranch(nn.Module):
    """Partial non-local block and residual blocks for the defects; what is intact passes by unchanged.

    The paper fuses F = (1 - m) local(F) + m global(O). In the public code the local branch is the identity,
    as here: the layers that follow serve both.

    Args:
        channels: C of the features.
        everywhere: see ``PartialNonLocal``.
        blocks: residual blocks after the partial non-local one (three in the public code, two in the paper).
    """

    def __init__(self, channels: int, *, everywhere: bool, blocks: int = 3) -> None:
        """Torch's default weights."""
        super().__init__()
        self.nonlocal_block = PartialNonLocal(channels, everywhere=everywhere)
        self.blocks = nn.Sequential(*(ResBlock(channels) for _ in range(blocks)))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, C, h, w) and a mask (B, 1, H, W) -> (B, C, h, w)."""
        holes = hole_positions(mask, (features.shape[2], features.shape[3]))
        filled = self.blocks(self.nonlocal_block(features, mask))
        return torch.where(holes, filled, features)
