"""Damage that bares the paper under the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.random import Generator

from degradekit import blobs, fields, papersheet
from degradekit.ops import Bounds, op
from degradekit.photo import Photo, picked, put, taken

#: Width of the paler, freshly torn rim inside a hole, and of the emulsion edge's shadow outside it.
RIM_MM = 0.35
SHADOW_MM = 0.18


@op(masks=("hole",), neutral={"density_per_dm2": 0.0})
def paper_holes(
    photo: Photo,
    rng: Generator,
    *,
    density_per_dm2: Annotated[float, Bounds(0, 500, "per dm2")] = 4.0,
    diameter_mm: Annotated[float, Bounds(0.1, 100, "mm")] = 3.0,
    roughness: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    feather_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.12,
    at_border: Annotated[float, Bounds(0, 1, "1")] = 0.6,
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.3,
) -> Photo:
    """Flakes of picture are gone and the paper shows, with a pale torn rim and a fine shadow at its edge.

    ``diameter_mm`` is the median, ``feather_mm`` the softness of the edge, ``at_border`` the share of holes
    that sit on the sheet's border, ``yellowing`` the age of the paper. The mask is the opacity of hole and
    shadow. Source: random feathered shapes revealing paper texture are Wan et al., CVPR 2020, 3.3; shapes
    and paper are our own.
    """
    count = int(rng.poisson(density_per_dm2 * photo.area_mm2 / 1e4))
    if count == 0:
        return photo
    scale = photo.px_per_mm
    shape = (photo.height, photo.width)
    half_feather = max(0.5, feather_mm * scale / 2)
    reach = max(half_feather, SHADOW_MM * scale + 1.5)
    depth = blobs.depth(shape, rng, count, diameter_mm / 2 * scale, roughness, at_border, reach)
    # All else is worked out at the pixels that a hole or its shadow touches.
    touched = np.flatnonzero(depth > -reach)
    depth = depth.reshape(-1)[touched]
    alpha = fields.smoothstep(depth, -half_feather, half_feather)
    paper = np.zeros((touched.size, 3), np.float32)
    bare = alpha > 0
    paper[bare] = papersheet.texture(shape, scale, yellowing, rng, touched[bare])
    # Distances are from a pixel to the nearest one on the other side of the edge.
    rim = fields.smoothstep(depth + np.float32(0.5), 0.3 * RIM_MM * scale, 1.2 * RIM_MM * scale)
    paper *= (np.float32(1.05) - np.float32(0.11) * rim)[:, None]
    np.minimum(paper, 1, out=paper)
    away = np.where(depth > 0, 0, np.float32(0.5) - depth)
    shadow = np.float32(0.35) * (1 - fields.smoothstep(away, 0, SHADOW_MM * scale + 1.5))
    image, hidden = taken(photo.editable()), np.zeros(shape, np.float32)
    under = picked(image, touched)
    under *= (1 - shadow)[:, None]
    under += alpha[:, None] * (paper - under)
    put(image, touched, under)
    # The shadow hides the picture as well, if little of it.
    hidden.reshape(-1)[touched] = 1 - (1 - alpha) * (1 - shadow)
    return photo.marked(image, hole=hidden)
