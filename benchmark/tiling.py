"""Images of any size in bounded memory: overlapping tiles, their borders blended."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor, Tensor | None], Tensor]
#: Pixels that neighbouring tiles share: across these one fades into the other.
OVERLAP_PX = 64


def tiled(
    function: Function, image: Tensor, mask: Tensor | None, *, side: int, overlap: int = OVERLAP_PX
) -> Tensor:
    """Apply ``function`` to tiles of at most ``side`` pixels and blend what they give.

    All tiles have one size, the image's own where that is smaller. Weights fall linearly over the overlap,
    so no seam is sharper than the difference of two tiles spread over it.

    Args:
        function: (image, mask) -> (1, C, h, w) of the tile's height and width.
        image: (1, 3, H, W).
        mask: (1, 1, H, W), cut along, or None.
        side: largest height and width of a tile; at least twice ``overlap``.
        overlap: pixels that neighbours share at least.

    Raises:
        ValueError: ``side`` is too small for ``overlap``.
    """
    if side < 2 * overlap:
        raise ValueError(f"tiles of {side} pixels cannot overlap by {overlap}")
    height, width = image.shape[-2:]
    if max(height, width) <= side:
        return function(image, mask)
    rows, columns = min(side, height), min(side, width)
    window = _ramp(rows, overlap)[:, None] * _ramp(columns, overlap)
    total: Tensor | None = None
    weights = torch.zeros(height, width)
    for top in starts(height, rows, overlap):
        for left in starts(width, columns, overlap):
            place = (..., slice(top, top + rows), slice(left, left + columns))
            part = function(image[place], None if mask is None else mask[place]).detach().float().cpu()
            if total is None:
                total = torch.zeros(1, part.shape[1], height, width)
            total[place] += window * part
            weights[place] += window
    assert total is not None
    return total.div_(weights)


def starts(length: int, side: int, overlap: int) -> list[int]:
    """First pixels of the fewest tiles that cover an axis of ``length`` with ``overlap`` or more, evenly."""
    if length <= side:
        return [0]
    count = 1 - (side - length) // (side - overlap)
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


def _ramp(length: int, overlap: int) -> Tensor:
    """Weights along a tile: up over the overlap, 1, down again; never 0, as a border has no neighbour."""
    places = torch.arange(length) + 0.5
    return (torch.minimum(places, length - places) / max(overlap, 1)).clamp(max=1.0)
