"""How one layer lies over another, in sRGB values as image editors do it.

Functions take the picture ``below`` over if it can be written to, and leave one that cannot as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from degradekit.density import spread
from degradekit.levels import Image, Mask
from degradekit.photo import picked, put, taken


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
    return _where_covered(below, alpha, lambda base, opacity: blended(base, opacity, tone, mode, channels))


def blended(
    base: Image, opacity: Mask, tone: float, mode: str, channels: tuple[float, float, float] = (1, 1, 1)
) -> Image:
    """``laid`` over single pixels (N, 3), of opacity (N,)."""
    each = spread(opacity[:, None]).reshape(-1, 3)
    if min(channels) < 1:
        each *= np.array(channels, dtype=np.float32)
    if mode == "lighten_only":
        # A half-covered pixel mixes base and picture; the bare maximum would leave darker layers out.
        return lighten_only(base, base + each * (np.float32(tone) - base))
    return MODES[mode](base, each * np.float32(tone))


def over(below: Image, layer: Image, alpha: Mask) -> Image:
    """``layer`` (3,) or (H, W, 3) laid over ``below`` with opacity ``alpha`` (H, W)."""
    if layer.ndim == 1:
        return _where_covered(below, alpha, lambda base, opacity: _mixed(base, layer, opacity))
    return _where_covered(below, alpha, lambda base, opacity, top: _mixed(base, top, opacity), layer)


def _mixed(base: Image, layer: Image, opacity: Mask) -> Image:
    return base + opacity[:, None] * (layer - base)


def changed(below: Image, chosen: NDArray[np.intp], change: Callable[[Image], Image]) -> Image:
    """``below`` with ``change`` applied to the pixels (N, 3) that are ``chosen``, counted along the rows."""
    result = taken(below)
    if chosen.size:
        put(result, chosen, change(picked(result, chosen)))
    return result


def _where_covered(below: Image, alpha: Mask, change: Callable[..., Image], *layers: Image) -> Image:
    """``change(pixels, opacity, *layers)`` where there is any opacity; defects cover little of a picture."""
    chosen = np.flatnonzero(alpha != 0)
    parts = [picked(layer, chosen) for layer in layers]
    return changed(below, chosen, lambda base: change(base, alpha.reshape(-1)[chosen], *parts))
