"""Holes to fill: from masks of lost pixels, or drawn as irregular strokes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: Share of the picture that must be lost for a pixel to be filled.
LOST = 0.5
#: Pixels around lost ones that are filled too: half-hidden rims, and what a denoiser smeared of them.
RIM_PX = 2
#: A training crop with less of it missing teaches next to nothing, one with more has nothing to go by.
FEWEST, MOST = 0.02, 0.6
STROKES, VERTICES = 8, 8


def widened(lost: Tensor) -> Tensor:
    """(B, 1, H, W) bool to holes 0 or 1, ``RIM_PX`` larger on every side."""
    return F.max_pool2d(lost.float(), 2 * RIM_PX + 1, stride=1, padding=RIM_PX)


def for_training(mask: Tensor) -> Tensor:
    """Holes (B, 1, H, W) for masks of that shape; irregular ones instead of those too small or too large."""
    hole = widened(mask >= LOST)
    shares = hole.mean(dim=(1, 2, 3)).tolist()
    for number, share in enumerate(shares):
        if not FEWEST <= share <= MOST:
            hole[number] = irregular(*mask.shape[2:]).to(mask.device)
    return hole


def irregular(height: int, width: int) -> Tensor:
    """Thick winding strokes, (1, H, W) of 0 or 1, from torch's generator.

    Our choice: two to eight strokes of seven segments, each a step of 5 to 25 % of the shorter side in a
    direction near the last one's, 2 to 12 % of it thick; together some 5 to 35 % of the area.
    """
    short = min(height, width)
    strokes = int(torch.randint(2, STROKES + 1, ()))
    turns = torch.randn(strokes, VERTICES - 1)
    headings = (2 * math.pi * torch.rand(strokes, 1) + turns.cumsum(dim=1))[..., None]
    lengths = short * (0.05 + 0.2 * torch.rand(strokes, VERTICES - 1, 1))
    steps = lengths * torch.cat([headings.sin(), headings.cos()], dim=2)
    start = torch.rand(strokes, 1, 2) * torch.tensor([height, width])
    ends = start + steps.cumsum(dim=1)
    starts = torch.cat([start, ends[:, :-1]], dim=1)
    radius = short * (0.01 + 0.05 * torch.rand(strokes))
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    places = torch.stack([y, x], dim=-1)
    hole = torch.zeros(height, width, dtype=torch.bool)
    for stroke in range(strokes):
        for a, b in zip(starts[stroke], ends[stroke], strict=True):
            along = b - a
            share = ((places - a) @ along / along.square().sum()).clamp(0, 1)
            hole |= (places - a - share[..., None] * along).square().sum(dim=-1) < radius[stroke] ** 2
    return hole[None].float()
