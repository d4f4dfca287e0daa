from __future__ import annotations

import numpy as np
import pytest
from pictures import picture

from benchmark.metrics.color import ciede2000


def test_pairs_of_the_standard() -> None:
    """Sharma, Wu & Dalal 2005, table 1."""
    from skimage.color import deltaE_ciede2000

    first = [[50, 2.6772, -79.7751], [50, 0, 0], [50, 2.49, -0.001], [50, 2.5, 0]]
    first += [[60.2574, -34.0099, 36.2677], [2.0776, 0.0795, -1.135]]
    second = [[50, 0, -82.7485], [50, -1, 2], [50, -2.49, 0.0011], [73, 25, -18]]
    second += [[60.4626, -34.1751, 39.4387], [0.9033, -0.0636, -0.5514]]
    expected = [2.0425, 2.3669, 7.2195, 27.1492, 1.2644, 0.9082]
    found = deltaE_ciede2000(np.array([first]), np.array([second]))[0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_gray_step_by_hand() -> None:
    # L* 53.585 and 54.379, no chroma, so that dE = |dL| / SL with SL of the mean lightness.
    dark, light = (np.full((4, 4, 3), value, np.uint8) for value in (128, 130))
    lightness = [116 * (((value / 255 + 0.055) / 1.055) ** 2.4) ** (1 / 3) - 16 for value in (128, 130)]
    middle = (sum(lightness) / 2 - 50) ** 2
    expected = (lightness[1] - lightness[0]) / (1 + 0.015 * middle / (20 + middle) ** 0.5)
    assert ciede2000(light, dark) == pytest.approx(expected, abs=1e-3)


def test_it_sees_a_cast_that_is_no_noise() -> None:
    clean = picture(0)
    yellowed = np.rint(clean * [1.0, 0.95, 0.75]).astype(np.uint8)
    assert ciede2000(yellowed, clean) > 3
    assert ciede2000(clean, clean) == 0
