"""What light and time do to dyes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.random import Generator

from degradekit.density import from_density, to_density
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
    }
)
def fading(
    photo: Photo,
    rng: Generator,
    *,
    cyan_kept: Annotated[float, Bounds(0, 1, "1")] = 0.6,
    magenta_kept: Annotated[float, Bounds(0, 1, "1")] = 0.85,
    yellow_kept: Annotated[float, Bounds(0, 1, "1")] = 0.8,
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
    density = to_density(photo.image) @ faded.T.astype(np.float32) + stain.astype(np.float32)
    return photo.with_image(from_density(density))
