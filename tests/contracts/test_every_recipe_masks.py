"""Masks are truthful: outside them a recipe without its painting ops gives the same pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from degradekit import ops, recipe
from degradekit.drawn import Drawn, DrawnStep
from degradekit.photo import Photo

#: Ops that mix neighbouring pixels: after them what was painted spreads beyond its mask, as in any scan.
MIXING = frozenset(
    {
        "gaussian_blur", "defocus_blur", "motion_blur", "kernel_blur", "sinc_filter", "downscale", "jpeg",
        "resolution_loss", "halftone", "elastic_distortion", "scanner_tilt", "halation", "moire",
        # Draws another number of times for other pixels.
        "poisson_noise",
    }
)  # fmt: skip
#: What a painting op does to all of the picture alike, so without a mask: left out.
GLOBAL = {"scanner_streaks": {"banding": 0.0}}
#: A quarter of a level of 8 bit.
SAME = 1e-3
SIZE, PX_PER_MM = (144, 216), 2.4


def photograph() -> Photo:
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    image = np.stack([x / SIZE[1], y / SIZE[0], 0.5 + 0.4 * np.sin(x / 9) * np.cos(y / 7)], axis=2)
    return Photo(image.clip(0.02, 0.98).astype(np.float32), PX_PER_MM)


def steps_of(drawn: Drawn, wanted: bool) -> tuple[DrawnStep, ...]:
    """The steps that mix nothing; with or without those that paint."""
    kept = (
        replace(step, values={**step.values, **GLOBAL.get(step.op, {})})
        for step in drawn.steps
        if step.op not in MIXING
    )
    return tuple(step for step in kept if wanted or not ops.find(step.op).masks)


@pytest.mark.parametrize("name", sorted(recipe.shipped()))
def test_outside_all_masks_nothing_was_painted(name: str) -> None:
    seen = 0
    for seed in range(6):
        drawn = recipe.load(name).draw(seed, "picture", 0, PX_PER_MM)
        painted = replace(drawn, steps=steps_of(drawn, True)).apply(photograph())
        bare = replace(drawn, steps=steps_of(drawn, False)).apply(photograph())
        outside = np.ones(SIZE, bool)
        for mask in painted.masks.values():
            outside &= mask == 0
        difference = np.abs(painted.image - bare.image).max(axis=2)
        assert difference[outside].max(initial=0) <= SAME, [step.op for step in painted_steps(drawn)]
        seen += int((~outside).any())
    assert seen or not any(painted_steps(recipe.load(name).draw(seed, "picture", 0, 1)) for seed in range(6))


def painted_steps(drawn: Drawn) -> list[DrawnStep]:
    return [step for step in drawn.steps if ops.find(step.op).masks]
