"""Draws every op at low, mid and high strength, its mask below, and every recipe on three photographs.

``python docs/make_gallery.py [OP|RECIPE...]`` writes docs/gallery/NAME.jpg and, without names,
docs/gallery.md, from the same code that degrades photographs.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from degradekit import pairs, recipe, sources
from degradekit.contactsheet import overlay
from degradekit.drawn import Drawn
from degradekit.imagefiles import Bitmap
from degradekit.levels import quantise
from degradekit.ops import OPS, Op, find
from degradekit.pairs import ANY, Pair
from degradekit.photo import Photo
from degradekit.randomness import stream

FOLDER = Path(__file__).parent / "gallery"
#: Strengths as multiples of the default; high is less where this part of the way to a bound is less.
LOW, HIGH, OF_BOUND = 1 / 3, 3.0, 0.85
#: Recipes are shown on these built-in photographs.
SHOWN = ("astronaut", "chelsea", "coffee")
RECIPE_PX = 440
#: The photograph is taken for a print 15 cm long.
LONG_SIDE_MM = 150
#: Ops of black-and-white prints are shown on one.
BLACK_AND_WHITE = ("silver_fading", "silver_mirroring", "toning")
#: What no print at this size shows is shown on a part of the film as long as this, scanned as it is.
FILM_MM, ON_FILM = 4, {"negative_grain": {"enlargement": 1.0}}


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
    values = {name: parameter.default for name, parameter in op.parameters.items()} | ON_FILM.get(op.name, {})
    photo = _subject(op, photo)
    pictures, maps = [], []
    for severity in (LOW, 1.0, _high(op)):
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


def _subject(op: Op, photo: Photo) -> Photo:
    """The photograph as the kind of picture that ``op`` is about."""
    if op.name in BLACK_AND_WHITE:
        return find("monochrome")(photo, stream(1, "monochrome"))
    return replace(photo, px_per_mm=photo.width / FILM_MM) if op.name in ON_FILM else photo


def _high(op: Op) -> float:
    """How many times its default an op's high strength is."""
    most = HIGH
    for name, neutral in op.neutral.items():
        parameter = op.parameters[name]
        if parameter.bounds is None or isinstance(neutral, str) or parameter.default == neutral:
            continue
        way = float(parameter.default) - float(neutral)
        bound = parameter.bounds.high if way > 0 else parameter.bounds.low
        most = min(most, OF_BOUND * (bound - float(neutral)) / way)
    return most


def recipe_strip(name: str) -> NDArray[np.uint8]:
    """A recipe on three photographs side by side; uint8 RGB."""
    chosen = recipe.load(name)
    found = {key: source for source in sources.find([]) for key in SHOWN if key in source.key}
    pictures = []
    for key in SHOWN:
        bitmap = found[key].read()
        size = [round(side * RECIPE_PX / min(bitmap.rgb.shape[:2])) for side in bitmap.rgb.shape[1::-1]]
        small = np.asarray(cv2.resize(bitmap.rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        left = (small.shape[1] - RECIPE_PX) // 2
        square = np.ascontiguousarray(small[:RECIPE_PX, left : left + RECIPE_PX])
        pair, _ = pairs.make(Bitmap(square), chosen, 3, key, 0, None)
        pictures += [np.asarray(pair.degraded.rgb, np.uint8), np.full((RECIPE_PX, 6, 3), 250, np.uint8)]
    return np.hstack(pictures[:-1])


def page() -> str:
    """The Markdown of the gallery."""
    lines = ["# Gallery", "", "Made by `python docs/make_gallery.py`. Photographs: scikit-image's.", ""]
    lines += ["## Recipes", ""]
    for name in recipe.shipped():
        lines += [
            f"### {name}",
            "",
            recipe.load(name).description,
            "",
            f"![{name}](gallery/recipe-{name}.jpg)",
            "",
        ]
    lines += [
        "## Ops",
        "",
        "At low (a third), mid (default) and high (up to three times) strength; below, the mask in colour.",
        f"`negative_grain` is shown on {FILM_MM} mm of film, ops of silver on black and white.",
        "",
    ]
    for op in drawable():
        lines += [f"### {op.name}", "", op.summary, "", f"![{op.name}](gallery/{op.name}.jpg)", ""]
        lines += ["| parameter | default | rule |", "|---|---|---|"]
        lines += [f"| `{item.name}` | {item.default} | {item.rule} |" for item in op.parameters.values()]
        lines.append("")
    return "\n".join(lines)


def write(name: str, picture: NDArray[np.uint8]) -> None:
    """Write docs/gallery/NAME.jpg."""
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 74])
    (FOLDER / f"{name}.jpg").write_bytes(data.tobytes())


def main(names: list[str]) -> None:
    """Draw the named ops and recipes, or all of them and the page."""
    FOLDER.mkdir(exist_ok=True)
    photo = photograph()
    for name in names or recipe.shipped():
        if name in recipe.shipped():
            write(f"recipe-{name}", recipe_strip(name))
    for op in [find(name) for name in names if name not in recipe.shipped()] if names else drawable():
        write(op.name, strip(op, photo))
    if not names:
        (FOLDER.parent / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
