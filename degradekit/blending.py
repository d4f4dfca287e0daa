"""How one layer lies over another, in sRGB values as image editors do it.

Functions take the picture ``below`` over if it can be written to, and leave one that cannot as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from degradekit.photo import Image, Mask, picked, put, taken


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


def laid(
    below: Image, alpha: Mask, tone: float, mode: str, channels: tuple[float, float, float] = (1, 1, 1)
) -> Image:
    """A layer of gray ``tone``, opacity ``alpha`` (H, W) times a factor for each channel, by ``mode``."""
    factors = np.array(channels, dtype=np.float32)

    def blended(base: Image, opacity: Image) -> Image:
        opacity = opacity * factors
        if mode == "lighten_only":
            # A half-covered pixel mixes base and picture; the bare maximum would leave darker layers out.
            return lighten_only(base, base + opacity * (np.float32(tone) - base))
        return MODES[mode](base, opacity * np.float32(tone))

    return _where_covered(below, alpha, blended)


def over(below: Image, layer: Image, alpha: Mask) -> Image:
    """``layer`` (3,) or (H, W, 3) laid over ``below`` with opacity ``alpha`` (H, W)."""
    if layer.ndim == 1:
        return _where_covered(below, alpha, lambda base, opacity: base + opacity * (layer - base))
    return _where_covered(below, alpha, lambda base, opacity, top: base + opacity * (top - base), layer)


def _where_covered(below: Image, alpha: Mask, change: Callable[..., Image], *layers: Image) -> Image:
    """``change(pixels, opacity, *layers)`` where there is any opacity; defects cover little of a picture."""
    chosen = np.flatnonzero(alpha != 0)
    result = taken(below)
    if chosen.size:
        parts = (picked(layer, chosen) for layer in layers)
        put(result, chosen, change(picked(result, chosen), alpha.reshape(-1)[chosen, None], *parts))
    return result
