"""What the emulsion saw, and the colour of the image it left."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit.density import developed, exposed, mixed
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Share of linear red, green, blue in what each emulsion records; each row sums to 1. Plain silver halide
#: answers to blue only; dyes added green (from 1884) and red (from 1906).
EMULSIONS = {
    "panchromatic": (0.31, 0.42, 0.27),
    "orthochromatic": (0.04, 0.50, 0.46),
    "blue_sensitive": (0.01, 0.13, 0.86),
}
#: Luminance of linear sRGB, used here as the weight of each channel's density in the visual density.
VISUAL = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
#: Visual densities at which the ramps below are given.
RAMP_DENSITIES = (0.1, 0.6, 1.3, 2.4)
#: Red, green, blue density of the toned image over the neutral one's, at each of those densities.
RAMPS = {
    # Silver sulphide: yellow-brown, warmest in the highlights.
    "sepia": ((0.76, 1.02, 1.36), (0.81, 1.01, 1.27), (0.87, 1.00, 1.14), (0.90, 0.97, 1.03)),
    # Finely divided silver in albumen, gold toned: aubergine shadows, warm brown half-tones.
    "albumen": ((0.68, 1.00, 1.42), (0.73, 1.01, 1.24), (0.76, 1.01, 1.14), (0.78, 0.93, 0.96)),
    # Gold on developed silver: blue-black.
    "gold": ((1.12, 0.99, 0.90), (1.09, 0.99, 0.92), (1.05, 1.00, 0.96), (1.03, 1.01, 0.99)),
    # Silver selenide: begins in the shadows, purple-brown.
    "selenium": ((1.00, 1.00, 1.00), (0.97, 1.01, 1.00), (0.92, 1.03, 0.99), (0.90, 1.03, 0.98)),
    # Prussian blue; the process stops at a density of about 1.6.
    "cyanotype": ((1.70, 0.98, 0.52), (1.64, 0.97, 0.55), (1.38, 0.93, 0.58), (0.98, 0.68, 0.44)),
    # Platinum black in matt paper: neutral to warm, no deep blacks.
    "platinum": ((0.90, 1.01, 1.10), (0.91, 0.99, 1.07), (0.86, 0.92, 0.98), (0.59, 0.62, 0.66)),
}
#: Steps of the lookup of a ramp; the finest step is far under a gray level.
STEPS = 2048


#: Rec. 601 luma of the encoded values: what image editors and most code call gray.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@op(neutral={"strength": 0.0}, maker=exposed)
def monochrome(
    photo: Photo,
    rng: Generator,
    *,
    emulsion: Literal["panchromatic", "orthochromatic", "blue_sensitive", "luma"] = "panchromatic",
    strength: Annotated[float, Bounds(0, 1, "1")] = 1.0,
) -> Photo:
    """Black and white; with old emulsions red turns dark, and skies go white.

    A weighted sum of the channels in linear light. ``emulsion``: "blue_sensitive" for plates before about
    1885 and albumen prints, "orthochromatic" up to the 1930s, "panchromatic" after; "luma" is no film but
    Rec. 601 gray of the encoded values, as in published chains. ``strength`` mixes it with the colours.
    Source: the spectral sensitivities of the three kinds of emulsion; weights our choice.
    """
    if strength == 0:
        return photo
    if emulsion == "luma":
        gray = (photo.image @ LUMA)[..., None]
        return photo.with_image(photo.image + np.float32(strength) * (gray - photo.image))
    matrix = (1 - strength) * np.eye(3) + strength * np.array(EMULSIONS[emulsion])

    return photo.changed(exposed, lambda light: mixed(light, matrix))


@op(neutral={"strength": 0.0}, maker=developed)
def toning(
    photo: Photo,
    rng: Generator,
    *,
    toner: Literal["sepia", "albumen", "gold", "selenium", "cyanotype", "platinum"] = "sepia",
    strength: Annotated[float, Bounds(0, 1.5, "1")] = 1.0,
) -> Photo:
    """The silver image takes a colour: brown sepia, purplish albumen, blue-black gold, Prussian blue.

    Each channel's density is multiplied by a factor that depends on the visual density, so paper stays
    white and the hue shifts from highlights to shadows as in the real process. Meant for ``monochrome``
    images; a coloured one keeps its hues under the tone. Above 1 ``strength`` exaggerates.
    Source: our choice; the sepia ramp fitted by eye and numbers to scanned sulphide-toned prints.
    """
    if strength == 0:
        return photo
    visual = VISUAL[None].astype(np.float64) * (STEPS / 3)
    factor = np.float32(1 - strength) + np.float32(strength) * _ramp(toner)

    def toned(density: Image) -> Image:
        index = np.clip(mixed(density, visual), 0, STEPS - 1).astype(np.int32)
        density *= np.take(factor, index, axis=0)
        return density

    return photo.changed(developed, toned)


def _ramp(toner: str) -> NDArray[np.float32]:
    """Factors (STEPS, 3) for visual densities from 0 to 3."""
    steps = np.linspace(1e-3, 3, STEPS)
    knots = np.array((0.0, *RAMP_DENSITIES, 3.0))
    columns = []
    for ratios in zip(*RAMPS[toner], strict=True):
        # Interpolating densities, not ratios, keeps every ramp rising.
        dense = knots * np.array((ratios[0], *ratios, ratios[-1]))
        columns.append(np.interp(steps, knots, dense) / steps)
    return np.stack(columns, axis=1).astype(np.float32)
