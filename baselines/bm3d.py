"""BM3D: denoising by block matching and collaborative filtering, told nothing but the image.

Papers: Dabov, Foi, Katkovnik & Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative
Filtering" (IEEE TIP 2007), for colour as in their "Color image denoising via sparse 3D collaborative
filtering with grouping constraint in luminance-chrominance space" (ICIP 2007); settings for noise over 40 as
in Hou, Zhao, Yang & Cheng, "Comments on 'Image Denoising by Sparse 3-D Transform-Domain Collaborative
Filtering'" (IEEE TIP 2011). Written from the papers: the authors' own programs have a non-commercial licence.
It has no parameters to train. The numerics are in ``collaborative``.

Where we differ, and why:

* nobody tells the noise level of an old photograph, so it is estimated, for luminance and chrominances apart:
  grain is the same in all colours, sensor noise is not. Above 50 (of 255) it counts as 50;
* blocks of the first stage match up to a mean squared difference of 4 sigma^2 where that is over the
  published 2500: two blocks that differ by noise alone are 2 sigma^2 apart, so that above sigma 35 the
  published value finds none (0.3 dB at sigma 40, nothing up to 25).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.collaborative import Stage, filter_groups
from benchmark.data import pad_to_multiple
from benchmark.method import Declaration, Setting

#: Rows give luminance and two chrominances of RGB.
OPPONENT = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [1 / 2, 0, -1 / 2], [1 / 4, -1 / 2, 1 / 4]])
LARGEST_SIGMA = 50 / 255
#: Less noise than this is left alone: it is below the rounding of 8 bits.
SMALLEST_SIGMA = 0.29 / 255
#: Noise above this takes the settings for high noise.
HIGH_SIGMA = 40.01 / 255
#: An image smaller than the largest block is mirrored up to a multiple of this.
SMALLEST_SIDE = 12
#: A noise estimate from fewer places than this says nothing.
FEWEST_PLACES = 256


class BM3D:
    """Noise level estimated on the image, then two-stage BM3D in an opponent colour space."""

    def __init__(self, setting: Setting) -> None:
        """Nothing to build."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The denoised image.

        Args:
            degraded: (1, 3, H, W) in [0, 1].
            mask: (1, 1, H, W), 1 = lost: such pixels do not count in the noise estimate.
        """
        lost = None if mask is None else mask >= 0.5
        return denoise(degraded, estimate_noise(degraded, lost))


def denoise(image: Tensor, sigma: Tensor) -> Tensor:
    """Two-stage BM3D.

    Args:
        image: (1, 1, H, W) gray or (1, 3, H, W) RGB, in [0, 1] apart from noise that leads out of it.
        sigma: standard deviations of the noise: (1,) of gray, (3,) of luminance and chrominances; see
            ``white_noise`` and ``estimate_noise``.
    """
    gray = image.shape[1] == 1
    if float(sigma.max()) < SMALLEST_SIGMA:
        return image.clone()
    padded, inside = (
        pad_to_multiple(image, SMALLEST_SIDE)
        if min(image.shape[2:]) < SMALLEST_SIDE
        else (image, (slice(None),))
    )
    noisy = padded[0].float()
    channels = noisy if gray else recolour(OPPONENT, noisy)
    first, second, threshold = settings(sigma)
    basic = filter_groups(channels, None, sigma, first, threshold)
    filtered = filter_groups(channels, basic, sigma, second)
    return (filtered if gray else recolour(torch.linalg.inv(OPPONENT), filtered))[None][inside]


def settings(sigma: Tensor) -> tuple[Stage, Stage, float]:
    """Stages for this noise and the threshold of the first in units of sigma (lambda_3D); 2007, Table I."""
    luminance = float(sigma[0])
    if rms(sigma) > HIGH_SIGMA:
        return Stage("bior1.5", 8, 32, 4, 25_000), Stage("dct", 11, 32, 6, 3_500), 2.8
    match = max(2_500, 4 * (255 * luminance) ** 2)
    return Stage("bior1.5", 8, 16, 3, match), Stage("dct", 8, 32, 3, 400), 2.7


def white_noise(sigma: float, channels: int) -> Tensor:
    """Deviations that ``denoise`` takes, of noise of ``sigma`` independent in each of 1 or 3 channels."""
    return torch.full((1,), sigma) if channels == 1 else sigma * torch.linalg.vector_norm(OPPONENT, dim=1)


def rms(sigma: Tensor) -> float:
    """Root mean square over R, G and B of noise with these deviations in luminance and chrominances."""
    if len(sigma) == 1:
        return float(sigma)
    shares = torch.linalg.inv(OPPONENT).square().mean(dim=0).to(sigma)
    return math.sqrt(float((shares * sigma.square()).sum()))


def estimate_noise(image: Tensor, lost: Tensor | None = None) -> Tensor:
    """Standard deviations of the noise in luminance and chrominances (or in gray), at most 50 / 255 together.

    The median of the absolute diagonal details of the Daubechies wavelet of four taps, over 0.6745 (Donoho &
    Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994, section 4.2).

    Args:
        image: (1, 1 or 3, H, W).
        lost: (1, 1, H, W) bool: places that touch one of these do not count, if enough others are left.
    """
    channels = (image if image.shape[1] == 1 else recolour(OPPONENT, image[0])[None]).transpose(0, 1)
    padded, _ = pad_to_multiple(channels, 4) if min(image.shape[2:]) < 4 else (channels, ())
    root = math.sqrt(3)
    high = torch.tensor([1 - root, root - 3, 3 + root, -1 - root]) / (4 * math.sqrt(2))
    kernel = torch.outer(high, high)[None, None].to(padded)
    details = F.conv2d(padded, kernel).abs().flatten(1)
    if lost is not None and padded is channels:
        touched = F.max_pool2d(lost.float(), 4, stride=1).flatten() > 0
        if int((~touched).sum()) >= FEWEST_PLACES:
            details = details[:, ~touched]
    sigma = details.median(dim=1).values / 0.6745
    return sigma * min(1.0, LARGEST_SIGMA / max(rms(sigma), 1e-9))


def recolour(matrix: Tensor, image: Tensor) -> Tensor:
    """(3, H, W) with each pixel multiplied by a (3, 3) matrix."""
    return torch.einsum("ij,jhw->ihw", matrix.to(image), image)


METHOD = Declaration(
    name="bm3d",
    summary="block matching and 3-D filtering, noise level estimated per image (Dabov et al. 2007)",
    build=BM3D,
)
