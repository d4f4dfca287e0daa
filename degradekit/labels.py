"""The label map of a sample: for each pixel the class of the defect that lies on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from degradekit import atomicfiles, imagefiles, ops
from degradekit.drawn import Drawn
from degradekit.levels import Pixels
from degradekit.reading import DataSet

#: Class -> number in label maps, the same for every recipe and for ever: new classes come last. 0 is none.
NUMBERS: Mapping[str, int] = {
    name: number
    for number, name in enumerate(
        (
            "scratch", "dust", "dirt", "hair", "crease", "tear", "hole", "crackle", "stain", "foxing",
            "mould", "mirroring", "fingerprint", "frame", "background", "light_leak", "scanner_streak",
        ),
        1,
    )
}  # fmt: skip
#: A defect labels a pixel where it hides at least half of the picture.
HALF = 128


def lying_order(drawn: Drawn) -> tuple[str, ...]:
    """The classes a drawn recipe can paint, from the lowest layer up: in the order of their last step."""
    painted = [name for step in drawn.steps for name in ops.find(step.op).masks]
    return tuple(sorted(set(painted), key=lambda name: len(painted) - 1 - painted[::-1].index(name)))


def label_map(masks: Mapping[str, Pixels], order: tuple[str, ...], least: int = HALF) -> Pixels:
    """uint8 (H, W): the number of the topmost class that hides a pixel by ``least`` / 255 or more, 0 where
    none does.

    ``masks`` are uint8 (H, W) by class, 255 = fully lost; ``order`` goes from the lowest layer up, so what
    was laid on later wins. Source: our choice.
    """
    shape = next(iter(masks.values())).shape
    labels = np.zeros(shape, np.uint8)
    for name in order:
        if name in masks:
            labels[masks[name] >= least] = NUMBERS[name]
    return labels


def write(
    folder: Path, out: Path, least: int = HALF, on_progress: Callable[[int, int], None] | None = None
) -> int:
    """Write ``out``/STEM.png for every sample of the data set in ``folder``, and ``out``/classes.json.

    Works with every layout. Gives the number of samples.

    Raises:
        DataError: ``folder`` is no finished data set, or a mask is missing or damaged.
    """
    data = DataSet(folder)
    names = {"0": "none"} | {str(number): name for name, number in NUMBERS.items()}
    atomicfiles.write_text(out / "classes.json", atomicfiles.indented_json(names))
    for number, row in enumerate(data.rows(), 1):
        masks = {name: data.mask(row, name) for name in data.classes}
        blank = {"": np.zeros((int(row["height"]), int(row["width"])), np.uint8)}
        order = lying_order(Drawn.from_json(str(row["recipe"])))
        picture = label_map(masks or blank, order, least)
        atomicfiles.write_bytes(out / f"{row['stem']}.png", imagefiles.encode_mask(picture), sync=False)
        if on_progress:
            on_progress(number, len(data))
    return len(data)
