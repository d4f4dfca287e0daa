"""Folders of probability maps and of masks, paired by file stem and scored; whoever made them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.detection import Detection, Scores
from degradekit import imagefiles
from degradekit.errors import DataError

#: A score is an image, or an array in a file of this ending.
ARRAY = ".npy"


def score(scores: Path, masks: Path, on_progress: Callable[[int, int], None]) -> Detection:
    """Score every map in the folder ``scores`` against the mask of the same stem in ``masks``.

    Maps are gray images of 8 or 16 bits, whose range is [0, 1], or ``.npy`` arrays (H, W): floats in [0, 1],
    or uint8 or uint16. Masks are gray images; a pixel is lost from half of the range on (128 of 255).

    Raises:
        DataError: a folder is missing or empty, a map or mask has no partner, sizes differ, or a file cannot
            be read; the message names the files.
    """
    pairs = paired(scores, masks)
    detection = Detection()
    for number, (map_path, mask_path) in enumerate(pairs):
        on_progress(number, len(pairs))
        found, lost = read_scores(map_path), read_mask(mask_path)
        if found.shape != lost.shape:
            raise DataError(f"{map_path} is {_size(found)}, {mask_path} is {_size(lost)}; both have one size")
        try:
            detection.add(found, lost)
        except ValueError as error:
            raise DataError(f"{map_path}: {error}") from error
    on_progress(len(pairs), len(pairs))
    return detection


def paired(scores: Path, masks: Path) -> list[tuple[Path, Path]]:
    """(map, mask) of every stem, sorted; DataError if one has no partner."""
    maps = _by_stem(scores, imagefiles.SUFFIXES | {ARRAY}, "map")
    truths = _by_stem(masks, imagefiles.SUFFIXES, "mask")
    lacking = [maps[stem] for stem in sorted(maps.keys() - truths.keys())]
    if lacking:
        raise DataError(f"no mask in {masks} for {_names(lacking)}")
    lacking = [truths[stem] for stem in sorted(truths.keys() - maps.keys())]
    if lacking:
        raise DataError(f"no map in {scores} for {_names(lacking)}")
    return [(maps[stem], truths[stem]) for stem in sorted(maps)]


def read_scores(path: Path) -> Scores:
    """The map in a file; see ``score``. DataError if it is none."""
    if path.suffix.lower() != ARRAY:
        return _gray(path)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: no array that can be read ({error})") from error
    known = array.dtype in (np.uint8, np.uint16) or np.issubdtype(array.dtype, np.floating)
    if array.ndim != 2 or not known:
        raise DataError(f"{path}: a map is float, uint8 or uint16 (H, W), got {array.dtype} {array.shape}")
    return np.asarray(array)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """The mask in a file as uint8 (H, W); DataError if it is none."""
    gray = _gray(path)
    return np.asarray(gray if gray.dtype == np.uint8 else gray >> 8, np.uint8)


def _gray(path: Path) -> NDArray[np.uint8 | np.uint16]:
    rgb = imagefiles.read(path).rgb
    red = rgb[..., 0]
    if any(cv2.norm(red, rgb[..., channel], cv2.NORM_INF) for channel in (1, 2)):
        raise DataError(f"{path}: the picture is coloured; maps and masks are gray")
    return np.ascontiguousarray(red)


def _by_stem(folder: Path, suffixes: frozenset[str], what: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of {what}s")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and path.is_file() and not path.name.startswith("."):
            other = found.setdefault(path.stem, path)
            if other is not path:
                raise DataError(f"{other} and {path}: two {what}s of one stem")
    if not found:
        raise DataError(f"{folder}: holds no {what}")
    return found


def _names(paths: list[Path]) -> str:
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(path.name for path in paths[:5]) + more


def _size(array: NDArray[np.generic]) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
