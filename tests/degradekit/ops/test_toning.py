from __future__ import annotations

import numpy as np
import pytest

from degradekit.density import to_linear
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

TONERS = OPS["toning"].parameters["toner"].choices


def swatches(*colours: tuple[float, float, float]) -> Photo:
    return Photo(np.array([colours], np.float32), 5.0)


def toned(gray: float, toner: str, strength: float = 1.0) -> np.ndarray:
    photo = swatches((gray, gray, gray))
    return OPS["toning"](photo, generator(0), toner=toner, strength=strength).image[0, 0]


def monochrome(photo: Photo, emulsion: str) -> np.ndarray:
    image = OPS["monochrome"](photo, generator(0), emulsion=emulsion, strength=1.0).image
    assert np.ptp(image, axis=2).max() < 1e-6, "all channels are equal"
    return image[0, :, 0]


def test_emulsions_see_colours_as_they_did() -> None:
    red, green, blue = (0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9)
    pan, ortho, plain = (
        monochrome(swatches(red, green, blue), emulsion)
        for emulsion in ("panchromatic", "orthochromatic", "blue_sensitive")
    )
    assert pan.min() > 0.4
    assert ortho[0] < 0.3 < ortho[1:].min()
    assert plain[0] < 0.2 and plain[2] > 0.8


@pytest.mark.parametrize("emulsion", OPS["monochrome"].parameters["emulsion"].choices)
def test_grays_stay_as_they_are(emulsion: str) -> None:
    grays = swatches(*((level,) * 3 for level in (0.0, 0.2, 0.5, 0.8, 1.0)))
    assert monochrome(grays, emulsion) == pytest.approx([0, 0.2, 0.5, 0.8, 1], abs=1e-4)


@pytest.mark.parametrize("toner", TONERS)
def test_paper_stays_white_and_black_stays_dark(toner: str) -> None:
    assert toned(1.0, toner) == pytest.approx([1, 1, 1], abs=2e-3)
    # Prussian blue and platinum have no deep black; even so theirs is darker than a dark gray.
    assert to_linear(toned(0.0, toner)[None, None]).mean() < 0.05


@pytest.mark.parametrize("toner", TONERS)
def test_tones_keep_their_order(toner: str) -> None:
    grays = np.linspace(0, 1, 200, dtype=np.float32)
    photo = Photo(np.repeat(grays[None, :, None], 3, axis=2), 5.0)
    image = OPS["toning"](photo, generator(0), toner=toner, strength=1.0).image[0]
    assert (np.diff(image, axis=0) > -1e-4).all()


def test_hues() -> None:
    sepia, gold, cyanotype = (toned(0.5, toner) for toner in ("sepia", "gold", "cyanotype"))
    assert sepia[0] > sepia[1] > sepia[2] + 0.03
    assert gold[2] > gold[0]
    assert cyanotype[2] > cyanotype[1] > cyanotype[0] + 0.1
    # Selenium starts in the shadows: highlights stay neutral.
    assert np.ptp(toned(0.9, "selenium")) < 0.005 < np.ptp(toned(0.2, "selenium"))
