from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import to_linear
from degradekit.ops import OPS
from degradekit.ops.blur import disc_kernel
from degradekit.photo import Photo
from degradekit.randomness import generator


def spread(name: str, px_per_mm: float, **values: float) -> np.ndarray:
    """Linear light (H, W) of a white point 12 x 12 mm after the op, which keeps its energy."""
    side = 2 * round(6 * px_per_mm) + 1
    image = np.zeros((side, side, 3), np.float32)
    image[side // 2, side // 2] = 1
    light = to_linear(OPS[name](Photo(image, px_per_mm), generator(0), **values).image)[..., 0]
    assert light.sum() == pytest.approx(1, abs=0.02)
    return light / light.sum()


def moments_mm(light: np.ndarray, px_per_mm: float) -> tuple[float, float]:
    """Standard deviations along x and y."""
    at = (np.arange(len(light)) - len(light) // 2) / px_per_mm
    return float(np.sqrt(light.sum(axis=0) @ at**2)), float(np.sqrt(light.sum(axis=1) @ at**2))


@pytest.mark.parametrize("px_per_mm", [4.0, 10.0])
def test_motion_blur_has_its_length_in_mm(px_per_mm: float) -> None:
    light = spread("motion_blur", px_per_mm, length_mm=4.0, angle_deg=0.0, shake=0.0)
    along, across = moments_mm(light, px_per_mm)
    assert along == pytest.approx(4 / np.sqrt(12), rel=0.05)  # A uniform line's deviation.
    assert across < 0.3 / px_per_mm


def test_motion_blur_turns_anticlockwise() -> None:
    light = spread("motion_blur", 5.0, length_mm=4.0, angle_deg=45.0, shake=0.0)
    assert np.trace(np.fliplr(light)) > 5 * np.trace(light)


def test_shake_bends_the_path() -> None:
    straight, bent = (
        moments_mm(spread("motion_blur", 6.0, length_mm=4.0, angle_deg=0.0, shake=shake), 6.0)[1]
        for shake in (0.0, 1.0)
    )
    assert bent > straight + 0.05


@pytest.mark.parametrize("px_per_mm", [4.0, 10.0])
def test_defocus_spreads_a_point_over_its_disc(px_per_mm: float) -> None:
    light = spread("defocus_blur", px_per_mm, diameter_mm=3.0)
    along, across = moments_mm(light, px_per_mm)
    assert along == pytest.approx(3 / 4, rel=0.05)  # A uniform disc of diameter d deviates d / 4.
    assert across == pytest.approx(along, rel=1e-3)
    assert np.ptp(light[light > 0.9 * light.max()]) < 0.05 * light.max()


@pytest.mark.parametrize("radius", [0.1, 0.5, 0.8, 2.3, 40.0])
def test_disc_kernels_sum_to_one_and_are_symmetric(radius: float) -> None:
    kernel = disc_kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel == pytest.approx(kernel.T) and kernel == pytest.approx(kernel[::-1])
