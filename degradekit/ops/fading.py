"""What light and time do to dyes and to the paper under them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.density import developed, mixed, spread
from degradekit.enlarging import border_distance, enlarged, times_larger, whole
from degradekit.fields import Field
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Density that one unit of cyan, magenta, yellow dye (columns) gives in red, green, blue (rows): the
#: unwanted absorptions of a chromogenic print. Our choice.
ABSORPTIONS = np.array([[1.0, 0.12, 0.02], [0.20, 1.0, 0.10], [0.08, 0.30, 1.0]])


@op(
    neutral={
        "cyan_kept": 1.0,
        "magenta_kept": 1.0,
        "yellow_kept": 1.0,
        "red_stain": 0.0,
        "green_stain": 0.0,
        "blue_stain": 0.0,
    },
    maker=developed,
)
def fading(
    photo: Photo,
    rng: Generator,
    *,
    cyan_kept: Annotated[float, Bounds(0, 1, "1")] = 0.72,
    magenta_kept: Annotated[float, Bounds(0, 1, "1")] = 0.9,
    yellow_kept: Annotated[float, Bounds(0, 1, "1")] = 0.85,
    red_stain: Annotated[float, Bounds(0, 1, "density")] = 0.01,
    green_stain: Annotated[float, Bounds(0, 1, "density")] = 0.03,
    blue_stain: Annotated[float, Bounds(0, 1, "density")] = 0.1,
) -> Photo:
    """Dyes lose density at unlike rates and the paper yellows: flat blacks and a colour cast.

    Each dye keeps a fraction of its density (first-order loss; in the dark cyan goes first, so prints turn
    red; in light magenta does), and an even stain is added. Stain densities are above the paper's white.
    Source: Wilhelm, The Permanence and Care of Color Photographs (1993), ch. 5, for the two mechanisms;
    dye matrix our choice.
    """
    kept = np.diag([cyan_kept, magenta_kept, yellow_kept])
    stain = np.array([red_stain, green_stain, blue_stain])
    if np.array_equal(kept, np.eye(3)) and not stain.any():
        return photo
    # Density -> dye amounts -> what is left of them -> density, as one matrix.
    faded = ABSORPTIONS @ kept @ np.linalg.inv(ABSORPTIONS)
    change = np.hstack([faded, stain[:, None]])

    return photo.changed(developed, lambda density: mixed(density, change))


#: Density of a yellowed paper base in red, green, blue, per unit in blue.
YELLOWED = np.array([0.12, 0.38, 1.0], dtype=np.float32)
#: How far the extra yellowing of the sheet's border reaches in.
YELLOW_BORDER_MM = 14.0
#: Clouds of blotches, of halves of them and so on.
OCTAVES = 4


@op(neutral={"blue_density": 0.0}, maker=developed)
def yellowing(
    photo: Photo,
    rng: Generator,
    *,
    blue_density: Annotated[float, Bounds(0, 1, "density")] = 0.16,
    blotchiness: Annotated[float, Bounds(0, 1, "1")] = 0.25,
    blotch_mm: Annotated[float, Bounds(0.5, 200, "mm")] = 18.0,
    border: Annotated[float, Bounds(0, 3, "1")] = 0.5,
) -> Photo:
    """The paper turns yellow-brown, evenly or in clouds, a little more along the borders.

    A stain of ``blue_density`` in blue, 0.38 of that in green and 0.12 in red, is added everywhere.
    ``blotchiness`` is its unevenness over ``blotch_mm``; ``border`` how much more of it there is
    at the very edge. Source: minimum-density stain as in Wilhelm, The Permanence and Care of Color
    Photographs (1993), ch. 5; numbers our choice.
    """
    if blue_density == 0:
        return photo
    shape, blotch_px = (photo.height, photo.width), blotch_mm * photo.px_per_mm
    times = times_larger(blotch_px / 2 ** (OCTAVES - 1))
    distance = border_distance(shape, times)
    coarse = fields.exp(distance * np.float32(-1 / (YELLOW_BORDER_MM * photo.px_per_mm)))
    coarse *= np.float32(border)
    coarse += 1
    clouds = fields.fractal_noise(coarse.shape, blotch_px / times, rng, octaves=OCTAVES, persistence=0.45)
    coarse *= fields.exp(np.float32(0.6 * blotchiness) * clouds)
    coarse *= np.float32(blue_density)
    stain = enlarged(coarse, times, whole(shape))

    def seen(density: Image, stain: Field) -> Image:
        density += spread(stain, YELLOWED)
        return density

    return photo.changed(developed, seen, stain)
