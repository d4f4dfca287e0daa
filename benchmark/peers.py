"""Other packages' versions of our metrics, as ``benchmark metrics selfcheck`` and tests call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark import features
from benchmark.metrics import Pixels


@dataclass(frozen=True)
class Peer:
    """A function of another package.

    Args:
        metric: name of our metric.
        package: the distribution it comes from.
        call: how it is called.
        tolerance: how close both numbers should be; None if they are known to differ.
        reason: why they differ.
        compute: (restored, clean) -> its number.
    """

    metric: str
    package: str
    call: str
    tolerance: float | None
    reason: str
    compute: Callable[[Pixels, Pixels], float]


def _skimage_psnr(restored: Pixels, clean: Pixels) -> float:
    from skimage.metrics import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(clean, restored, data_range=255))


def _skimage_ssim(restored: Pixels, clean: Pixels) -> float:
    from skimage.metrics import structural_similarity

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(clean, restored, channel_axis=2, data_range=255, **options))


def _skimage_ssim_default(restored: Pixels, clean: Pixels) -> float:
    from skimage.metrics import structural_similarity

    return float(structural_similarity(clean, restored, channel_axis=2, data_range=255))


def _msssim_ssim(restored: Pixels, clean: Pixels) -> float:
    from pytorch_msssim import ssim

    return float(ssim(_batch(restored, 1), _batch(clean, 1), data_range=255))


def _msssim(restored: Pixels, clean: Pixels) -> float:
    from pytorch_msssim import ms_ssim

    return float(ms_ssim(_batch(restored, 1), _batch(clean, 1), data_range=255))


def _piq_ssim(restored: Pixels, clean: Pixels) -> float:
    features.torchvision()
    from piq import ssim

    return float(ssim(_batch(restored), _batch(clean), downsample=False))


def _piq_ssim_default(restored: Pixels, clean: Pixels) -> float:
    features.torchvision()
    from piq import ssim

    return float(ssim(_batch(restored), _batch(clean)))


def _piq_psnr(restored: Pixels, clean: Pixels) -> float:
    features.torchvision()
    from piq import psnr

    return float(psnr(_batch(restored), _batch(clean), convert_to_greyscale=True))


def _torchmetrics_ssim(restored: Pixels, clean: Pixels) -> float:
    features.torchvision()
    from torchmetrics.functional.image import structural_similarity_index_measure

    return float(structural_similarity_index_measure(_batch(restored), _batch(clean), data_range=1.0))


def _skimage_ciede2000(restored: Pixels, clean: Pixels) -> float:
    from skimage.color import deltaE_ciede2000, rgb2lab

    return float(deltaE_ciede2000(rgb2lab(clean), rgb2lab(restored)).mean())


PEERS: tuple[Peer, ...] = (
    Peer("psnr", "scikit-image", "peak_signal_noise_ratio(data_range=255)", 1e-6, "", _skimage_psnr),
    Peer(
        "ssim",
        "scikit-image",
        "structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)",
        1e-6,
        "",
        _skimage_ssim,
    ),
    Peer(
        "ssim",
        "scikit-image",
        "structural_similarity() as it comes",
        None,
        "7x7 flat window, sample covariance",
        _skimage_ssim_default,
    ),
    Peer("ssim", "pytorch-msssim", "ssim()", 1e-4, "", _msssim_ssim),
    Peer("ms_ssim", "pytorch-msssim", "ms_ssim()", 1e-4, "", _msssim),
    Peer("ssim", "piq", "ssim(downsample=False)", 1e-4, "", _piq_ssim),
    Peer(
        "ssim",
        "piq",
        "ssim() as it comes",
        None,
        "averages over round(side / 256) pixels first: 2x2 here",
        _piq_ssim_default,
    ),
    Peer(
        "ssim",
        "torchmetrics",
        "structural_similarity_index_measure()",
        None,
        "mirrors the border and counts it",
        _torchmetrics_ssim,
    ),
    Peer(
        "psnr_y",
        "piq",
        "psnr(convert_to_greyscale=True)",
        None,
        "luma over 0..255 instead of 16..235: 1.32 dB less",
        _piq_psnr,
    ),
    Peer("ciede2000", "scikit-image", "deltaE_ciede2000()", 1e-9, "", _skimage_ciede2000),
)


def _batch(pixels: Pixels, scale: float = 255) -> Any:
    import torch

    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float64) / scale)
