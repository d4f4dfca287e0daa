"""Scratches that film gets from running through camera, drier and projector."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import wander
from degradekit.density import from_density, to_density
from degradekit.fields import Field
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

#: Standard deviations of ln(length) and ln(width), fitted to labelled film scans.
LENGTH_SPREAD = 0.87
WIDTH_SPREAD = 0.45
#: The longest scratch, in median lengths.
LONGEST = 6.0
#: Density of unexposed paper is 0; this is its deepest black, where a negative lost all its emulsion.
BLACK = 2.0
#: Kokaram's profile b k^|x - m| cos(3 pi |x - m| / 2 w): its main lobe is as wide as the scratch, w / 3 to
#: either side, and it is damped by this much from the middle to the edge of that lobe.
DAMPING = 0.4
#: Half the narrowest lobe that pixels can show; what is narrower gets fainter instead.
NARROWEST_PX = 0.9
#: Scratches of one grain of grit come in groups of this many on average, within this many mm.
GROUP = 2.5
GROUP_MM = 2.5
#: How much one scratch differs from the common tilt of the frame, in degrees.
TILT_SPREAD_DEG = 0.15


@op(masks=("scratch",), neutral={"density_per_cm2": 0.0})
def film_scratches(
    photo: Photo,
    rng: Generator,
    *,
    density_per_cm2: Annotated[float, Bounds(0, 20, "per cm2")] = 0.06,
    length_mm: Annotated[float, Bounds(0.5, 500, "mm")] = 60.0,
    width_um: Annotated[float, Bounds(5, 2000, "um")] = 230.0,
    tilt_deg: Annotated[float, Bounds(0, 10, "deg")] = 1.0,
    light_share: Annotated[float, Bounds(0, 1, "1")] = 0.6,
    depth: Annotated[float, Bounds(0, 3, "layers")] = 3.0,
    film: Literal["black_and_white", "colour"] = "black_and_white",
    travel: Literal["vertical", "horizontal"] = "vertical",
) -> Photo:
    """Fine lines along the film's way, nearly parallel, light or dark, tinted on colour film.

    ``length_mm`` and ``width_um`` (full width) are medians; ``tilt_deg`` is the standard deviation of the
    frame's common tilt from ``travel``. ``depth`` is the deepest a scratch cuts, in dye layers: up to 1 the
    yellow one, to 2 magenta, to 3 cyan is cut away as well; black-and-white film has one layer 3 deep.
    A light scratch takes dye from the picture, a dark one took it from the negative. The mask is the part of
    the density lost, averaged over the channels: out = (1 - a(x)) I + a(x) c in density.
    Source: Kokaram, Motion Picture Restoration (1998), for the damped-cosine profile and near-vertical lines;
    Bruni, Ferrara, Vitulano, EURASIP J. Adv. Signal Process. 2008, 352986, and their colour model for light
    scratches that go blue, cyan, white with depth; 59 scratches drawn by hand on 35 mm frames for the spreads
    of ln(length), 0.87, and ln(width), about 0.5 (median width 60 um; the default is that printed 4 times as
    large). Dark scratches and the layers' fractions are our choice.
    """
    if density_per_cm2 == 0 or depth == 0:
        return photo
    turned = travel == "horizontal"
    image = photo.image.transpose(1, 0, 2) if turned else photo.image
    height, width = image.shape[:2]
    size = (width / photo.px_per_mm, height / photo.px_per_mm)
    tilt = math.radians(tilt_deg) * rng.standard_normal()
    # Share of the layers lost, by the picture (+) or by its negative (-), and how deep the cut goes there.
    share, cut = (np.zeros((height, width), np.float32) for _ in range(2))
    for x, y in _places(size, density_per_cm2 / 100, LONGEST * length_mm, rng):
        length = length_mm * min(math.exp(LENGTH_SPREAD * rng.standard_normal()), LONGEST)
        breadth = width_um * 1e-3 * math.exp(WIDTH_SPREAD * rng.standard_normal())
        angle = tilt + math.radians(TILT_SPREAD_DEG) * rng.standard_normal()
        deep = depth * rng.uniform(0.35, 1)
        sign = 1 if rng.random() < light_share else -1
        _cut(share, cut, photo.px_per_mm, (x, y), angle, length, breadth, sign, deep, rng)
    touched = np.flatnonzero(share)
    if touched.size == 0:
        return photo
    result = image.copy(order="C")
    flat = result.reshape(-1, 3)
    taken = share.reshape(-1)[touched, None] * _layers(cut.reshape(-1)[touched], film)
    density = to_density(flat[touched])
    # c is bare paper for what the picture lost, black for what the negative lost.
    density += np.where(taken > 0, -taken * density, -taken * np.maximum(BLACK - density, 0))
    flat[touched] = from_density(density)
    share.reshape(-1)[touched] = np.abs(taken).mean(axis=1)
    mask = share
    if turned:
        result, mask = result.transpose(1, 0, 2), mask.T
    return photo.painted(np.ascontiguousarray(result), scratch=np.ascontiguousarray(mask))


def _layers(cut: NDArray[np.float32], film: str) -> NDArray[np.float32]:
    """Part of the density gone in red, green and blue (N, 3) under cuts of that depth (N,)."""
    if film == "black_and_white":
        return np.repeat(cut[:, None] / 3, 3, axis=1)
    # From the surface down: yellow, magenta, cyan.
    beyond = cut[:, None] - np.array([2, 1, 0], np.float32)
    return np.asarray(np.clip(beyond, 0, 1), dtype=np.float32)


def _places(size: tuple[float, float], per_mm2: float, longest: float, rng: Generator) -> NDArray[np.float64]:
    """Middles (N, 2) of scratches in mm, in groups, on the frame and above and below it."""
    low = np.array([-2 * GROUP_MM, -longest / 2])
    span = np.array(size) - 2 * low
    groups = rng.poisson(per_mm2 * span[0] * span[1] / GROUP)
    counts = rng.geometric(1 / GROUP, groups)
    centres = np.repeat(low + span * rng.random((groups, 2)), counts, axis=0)
    return np.asarray(centres + rng.standard_normal(centres.shape) * (GROUP_MM, 4 * GROUP_MM))


def _cut(
    share: Field,
    cut: Field,
    px_per_mm: float,
    middle: tuple[float, float],
    angle: float,
    length: float,
    breadth: float,
    sign: int,
    deep: float,
    rng: Generator,
) -> None:
    """Join one scratch, lengths in mm; where two cross, the stronger stays."""
    # Along the scratch, on knots fixed in mm: a slow sideways wander, fading, skips.
    knots = np.linspace(-length / 2, length / 2, max(8, math.ceil(length / 0.4)))
    offset = 0.12 * wander(knots, 30.0, rng, octaves=4)
    fade = np.clip(0.75 + 0.45 * wander(knots, 14.0, rng), 0, 1) * np.clip(
        1 + 0.25 * wander(knots, 1.2, rng), 0, 1
    )
    fade *= np.clip((0.5 - np.abs(knots) / length) * 5, 0, 1)
    dx, dy = math.sin(angle) * length / 2 * px_per_mm, math.cos(angle) * length / 2 * px_per_mm
    x, y = middle[0] * px_per_mm, middle[1] * px_per_mm
    true_half = 0.5 * breadth * px_per_mm
    half = max(true_half, NARROWEST_PX)
    shape = (share.shape[0], share.shape[1])
    reach = 3 * half + 0.6 * px_per_mm
    rows, columns, inside = fields.strip(shape, (x - dx, y - dy), (x + dx, y + dy), reach)
    if not inside.any():
        return
    across_x, across_y = columns + np.float32(0.5 - x), rows + np.float32(0.5 - y)
    s = (across_x * math.sin(angle) + across_y * math.cos(angle)).astype(np.float32) / np.float32(px_per_mm)
    d = (across_x * math.cos(angle) - across_y * math.sin(angle)).astype(np.float32)
    d = np.abs(d - np.interp(s, knots, offset * px_per_mm).astype(np.float32)) / np.float32(half)
    profile = np.float32(DAMPING) ** d * np.cos(np.float32(math.pi / 2) * d)
    strength = np.interp(s, knots, fade, left=0, right=0).astype(np.float32)
    strength *= np.float32(true_half / half)
    added = np.where(d < 3, profile, 0)[inside] * strength[inside] * sign
    at = rows[inside], columns[inside]
    stronger = np.abs(added) * deep > np.abs(share[at]) * cut[at]
    share[at] = np.where(stronger, added, share[at])
    cut[at] = np.where(stronger, np.float32(deep), cut[at])
