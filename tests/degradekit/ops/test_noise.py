from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import to_linear
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator


def noisy(name: str, level: float, **values: float | str) -> np.ndarray:
    photo = Photo(np.full((200, 200, 3), level, np.float32), 5.0)
    return OPS[name](photo, generator(9), **values).image


def sensor_variance(level: float, **values: float) -> np.ndarray:
    """Variance per channel in linear light."""
    return to_linear(noisy("sensor_noise", level, **values)).var(axis=(0, 1))


def test_shot_noise_variance_is_linear_in_the_signal() -> None:
    levels = np.array([0.35, 0.5, 0.6, 0.7, 0.8])
    light = to_linear(np.repeat(levels[None, :, None], 3, axis=2).astype(np.float32))[0, :, 0]
    variance = np.array([sensor_variance(level, iso=800.0, read_noise_e=0.0)[1] for level in levels])
    assert variance / light == pytest.approx(np.full(5, 800 / 100 / 20_000), rel=0.05)


def test_read_noise_is_left_in_the_shadows() -> None:
    quiet, loud = (sensor_variance(0.3, iso=1600.0, read_noise_e=e)[1] for e in (0.0, 30.0))
    assert loud - quiet == pytest.approx((30 * 1600 / 100 / 20_000) ** 2, rel=0.1)


def test_white_balance_makes_red_and_blue_noisier() -> None:
    red, green, blue = sensor_variance(0.5, iso=800.0)
    assert red > blue > green


def test_row_noise_is_shared_by_rows() -> None:
    image = noisy("sensor_noise", 0.5, iso=3200.0, row_noise_e=60.0)
    rows, columns = image.mean(axis=1).std(), image.mean(axis=0).std()
    assert rows > 4 * columns


@pytest.mark.parametrize("channels", ["independent", "shared"])
def test_gaussian_noise_has_its_sigma_and_channels(channels: str) -> None:
    noise = noisy("gaussian_noise", 0.5, sigma_levels=20.0, channels=channels) - 0.5
    assert noise.std() * 255 == pytest.approx(20, rel=0.02)
    correlation = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
    assert correlation == pytest.approx(float(channels == "shared"), abs=0.03)


def test_speckle_is_in_proportion_to_brightness() -> None:
    dark, light = (noisy("speckle_noise", level, sigma_levels=10.0).std() for level in (0.2, 0.6))
    assert light / dark == pytest.approx(3, rel=0.03)
    assert not noisy("speckle_noise", 0.0).any()


def test_salt_and_pepper_hits_as_often_as_asked() -> None:
    image = noisy("salt_and_pepper", 0.5, amount=0.1, salt_share=0.3)
    assert (image == 1).mean() == pytest.approx(0.03, rel=0.1)
    assert (image == 0).mean() == pytest.approx(0.07, rel=0.1)
    gray = noisy("salt_and_pepper", 0.5, amount=0.1, channels="shared")
    assert not np.ptp(gray, axis=2).any()
