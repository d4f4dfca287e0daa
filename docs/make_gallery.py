"""Draws every op at half, default and double strength, and its mask below.

``python docs/make_gallery.py [OP...]`` writes docs/gallery/OP.jpg and, without names, docs/gallery.md, from
the same code that degrades photographs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit import sources
from degradekit.contactsheet import overlay
from degradekit.imagefiles import Bitmap, quantise
from degradekit.ops import OPS, Op, find
from degradekit.pairs import ANY, Pair
from degradekit.photo import Photo
from degradekit.randomness import stream
from degradekit.recipe import Drawn

FOLDER = Path(__file__).parent / "gallery"
LEVELS = (("half", 0.5), ("default", 1.0), ("double", 2.0))
#: The photograph is taken for a print 15 cm long.
LONG_SIDE_MM = 150


def photograph(path: str | None = None) -> Photo:
    """The built-in portrait, or the photograph at ``path``, 384 px on its long side."""
    source = sources.find([path] if path else [])
    chosen = source[0] if path else next(item for item in source if "astronaut" in item.key)
    image = chosen.read().image()
    size = [round(side * 384 / max(image.shape[:2])) for side in image.shape[1::-1]]
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    return Photo(small, max(size) / LONG_SIDE_MM)


def drawable() -> list[Op]:
    """The ops that need nothing but a photograph, by family."""
    alone = [op for op in OPS.values() if "folder" not in op.parameters]
    return sorted(alone, key=lambda op: (op.family, op.name))


def strip(op: Op, photo: Photo) -> NDArray[np.uint8]:
    """Three strengths side by side; below, where each hid the picture (if the op can); uint8 RGB."""
    values = {name: parameter.default for name, parameter in op.parameters.items()}
    pictures, maps = [], []
    for _, severity in LEVELS:
        result = op(photo, stream(1, op.name), **op.scaled(values, severity))
        blank = np.zeros((photo.height, photo.width), np.float32)
        masks = {name: quantise(result.masks.get(name, blank)) for name in op.masks}
        bitmap = Bitmap(quantise(result.image))
        pictures.append(np.asarray(bitmap.rgb, np.uint8))
        maps.append(overlay(Pair(bitmap, bitmap, {ANY: quantise(blank), **masks}, Drawn("", 1, ()))))
    gap = np.full((photo.height, 6, 3), 250, np.uint8)
    rows = [
        np.hstack([row[0], gap, row[1], gap, row[2]])
        for row in ([pictures, maps] if op.masks else [pictures])
    ]
    return np.vstack(rows)


def page() -> str:
    """The Markdown of the gallery."""
    lines = ["# Gallery", "", "Each op at half, default and double strength; below, its mask in colour.", ""]
    for op in drawable():
        lines += [f"## {op.name}", "", op.summary, "", f"![{op.name}](gallery/{op.name}.jpg)", ""]
        lines += ["| parameter | default | rule |", "|---|---|---|"]
        lines += [f"| `{item.name}` | {item.default} | {item.rule} |" for item in op.parameters.values()]
        lines.append("")
    return "\n".join(lines)


def main(names: list[str]) -> None:
    """Draw the named ops, or all of them and the page."""
    FOLDER.mkdir(exist_ok=True)
    photo = photograph()
    for op in [find(name) for name in names] or drawable():
        picture = strip(op, photo)
        _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 74])
        (FOLDER / f"{op.name}.jpg").write_bytes(data.tobytes())
    if not names:
        (FOLDER.parent / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
