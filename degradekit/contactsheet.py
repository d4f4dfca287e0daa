"""A contact sheet: for each sample the clean photograph, the degraded one, and where the damage is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit.levels import Pixels
from degradekit.pairs import ANY, Pair

#: Colours of the overlay, in the order of the classes' names; distinct for the colour-blind (Okabe, Ito).
COLOURS = np.array(
    [
        [230, 159, 0],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [0, 114, 178],
        [213, 94, 0],
        [204, 121, 167],
    ],
    dtype=np.float32,
)
PAPER, INK = 250, (40, 40, 40)
MARGIN, CAPTION = 12, 26
#: Width of a letter of the captions, in pixels.
LETTER = 7.4
TITLES = ("clean", "degraded", "defects")


def sheet(samples: Sequence[tuple[str, Pair]], height: int) -> NDArray[np.uint8]:
    """uint8 RGB (H, W, 3): one row per (name, sample), pictures at most ``height`` px high."""
    rows = []
    for name, pair in samples:
        pictures = [_eight_bit(pair.clean.rgb), _eight_bit(pair.degraded.rgb), overlay(pair)]
        cover = {
            key: float(mask.mean()) / 2.55 for key, mask in pair.masks.items() if key != ANY and mask.any()
        }
        most = sorted(cover.items(), key=lambda item: -item[1])
        legend = ", ".join(f"{key} {percent:.1f} %" for key, percent in most) or "none"
        captions = (f"{name}: {TITLES[0]}", TITLES[1], f"{TITLES[2]}: {legend}")
        rows.append(row(pictures, captions, height))
    return stacked(rows)


def row(pictures: Sequence[Pixels], captions: Sequence[str], height: int) -> NDArray[np.uint8]:
    """uint8 RGB (h, w, 3): pictures (H, W, 3) of 8 or 16 bit side by side, at most ``height`` px high."""
    return _row([_fitted(_eight_bit(picture), height) for picture in pictures], captions)


def stacked(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """uint8 RGB: rows of any width below each other, with a margin."""
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=PAPER) for row in rows]
    whole = np.vstack(padded)
    return np.pad(whole, ((MARGIN, 0), (MARGIN, 0), (0, 0)), constant_values=PAPER)


def overlay(pair: Pair) -> NDArray[np.uint8]:
    """The degraded photograph, grayed and dimmed, with each class of defect in its own colour; (H, W, 3)."""
    gray = cv2.cvtColor(_eight_bit(pair.degraded.rgb), cv2.COLOR_RGB2GRAY).astype(np.float32)
    image = np.repeat((gray * 0.45)[..., None], 3, axis=2)
    for number, name in enumerate(name for name in pair.masks if name != ANY):
        alpha = pair.masks[name].astype(np.float32)[..., None] / 255
        image = image * (1 - alpha) + COLOURS[number % len(COLOURS)] * alpha
    return np.asarray(np.rint(np.clip(image, 0, 255)), dtype=np.uint8)


def _row(pictures: list[NDArray[np.uint8]], captions: Sequence[str]) -> NDArray[np.uint8]:
    cells = []
    for picture, caption in zip(pictures, captions, strict=True):
        cell = np.pad(picture, ((0, CAPTION), (0, MARGIN), (0, 0)), constant_values=PAPER)
        at = (1, picture.shape[0] + 17)
        cv2.putText(
            cell, _fitting(caption, picture.shape[1]), at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA
        )
        cells.append(cell)
    return np.hstack(cells)


def _fitting(caption: str, width: int) -> str:
    """The caption, without the end that would not fit under a picture of that width."""
    letters = max(8, int(width / LETTER))
    return caption if len(caption) <= letters else caption[: letters - 2].rstrip(" ,.%0123456789") + " .."


def _fitted(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """At most ``height`` high and twice that wide; shrunk by averaging, never enlarged."""
    scale = min(1.0, height / picture.shape[0], 2 * height / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    if scale == 1:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _eight_bit(pixels: Pixels) -> NDArray[np.uint8]:
    return (pixels if pixels.dtype == np.uint8 else pixels >> 8).astype(np.uint8, copy=False)
