"""The severity at which a recipe hits a target: mean PSNR, mean SSIM or mean mask coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from degradekit import pairs
from degradekit.errors import DataError, OptionError, unknown
from degradekit.imagefiles import Bitmap
from degradekit.pairs import ANY, Pair
from degradekit.recipe import MOST_SEVERE, Recipe
from degradekit.sources import Source

#: Bisection ends when the target is met this closely, relative to its size, or after so many halvings.
TOLERANCE, HALVINGS = 0.002, 14


def psnr(pair: Pair) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels."""
    peak = float(np.iinfo(pair.clean.rgb.dtype).max)
    difference = pair.clean.rgb.astype(np.float64) - pair.degraded.rgb
    # An undamaged sample counts as 100 dB, so that a mean exists.
    return float(10 * np.log10(peak**2 / max(float((difference**2).mean()), peak**2 * 1e-10)))


def ssim(pair: Pair) -> float:
    """Structural similarity, Wang et al. 2004: 11x11 Gaussian of 1.5 px, per channel."""
    from skimage.metrics import structural_similarity

    peak = float(np.iinfo(pair.clean.rgb.dtype).max)
    return float(
        structural_similarity(
            pair.clean.rgb,
            pair.degraded.rgb,
            channel_axis=2,
            data_range=peak,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def coverage(pair: Pair) -> float:
    """Share of the picture that is hidden, in [0, 1]."""
    return float(pair.masks[ANY].mean()) / 255


#: Name -> measure. PSNR and SSIM fall with severity, coverage grows.
TARGETS: dict[str, Callable[[Pair], float]] = {"psnr": psnr, "ssim": ssim, "coverage": coverage}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was found: the severity, the mean it gives over ``samples``, and their standard deviation."""

    severity: float
    mean: float
    deviation: float
    samples: int


def calibrate(
    recipe: Recipe,
    sources: Sequence[Source],
    target: str,
    value: float,
    *,
    copies: int = 4,
    size: int | None = 256,
    seed: int = 0,
    on_step: Callable[[float, float], None] | None = None,
) -> Calibrated:
    """Bisect the severity until the mean of ``target`` over ``copies`` samples of each source is ``value``.

    Every trial draws the same samples, so the mean is a smooth function of severity. ``on_step`` gets each
    trial's severity and mean.

    Raises:
        OptionError: no such target, or no severity in [0, 20] reaches the value.
        DataError: a photograph cannot be read.
    """
    if target not in TARGETS:
        raise OptionError(unknown("target", target, TARGETS))
    if not sources:
        raise DataError("no photograph to calibrate on")
    bitmaps = [(source.key, source.read()) for source in sources]

    def trial(severity: float) -> Calibrated:
        found = scores(recipe.at_severity(severity), bitmaps, TARGETS[target], copies, size, seed)
        if on_step:
            on_step(severity, float(found.mean()))
        return Calibrated(severity, float(found.mean()), float(found.std()), len(found))

    def beyond(found: Calibrated) -> bool:
        return found.mean > value if target == "coverage" else found.mean < value

    # Doubling finds the first crossing; very high severities saturate, and a mean may turn back there.
    low, high = trial(0.0), trial(1.0)
    while not beyond(high) and high.severity < MOST_SEVERE:
        low, high = high, trial(min(2 * high.severity, MOST_SEVERE))
    if beyond(low) or not beyond(high):
        ends = sorted((low.mean, high.mean))
        reach = f"severities up to {high.severity:g} give {ends[0]:.4g} to {ends[1]:.4g}"
        raise OptionError(
            f"{target} {value:g} is out of reach of {recipe.name} on these photographs: {reach}"
        )
    best = high
    for _ in range(HALVINGS):
        best = trial((low.severity + high.severity) / 2)
        if abs(best.mean - value) <= TOLERANCE * abs(value):
            break
        low, high = (low, best) if beyond(best) else (best, high)
    return best


def scores(
    recipe: Recipe,
    bitmaps: Sequence[tuple[str, Bitmap]],
    measure: Callable[[Pair], float],
    copies: int,
    size: int | None,
    seed: int,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """``measure`` of ``copies`` samples of each (key, photograph), in order."""
    samples = (
        measure(pairs.make(bitmap, recipe, seed, key, variant, size)[0])
        for key, bitmap in bitmaps
        for variant in range(copies)
    )
    return np.fromiter(samples, dtype=np.float64)
