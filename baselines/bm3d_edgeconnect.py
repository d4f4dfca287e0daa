"""BM3D, then EdgeConnect: one method for the noise, the next for the holes; the sequential baseline.

Paper: Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020) and "Old Photo Restoration via Deep Latent
Space Translation" (PAMI 2022) compare with BM3D followed by EdgeConnect; they do not say with which masks or
which noise level, and have published no program for it. The two parts and their licences: ``bm3d`` and
``edgeconnect``.

* ``bm3d_edgeconnect``: holes where the run's detector finds damage, as one would have to on a photograph.
* ``bm3d_edgeconnect_oracle``: the same weights, told the true mask: what better detection could gain.
* ``edgeconnect``: the same weights and the true mask, no denoising: what BM3D adds. Only when asked for.

Where we differ, and why: there is nothing to differ from but the above. Ours: noise estimated outside the
mask; pixels count as lost from probability 0.4 on when detected (the value of the published detector's
program), and from half lost on in the true mask; holes are two pixels wider, because BM3D smears their rims;
outside holes the denoised image is kept as it is.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

from baselines import bm3d, holes
from baselines.edgeconnect import EdgeConnect
from benchmark.method import Declaration, Setting

#: Probability from which a detected pixel counts as lost.
DETECTED = 0.4
#: Values of denoised images that are kept: validation restores the same few again and again.
KEPT_VALUES = 32 * 3 * 256 * 256


class Sequential(EdgeConnect):
    """EdgeConnect, restoring what BM3D has denoised.

    Args:
        setting: see ``EdgeConnect``.
        lost: mask value from which a pixel is filled.
    """

    def __init__(self, setting: Setting, *, lost: float) -> None:
        """Networks as ``EdgeConnect`` has them."""
        super().__init__(setting)
        self.lost = lost
        self._denoised: OrderedDict[bytes, Tensor] = OrderedDict()

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """Denoised, and holes filled."""
        if mask is None:
            raise ValueError("BM3D + EdgeConnect needs a mask of lost pixels")
        hole = holes.widened(mask >= self.lost)
        return self.fill(self._denoise(degraded, hole), hole)

    def _denoise(self, image: Tensor, hole: Tensor) -> Tensor:
        key = hashlib.sha256()
        for tensor in (image, hole):
            key.update(repr(tuple(tensor.shape)).encode())
            key.update(tensor.contiguous().cpu().numpy().tobytes())
        name = key.digest()
        if name not in self._denoised:
            self._denoised[name] = bm3d.denoise(image, bm3d.estimate_noise(image, hole > 0))
        self._denoised.move_to_end(name)
        result = self._denoised[name]
        while sum(kept.numel() for kept in self._denoised.values()) > KEPT_VALUES:
            self._denoised.popitem(last=False)
        return result.clone()


def _sequential(lost: float) -> Callable[[Setting], Sequential]:
    def build(setting: Setting) -> Sequential:
        return Sequential(setting, lost=lost)

    return build


METHODS = (
    Declaration(
        name="bm3d_edgeconnect",
        summary="BM3D, then EdgeConnect (Nazeri et al. 2019) where damage is detected",
        build=_sequential(DETECTED),
        trains="paired",
        mask="detected",
    ),
    Declaration(
        name="bm3d_edgeconnect_oracle",
        summary="BM3D, then EdgeConnect (Nazeri et al. 2019), told where the damage is",
        build=_sequential(holes.LOST),
        trains="paired",
        mask="oracle",
        trained_as="bm3d_edgeconnect",
    ),
    Declaration(
        name="edgeconnect",
        summary="EdgeConnect (Nazeri et al. 2019) without denoising, told where the damage is",
        build=EdgeConnect,
        trains="paired",
        mask="oracle",
        trained_as="bm3d_edgeconnect",
        in_all=False,
    ),
)
