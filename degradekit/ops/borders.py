"""The sheet around and at the ends of the picture."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields, papersheet
from degradekit.blending import over
from degradekit.density import in_bands, through
from degradekit.fields import Field
from degradekit.levels import Image
from degradekit.ops import Bounds, op
from degradekit.photo import Photo
from degradekit.randomness import child

#: sRGB of a coated white border, and its density in red, green, blue per unit of yellowing.
COATED = np.array([0.955, 0.950, 0.935], dtype=np.float32)
CREAM = np.array([0.02, 0.06, 0.20], dtype=np.float32)
#: Deckle: length and depth of the cutter's bites.
BITE_MM = 2.2
BITE_DEPTH_MM = 0.7
#: Layers of the sheet split apart: the pale torn rim of a worn corner.
RIM_MM = 0.6


@op(masks=("frame", "background"), neutral={"width_mm": 0.0})
def frame(
    photo: Photo,
    rng: Generator,
    *,
    width_mm: Annotated[float, Bounds(0, 40, "mm")] = 5.0,
    unevenness_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.4,
    edge: Literal["straight", "deckle"] = "straight",
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.35,
    behind: Annotated[float, Bounds(0, 1, "1")] = 0.12,
) -> Photo:
    """The white or cream border of a print covers the outer millimetres; its edge straight or deckled.

    ``width_mm`` varies from side to side by ``unevenness_mm`` (the easel was never quite square).
    Beyond a deckle edge lies what the print rested on, of gray ``behind``. Masks: "frame" is the border,
    "background" what lies beyond the sheet. Comes before what ages the whole sheet.
    Source: our choice.
    """
    if width_mm == 0:
        return photo
    scale, shape = photo.px_per_mm, (photo.height, photo.width)
    widths = np.maximum(width_mm + unevenness_mm * rng.standard_normal(4) * 0.6, 0) * scale
    slants = np.tan(0.002 * min(unevenness_mm, 1.0) * rng.standard_normal(4))
    inner = _inside(shape, [np.full(shape[n < 2], w, np.float32) for n, w in enumerate(widths)], slants)
    # The enlarger's easel blade throws a shadow that is not quite sharp.
    border = fields.smoothstep(-inner, -0.5 - 0.05 * scale, 0.5 + 0.05 * scale)
    cloud = fields.fractal_noise(shape, 25 * scale, rng, octaves=4)
    tint = np.float32(yellowing) * (1 + np.float32(0.2) * cloud)

    def bordered(image: Image, border: Field, tint: Field) -> Image:
        result = image.copy()
        flat, chosen = result.reshape(-1, 3), np.flatnonzero(border)
        if chosen.size == 0:
            return result
        layer = tint.reshape(-1)[chosen, None] * CREAM
        sheet = through(np.broadcast_to(COATED, layer.shape), layer)
        flat[chosen] += border.reshape(-1)[chosen, None] * (sheet - flat[chosen])
        return result

    image = in_bands(bordered, photo.editable(), border, tint)
    beyond = np.zeros(shape, np.float32)
    if edge == "deckle":
        beyond = fields.smoothstep(-_inside(shape, _bites(photo, rng), np.zeros(4)), -0.5, 0.5)
        image = over(image, np.full(3, behind, np.float32), beyond)
    return photo.painted(image, frame=border * (1 - beyond), background=beyond)


@op(masks=("background", "hole"), neutral={"radius_mm": 0.0})
def worn_corners(
    photo: Photo,
    rng: Generator,
    *,
    radius_mm: Annotated[float, Bounds(0, 40, "mm")] = 3.0,
    roughness: Annotated[float, Bounds(0, 1, "1")] = 0.5,
    behind: Annotated[float, Bounds(0, 1, "1")] = 0.12,
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.4,
) -> Photo:
    """Corners are rounded by handling, each differently; a rim of split, pale paper, then nothing.

    ``radius_mm`` is the median rounding; beyond it lies gray ``behind``. Masks: "background" where the
    sheet is gone, "hole" where its bare paper shows. Source: our choice.
    """
    if radius_mm == 0:
        return photo
    scale, shape = photo.px_per_mm, (photo.height, photo.width)
    image = photo.editable()
    gone, bare = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for bottom, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        own = child(rng)
        radius = radius_mm * scale * math.exp(0.45 * own.standard_normal())
        side = math.ceil(2.5 * radius + 2 * RIM_MM * scale)
        rows, columns = min(side, shape[0]), min(side, shape[1])
        beyond, split = _worn((rows, columns), radius, scale, roughness, own)
        # The corner is made as the top left one and turned into place.
        turn = (slice(None, None, 1 - 2 * bottom), slice(None, None, 1 - 2 * right))
        window = (
            slice(shape[0] - rows, None) if bottom else slice(rows),
            slice(shape[1] - columns, None) if right else slice(columns),
        )
        beyond, split = beyond[turn], split[turn]
        paper = np.zeros((rows, columns, 3), np.float32)
        bare_paper = np.flatnonzero(split)
        paper.reshape(-1, 3)[bare_paper] = papersheet.texture(
            (rows, columns), scale, yellowing, own, bare_paper
        )
        image[window] = over(over(image[window], paper, split), np.full(3, behind, np.float32), beyond)
        np.maximum(gone[window], beyond, out=gone[window])
        np.maximum(bare[window], split, out=bare[window])
    return photo.painted(image, background=gone, hole=bare * (1 - gone))


def _worn(
    shape: tuple[int, int], radius: float, scale: float, roughness: float, rng: Generator
) -> tuple[Field, Field]:
    """Where a top left corner of ``radius`` pixels is gone, and where at least its picture layer is."""
    y, x = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in shape)
    y, x = y[:, None], x[None]
    # Distance beyond the rounding; it falls off along the sides so that only the corner is worn.
    distance = np.hypot(np.maximum(radius - x, 0), np.maximum(radius - y, 0)) - np.float32(radius)
    distance = distance - np.maximum(x - radius, 0) - np.maximum(y - radius, 0)
    lumps = fields.fractal_noise(shape, 1.5 * radius, rng, octaves=6, persistence=0.6)
    chips = fields.fractal_noise(shape, 0.7 * scale, rng, octaves=4, persistence=0.7)
    nearby = fields.smoothstep(distance, -1.2 * radius, 0) * np.float32(roughness)
    distance += nearby * (np.float32(0.16 * radius) * lumps + np.float32(0.12 * scale) * chips)
    rim = np.float32(RIM_MM * scale) * np.exp(np.float32(0.4) * lumps)
    return fields.smoothstep(distance, -0.5, 0.5), fields.smoothstep(distance + rim, -0.5, 0.5)


def _bites(photo: Photo, rng: Generator) -> list[Field]:
    """Depth in pixels of a deckle cutter's bites along top, bottom, left, right."""
    bites = []
    for side in (photo.width, photo.width, photo.height, photo.height):
        along = np.arange(side, dtype=np.float32) / np.float32(photo.px_per_mm)
        count = math.ceil(side / photo.px_per_mm / BITE_MM) + 2
        places = np.cumsum(BITE_MM * np.exp(0.25 * rng.standard_normal(2 * count)) / 2)
        depths = np.abs(np.arange(2 * count) % 2 - 0.15) * rng.uniform(0.5, 1, 2 * count)
        bite = np.interp(along, places - places[0], depths) * BITE_DEPTH_MM * photo.px_per_mm
        bites.append(bite.astype(np.float32))
    return bites


def _inside(shape: tuple[int, int], margins: list[Field], slants: NDArray[np.float64]) -> Field:
    """Pixels inside four wavy sides (top, bottom, left, right), negative beyond them.

    ``margins``: how far each side has moved in, in pixels, for every column (top, bottom) or row.
    """
    y = np.arange(shape[0], dtype=np.float32) + np.float32(0.5)
    x = np.arange(shape[1], dtype=np.float32) + np.float32(0.5)
    top, bottom, left, right = (
        (margin + slant * (np.arange(len(margin)) - len(margin) / 2)).astype(np.float32)
        for margin, slant in zip(margins, slants, strict=True)
    )
    down = np.minimum(y[:, None] - top[None], (np.float32(shape[0]) - y)[:, None] - bottom[None])
    across = np.minimum(x[None] - left[:, None], (np.float32(shape[1]) - x)[None] - right[:, None])
    return np.asarray(np.minimum(down, across), dtype=np.float32)
