from __future__ import annotations

import cv2
import numpy as np
import pytest

from degradekit import remapping
from degradekit.remapping import remapped


@pytest.mark.parametrize("how", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
@pytest.mark.parametrize("border", [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_parts_give_what_opencv_gives_for_the_whole(
    monkeypatch: pytest.MonkeyPatch, how: int, border: int, channels: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((50, 70, *channels), dtype=np.float32)
    # To 20 pixels beyond every side, in steps that OpenCV's fixed-point places hold exactly.
    x, y = (np.float32(rng.integers(-20 * 32, (side + 20) * 32, (33, 90)) / 32) for side in (70, 50))
    expected = cv2.remap(picture, x, y, how, borderMode=border, borderValue=0)
    monkeypatch.setattr(remapping, "LIMIT", 48)
    monkeypatch.setattr(remapping, "PART", 16)
    assert np.array_equal(remapped(picture, x, y, how, border), expected)


def test_wide_pictures_are_read_right() -> None:
    picture = np.arange(40_000, dtype=np.float32)[None].repeat(2, axis=0)
    x = np.float32([[0.5, 20_000.25, 39_998.5, 39_999.0, 50_000.0]])
    assert remapped(picture, x, np.zeros_like(x)) == pytest.approx(np.minimum(x, 39_999))
    assert remapped(picture, x[:, :0], x[:, :0]).shape == (1, 0)
