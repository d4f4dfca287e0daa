"""Your own defect images laid over the photograph: scanned or drawn scratches, dust, stains, bare paper."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.random import Generator

from degradekit import blobs, fields, imagefiles
from degradekit.blending import laid, over
from degradekit.density import through
from degradekit.errors import DataError
from degradekit.fields import Field
from degradekit.levels import Image, Mask, as_float
from degradekit.ops import Bounds, Text, op
from degradekit.photo import Photo
from degradekit.remapping import remapped

FOLDER = "folder of images, transparent or gray (light shapes on dark)"
CONTENT = "fingerprint of the folder's files, filled in when the recipe is read"
#: Scale of the elastic distortion, as a share of the stamp's side.
ELASTIC_CORRELATION = 0.12
#: Standard deviation of ln(size).
SIZE_SPREAD = 0.25
#: Density a brown stain of full strength adds to red, green, blue.
BROWN = np.array([0.10, 0.22, 0.42], dtype=np.float32)

Folder = Annotated[str, Text(FOLDER)]
Content = Annotated[str, Text(CONTENT)]
Rate = Annotated[float, Bounds(0, 400, "per dm2")]
Size = Annotated[float, Bounds(0.5, 1000, "mm")]
Share = Annotated[float, Bounds(0, 1, "1")]
Elastic = Annotated[float, Bounds(0, 0.05, "of the size")]


@op(masks=("scratch",), neutral={"stamps_per_dm2": 0.0})
def scratch_textures(
    photo: Photo,
    rng: Generator,
    *,
    folder: Folder = "",
    content: Content = "",
    stamps_per_dm2: Rate = 2.0,
    size_mm: Size = 60.0,
    elastic: Elastic = 0.012,
    opacity: Share = 0.9,
    tone: Share = 0.95,
    blend: Literal["addition", "lighten_only", "screen"] = "screen",
) -> Photo:
    """Scratches from your images: light marks at random places, turned, mirrored and bent a little.

    ``size_mm`` is the image's long side on the print; ``elastic`` the strength (rms) of the distortion as a
    share of that. The mask is the image's opacity times ``opacity``. With no folder nothing happens.
    Source: texture overlay with elastic distortion and three blending modes, Wan et al., CVPR 2020, 3.3.
    """
    alpha = _stamped(photo, rng, folder, content, stamps_per_dm2, size_mm, elastic) * np.float32(opacity)
    if not alpha.any():
        return photo
    return photo.painted(laid(photo.editable(), alpha, tone, blend), scratch=alpha)


@op(masks=("dust",), neutral={"stamps_per_dm2": 0.0})
def dust_textures(
    photo: Photo,
    rng: Generator,
    *,
    folder: Folder = "",
    content: Content = "",
    stamps_per_dm2: Rate = 2.0,
    size_mm: Size = 20.0,
    elastic: Elastic = 0.005,
    opacity: Share = 0.9,
    tone: Share = 0.97,
) -> Photo:
    """Dust, dirt and hairs in the shapes of your images.

    ``tone`` 1 is white, as on a print from a dusty negative; 0 is black, as dirt on the print. Other
    parameters as for ``scratch_textures``. The mask is the opacity. Source: our choice.
    """
    alpha = _stamped(photo, rng, folder, content, stamps_per_dm2, size_mm, elastic) * np.float32(opacity)
    return photo.painted(over(photo.editable(), np.full(3, tone, np.float32), alpha), dust=alpha)


@op(masks=("stain",), neutral={"stamps_per_dm2": 0.0})
def stain_textures(
    photo: Photo,
    rng: Generator,
    *,
    folder: Folder = "",
    content: Content = "",
    stamps_per_dm2: Rate = 1.0,
    size_mm: Size = 60.0,
    elastic: Elastic = 0.02,
    strength: Annotated[float, Bounds(0, 4, "1")] = 1.0,
) -> Photo:
    """Brown stains in the shapes of your images: density is added, so the picture shows through.

    ``strength`` 1 adds densities 0.10, 0.22, 0.42 to red, green, blue where the image is full. The mask is
    what of the light the stain takes, averaged over the channels. Other parameters as for
    ``scratch_textures``. Source: our choice.
    """
    cover = _stamped(photo, rng, folder, content, stamps_per_dm2, size_mm, elastic)
    added = cover[..., None] * BROWN * np.float32(strength)
    taken = np.asarray(1 - np.power(np.float32(10), -added).mean(axis=2), dtype=np.float32)
    return photo if not cover.any() else photo.painted(through(photo.image, added), stain=taken)


@op(masks=("hole",), neutral={"stamps_per_dm2": 0.0})
def paper_textures(
    photo: Photo,
    rng: Generator,
    *,
    folder: Folder = "",
    content: Content = "",
    stamps_per_dm2: Rate = 1.5,
    size_mm: Size = 12.0,
    scale_mm: Size = 80.0,
    feather_mm: Annotated[float, Bounds(0, 5, "mm")] = 0.15,
    roughness: Share = 0.5,
) -> Photo:
    """Holes through which one of your paper images shows, ``scale_mm`` long on its long side, repeated.

    ``size_mm`` is the median diameter of a hole; shape as in ``paper_holes``. The mask is the hole's
    opacity. Source: paper textures under random feathered shapes, Wan et al., CVPR 2020, 3.3.
    """
    files = _files(folder, content)
    count = int(rng.poisson(stamps_per_dm2 * photo.area_mm2 / 1e4)) if files else 0
    if not count:
        return photo
    shape = (photo.height, photo.width)
    depth = blobs.depth(shape, rng, count, size_mm / 2 * photo.px_per_mm, roughness, at_border=0.5)
    half = max(0.5, feather_mm * photo.px_per_mm / 2)
    alpha = fields.smoothstep(depth, -half, half)
    paper = _tiled(photo, rng, files[int(rng.integers(len(files)))], scale_mm)
    return photo.painted(over(photo.editable(), paper, alpha), hole=alpha)


def content_of(folder: str) -> str:
    """Fingerprint of a texture folder: names and bytes of its images.

    Raises:
        DataError: the folder is missing or holds no image.
    """
    digest = hashlib.sha256()
    for path in listed(folder):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def listed(folder: str) -> list[Path]:
    """The images directly in ``folder``, sorted; DataError if there is none."""
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{folder}: no such folder of textures")
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in imagefiles.SUFFIXES)
    if not found:
        raise DataError(f"{folder}: the folder holds no image")
    return found


def _files(folder: str, content: str) -> list[Path]:
    if not folder:
        return []
    if content and _content_now(folder) != content:
        raise DataError(f"{folder}: the textures were changed since the recipe was drawn")
    return listed(folder)


@lru_cache(maxsize=32)
def _content_now(folder: str) -> str:
    return content_of(folder)


@lru_cache(maxsize=64)
def _shape(path: Path) -> Field:
    """Opacity of a texture image in [0, 1]: its alpha, or its lightness if it has none."""
    bitmap = imagefiles.read(path)
    if bitmap.alpha is not None:
        return as_float(bitmap.alpha)
    return np.asarray(bitmap.image().mean(axis=2), dtype=np.float32)


def _stamped(
    photo: Photo, rng: Generator, folder: str, content: str, rate: float, size_mm: float, elastic: float
) -> Mask:
    """Opacity of images stamped at random places of the photograph."""
    shape = (photo.height, photo.width)
    files = _files(folder, content)
    cover = np.zeros(shape, dtype=np.float32)
    # Stamps are centred anywhere from which they can reach into the picture.
    reach = size_mm * photo.px_per_mm / 2
    area = (photo.height + 2 * reach) * (photo.width + 2 * reach) / photo.px_per_mm**2
    for _ in range(int(rng.poisson(rate * area / 1e4)) if files else 0):
        texture = _shape(files[int(rng.integers(len(files)))])
        x = rng.uniform(-reach, photo.width + reach)
        y = rng.uniform(-reach, photo.height + reach)
        scale = size_mm * photo.px_per_mm / max(texture.shape) * math.exp(SIZE_SPREAD * rng.standard_normal())
        _stamp(cover, texture, (x, y), scale, rng.uniform(0, 2 * math.pi), rng, elastic)
    return cover


def _stamp(
    cover: Field,
    texture: Field,
    centre: tuple[float, float],
    scale: float,
    angle: float,
    rng: Generator,
    elastic: float,
) -> None:
    """Join one texture to ``cover``, within its own window."""
    if scale < 0.5:  # Shrinking by more than bilinear sampling can average is done first, by areas.
        size = (max(1, round(texture.shape[1] * scale)), max(1, round(texture.shape[0] * scale)))
        texture, scale = np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.float32), 1.0
    reach = math.ceil(scale * math.hypot(*texture.shape) / 2) + 2
    left, right = max(0, math.floor(centre[0]) - reach), min(cover.shape[1], math.ceil(centre[0]) + reach)
    top, bottom = max(0, math.floor(centre[1]) - reach), min(cover.shape[0], math.ceil(centre[1]) + reach)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    if left >= right or top >= bottom:
        return
    side = scale * max(texture.shape)
    shape = (bottom - top, right - left)
    dx, dy = fields.displacement(shape, elastic * side, ELASTIC_CORRELATION * side, rng)
    x = np.arange(left, right, dtype=np.float32)[None] - np.float32(centre[0]) + dx
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(centre[1]) + dy
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    column = np.float32(mirror) * (x * np.float32(cosine) + y * np.float32(sine)) + texture.shape[1] / 2 - 0.5
    row = y * np.float32(cosine) - x * np.float32(sine) + texture.shape[0] / 2 - 0.5
    places = np.asarray(column, np.float32), np.asarray(row, np.float32)
    window = cover[top:bottom, left:right]
    np.maximum(window, remapped(texture, *places, border=cv2.BORDER_CONSTANT), out=window)


def _tiled(photo: Photo, rng: Generator, path: Path, scale_mm: float) -> Image:
    """A paper image repeated, mirrored at its edges so that no seam shows, over the whole picture."""
    image = imagefiles.read(path).image()
    scale = max(image.shape[:2]) / (scale_mm * photo.px_per_mm)
    offset = rng.random(2) * image.shape[:2]
    x = np.arange(photo.width, dtype=np.float32) * np.float32(scale) + np.float32(offset[1])
    y = np.arange(photo.height, dtype=np.float32) * np.float32(scale) + np.float32(offset[0])
    columns, rows = np.meshgrid(x, y)
    if scale > 2:  # Blur before thinning out, so that fine paper does not alias.
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), scale / 2), np.float32)
    return remapped(image, columns, rows, border=cv2.BORDER_REFLECT)
