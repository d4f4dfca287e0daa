"""Changes of shape: picture and masks move together."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.random import Generator

from degradekit import fields
from degradekit.fields import Field
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.remapping import remapped

#: The displacement changes by less than this per unit of length, so that no part of the picture folds over
#: another: the map's Jacobian stays diagonally dominant.
STEEPEST = 0.9


@op(neutral={"rms_mm": 0.0}, moves=True)
def elastic_distortion(
    photo: Photo,
    rng: Generator,
    *,
    rms_mm: Annotated[float, Bounds(0, 20, "mm")] = 0.5,
    correlation_mm: Annotated[float, Bounds(0.5, 500, "mm")] = 25.0,
) -> Photo:
    """A smooth, uneven warp, as of a sheet that swelled and shrank or did not lie flat under the scanner.

    ``rms_mm`` is the displacement along each axis, ``correlation_mm`` the distance over which it changes;
    a warp that would fold is weakened. Border pixels are repeated outwards, never black. Masks move
    with the picture. Source: Simard, Steinkraus, Platt, ICDAR 2003, with the smoothed noise
    replaced by an interpolated random grid.
    """
    scale = photo.px_per_mm
    shape = (photo.height, photo.width)
    if rms_mm == 0:
        return photo
    dx, dy = fields.displacement(shape, rms_mm * scale, correlation_mm * scale, rng)
    gain = np.float32(min(1.0, STEEPEST / max(_steepness(dx), _steepness(dy), 1e-9)))
    dx *= gain
    dy *= gain
    dx += np.arange(photo.width, dtype=np.float32)[None]
    dy += np.arange(photo.height, dtype=np.float32)[:, None]

    return photo.moved(lambda plane: remapped(plane, dx, dy))


def _steepness(field: Field) -> float:
    """The most a displacement changes per pixel along x and y together."""
    total = 0.0
    for axis in (0, 1):
        if field.shape[axis] > 1:
            change = np.diff(field, axis=axis)
            total += float(max(change.max(), -change.min()))
    return total
