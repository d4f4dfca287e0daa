"""A network of fine cracks in dried-out emulsion."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from degradekit import fields
from degradekit.curves import Dots, draw, line_weight
from degradekit.fields import Field
from degradekit.layers import covered
from degradekit.ops import Bounds, op
from degradekit.papersheet import WHITE, YELLOWING
from degradekit.photo import Photo
from degradekit.randomness import child
from degradekit.remapping import remapped

#: Size of cracked patches of the sheet, and of the first, wider cracks in cells of the network.
PATCH_MM = 22.0
COARSE = 3.5
#: Sideways wander of a crack, in cells; part of the network's cracks that never opened.
WANDER = 0.11
CLOSED = 0.18
#: Grime in cracks (sRGB); how far the curled edges of cells shade the picture.
GRIME = np.array([0.16, 0.13, 0.10], dtype=np.float32)
CURL_MM = 0.25
#: Lost cells are drawn at least this large, in pixels, and averaged: filled outlines take in their border.
CELL_PX = 100
#: Shading under this cannot be told from none.
SEEN = 1e-3
#: How much a crack's width varies along it, over what distance, and after how many of those it repeats.
UNEVEN = 0.25
UNEVEN_MM = 0.1
TABLE = 128

Points = NDArray[np.float32]


@op(masks=("crackle",), neutral={"coverage": 0.0})
def crackle(
    photo: Photo,
    rng: Generator,
    *,
    coverage: Annotated[float, Bounds(0, 1, "1")] = 0.3,
    cell_mm: Annotated[float, Bounds(0.4, 50, "mm")] = 2.6,
    width_um: Annotated[float, Bounds(5, 1000, "um")] = 60.0,
    flaking: Annotated[float, Bounds(0, 1, "1")] = 0.01,
    curl: Annotated[float, Bounds(0, 1, "1")] = 0.3,
    grime: Annotated[float, Bounds(0, 1, "1")] = 0.25,
    yellowing: Annotated[float, Bounds(0, 1, "1")] = 0.25,
) -> Photo:
    """A net of fine cracks over patches of the sheet, with some cells of the emulsion fallen off.

    ``coverage`` is the part of the sheet that is cracked, ``cell_mm`` the size of the net's cells,
    ``width_um`` the median width of cracks, ``flaking`` the part of cells lost, ``curl`` how strongly the
    raised edges catch light, ``grime`` the share of cracks filled with dirt instead of showing paper. The
    mask is the coverage of cracks and lost cells, joined with the part of the light that the raised edges
    take or add. Source: our choice; Voronoi cells at two scales, cracks
    30 to 100 um wide.
    """
    if coverage == 0:
        return photo
    scale = photo.px_per_mm
    shape = (photo.height, photo.width)
    size = (photo.width / scale, photo.height / scale)
    severity, dirt = (_Patches(size, part, child(rng)) for part in (coverage, grime))
    unevenness = 1 + np.float32(UNEVEN) * child(rng).uniform(-1.3, 1.3, (TABLE, TABLE)).astype(np.float32)
    wander = _Wander(size, cell_mm, child(rng))
    planes: dict[bool, list[Dots]] = {False: [], True: []}
    lost = np.zeros(shape, np.float32)
    for cell, width, reach in ((COARSE * cell_mm, 1.8 * width_um, 0.5), (cell_mm, width_um, 0.0)):
        nets, flakes, cracks = (child(rng) for _ in range(3))
        facets, centres = _facets(size, cell, severity, reach, nets)
        if not facets:
            continue
        _flake(lost, facets, severity.at(centres), flaking if reach == 0 else 0.0, wander, scale, flakes)
        dots, dirty = _cracks(facets, severity, dirt, reach, width * 1e-3, wander, unevenness, scale, cracks)
        for kind in (False, True):
            here = dirty == kind
            planes[kind].append(Dots(*(getattr(dots, name)[here] for name in Dots.__slots__)))
    light, dark = (draw(shape, Dots.join(planes[key])) for key in (False, True))
    light = np.maximum(light, lost)
    cover = 1 - (1 - light) * (1 - dark)
    image, hidden = photo.image, cover
    if curl > 0:
        raised = cv2.GaussianBlur(cover, (0, 0), max(0.6, CURL_MM * scale)) * np.float32(CURL_MM * scale)
        shade = fields.light_from_upper_left(np.asarray(raised, np.float32), 2.0 * curl).reshape(-1)
        image, bent = image.copy(), np.flatnonzero(np.abs(shade - 1) > SEEN)
        flat = image.reshape(-1, 3)
        flat[bent] = np.clip(flat[bent] * shade[bent, None], 0, 1)
        change = np.minimum(np.abs(shade - 1), 1)
        change[change <= SEEN] = 0
        hidden = 1 - (1 - cover) * (1 - change.reshape(shape))
    paper = WHITE + np.float32(yellowing) * YELLOWING
    return photo.painted(covered(image, (paper, light), (GRIME, dark)), crackle=hidden)


class _Patches:
    """Cloudy patches of the sheet: above 0 within them, by how much tells how badly they are cracked."""

    def __init__(self, size: tuple[float, float], coverage: float, rng: Generator) -> None:
        # One sample per 2 mm is plenty for patches ten times as large.
        shape = (math.ceil(size[1] / 2) + 3, math.ceil(size[0] / 2) + 3)
        field = fields.fractal_noise(shape, PATCH_MM / 2, rng, octaves=3)
        # The threshold is the noise's own quantile only in expectation, so a crop may be spared.
        part = min(max(coverage, 1e-4), 1 - 1e-4)
        self.field = field - np.float32(NormalDist().inv_cdf(1 - part))

    def at(self, points: Points) -> Field:
        """(N,) at points (N, 2), x and y in mm."""
        return _sampled(self.field, points * np.float32(0.5) + np.float32(1))


class _Wander:
    """Sideways displacement of cracks, the same for all that meet at a point."""

    def __init__(self, size: tuple[float, float], cell_mm: float, rng: Generator) -> None:
        self.pitch = max(cell_mm / 6, max(size) / 2000)
        shape = tuple(math.ceil((side + 8 * cell_mm) / self.pitch) + 3 for side in size[::-1])
        self.margin = 4 * cell_mm
        self.planes = [
            np.float32(WANDER * cell_mm)
            * fields.fractal_noise((shape[0], shape[1]), 0.8 * cell_mm / self.pitch, rng, octaves=3)
            for _ in range(2)
        ]

    def moved(self, points: Points) -> Points:
        at = (points + np.float32(self.margin)) / np.float32(self.pitch) + 1
        return points + np.stack([_sampled(plane, at) for plane in self.planes], axis=1)


def _sampled(field: Field, at: Points) -> Field:
    """``field`` at (N, 2) columns and rows, bilinear, its border repeated."""
    x, y = (np.ascontiguousarray(at[:, axis : axis + 1], np.float32) for axis in (0, 1))
    return remapped(field, x, y).reshape(-1)


def _facets(
    size: tuple[float, float], cell: float, severity: _Patches, reach: float, rng: Generator
) -> tuple[list[Points], Points]:
    """Voronoi cells (vertices in mm) of a jittered grid, and their seeds, where the sheet is cracked."""
    columns, rows = (math.ceil(side / cell - 1e-6) + 4 for side in size)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=2).reshape(-1, 2)
    places = (grid - 2 + rng.random(2) + rng.uniform(-0.48, 0.48, grid.shape)) * cell
    seeds = places.astype(np.float32)
    # A margin of sound cells closes the cells at the patch's border.
    seeds = seeds[severity.at(seeds) > -reach - 0.5]
    if len(seeds) < 4:
        return [], seeds
    low, high = seeds.min(axis=0) - 3 * cell, seeds.max(axis=0) + 3 * cell
    plane = cv2.Subdiv2D((math.floor(low[0]), math.floor(low[1]), *(math.ceil(v) + 1 for v in high - low)))
    plane.insert(seeds.tolist())
    facets, centres = plane.getVoronoiFacetList([])
    near = np.asarray(centres, np.float32).reshape(-1, 2)
    return [np.asarray(facet, np.float32) for facet in facets], near


def _cracks(
    facets: list[Points],
    severity: _Patches,
    dirt: _Patches,
    reach: float,
    width_mm: float,
    wander: _Wander,
    unevenness: Field,
    scale: float,
    rng: Generator,
) -> tuple[Dots, NDArray[np.bool_]]:
    """Dots along the borders of cells, and which of them hold grime."""
    starts = np.concatenate(facets)
    following = np.arange(1, len(starts) + 1)
    sizes = np.array([len(facet) for facet in facets])
    following[np.cumsum(sizes) - 1] -= sizes
    ends = starts[following]
    # Two cells share each border; keep it once.
    once = (starts[:, 0] < ends[:, 0]) | ((starts[:, 0] == ends[:, 0]) & (starts[:, 1] < ends[:, 1]))
    starts, ends = starts[once], ends[once]
    state = severity.at((starts + ends) / 2) + np.float32(reach)
    length = np.hypot(*(ends - starts).T)
    opened = child(rng).random(len(starts)) > CLOSED
    opening = np.exp(0.45 * child(rng).standard_normal(len(starts))) * np.clip(0.3 + 0.6 * state, 0, 1)
    dirty = dirt.at((starts + ends) / 2) + np.float32(0.3) * child(rng).standard_normal(len(starts)) > 0
    # Cells far outside the cracked patch have borders of no meaning, some of them very long.
    keep = opened & (state > 0) & (length < 6 * np.median(length) + 1e-6)
    starts, ends, length, opening, dirty = (values[keep] for values in (starts, ends, length, opening, dirty))
    radius = 0.5 * width_mm * scale * opening
    step = np.maximum(0.65, 0.6 * radius)
    counts = np.maximum(2, np.ceil(length * scale / step).astype(np.int64))
    which = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    part = ((place + 0.5) / counts[which]).astype(np.float32)[:, None]
    points = wander.moved(starts[which] + part * (ends[which] - starts[which]))
    at = points * np.float32(scale) - np.float32(0.5)
    spacing = length[which] * scale / counts[which]
    thick = radius[which] * _sampled(unevenness, points * np.float32(1 / UNEVEN_MM) % (TABLE - 1))
    # Narrow cracks seldom go down to the paper.
    weight = np.clip(0.4 + 0.7 * opening[which], 0, 1) * line_weight(spacing, thick)
    dots = (at[:, 0], at[:, 1], thick, weight)
    return Dots(*(np.asarray(values, dtype=np.float32) for values in dots)), dirty[which]


def _flake(
    lost: Field,
    facets: list[Points],
    state: Field,
    share: float,
    wander: _Wander,
    scale: float,
    rng: Generator,
) -> None:
    """Fill the cells that fell off, each drawn in a little on one side."""
    chances, kept = child(rng).random(len(facets)), child(rng).uniform(0.45, 1.0, len(facets))
    for index in np.flatnonzero((chances < share * np.clip(2 * state, 0, 2)) & (state > 0)):
        facet = facets[index]
        corner = facet[0]
        outline = corner + np.float32(kept[index]) * (facet - corner)
        part = np.linspace(0, 1, 12, endpoint=False, dtype=np.float32)[None, :, None]
        dense = outline[:, None] + part * (np.roll(outline, -1, axis=0) - outline)[:, None]
        points = wander.moved(dense.reshape(-1, 2)) * np.float32(scale)
        extent = float(np.ptp(points, axis=0).max())
        if extent > 4 * max(lost.shape):
            continue
        fineness = max(1, math.ceil(CELL_PX / max(extent, 1.0)))
        left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(points.max(axis=0)), lost.shape[::-1]).astype(int)
        if left < right and top < bottom:
            fine = np.zeros(((bottom - top) * fineness, (right - left) * fineness), np.float32)
            corners = (points - np.array([left, top], np.float32)) * fineness - np.float32(0.5)
            cv2.fillPoly(fine, [np.rint(corners * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
            window = lost[top:bottom, left:right]
            drawn = cv2.resize(fine, window.shape[::-1], interpolation=cv2.INTER_AREA)
            np.maximum(window, drawn, out=window)
