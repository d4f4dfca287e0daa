"""Do no harm: what a method does to a photograph that has no damage at all."""

from __future__ import annotations

from benchmark.metrics import Pixels, metric
from benchmark.metrics.fidelity import psnr, ssim


@metric(
    better="higher",
    unit="dB",
    convention="psnr_on_clean[rgb,255,crop0]",
    decimals=2,
    scope="clean",
    label="PSNR on clean",
)
def psnr_on_clean(restored: Pixels, clean: Pixels) -> float:
    """PSNR between a clean photograph and what the method makes of it; +inf if it leaves it alone."""
    return psnr(restored, clean)


@metric(
    better="higher",
    unit="",
    convention="ssim_on_clean[rgb,g11s1.5,valid]",
    decimals=4,
    scope="clean",
    label="SSIM on clean",
)
def ssim_on_clean(restored: Pixels, clean: Pixels) -> float:
    """SSIM between a clean photograph and what the method makes of it; 1 if it leaves it alone."""
    return ssim(restored, clean)
