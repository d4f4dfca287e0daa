"""How one layer lies over another, in sRGB values as image editors do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from degradekit.photo import Image, Mask


def addition(below: Image, layer: Image) -> Image:
    """min(B + L, 1)."""
    summed: Image = np.minimum(below + layer, np.float32(1))
    return summed


def lighten_only(below: Image, layer: Image) -> Image:
    """max(B, L)."""
    return np.maximum(below, layer)


def screen(below: Image, layer: Image) -> Image:
    """1 - (1 - B)(1 - L)."""
    return 1 - (1 - below) * (1 - layer)


#: The three modes Wan et al. (CVPR 2020) name for laying scratch textures over a photograph.
MODES: Mapping[str, Callable[[Image, Image], Image]] = {
    "addition": addition,
    "lighten_only": lighten_only,
    "screen": screen,
}


def laid(below: Image, alpha: Mask, tone: float, mode: str) -> Image:
    """A layer of gray ``tone`` with opacity ``alpha`` (H, W), blended by ``mode``."""
    if mode == "lighten_only":
        # A half-covered pixel mixes base and picture; the bare maximum would leave darker layers out.
        return lighten_only(below, below + alpha[..., None] * (np.float32(tone) - below))
    return MODES[mode](below, np.repeat((alpha * np.float32(tone))[..., None], 3, axis=2))


def over(below: Image, layer: Image, alpha: Mask) -> Image:
    """``layer`` laid over ``below`` with opacity ``alpha`` (H, W)."""
    return below + alpha[..., None] * (layer - below)
