"""What was drawn from a recipe: plain numbers and sub-seeds, small, kept in the manifest, rendered any time.

The same numbers give the same pixels whenever they are applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from degradekit import atomicfiles, ops
from degradekit.errors import DataError, RecipeError
from degradekit.photo import Photo
from degradekit.randomness import Constant, Scalar, generator
from degradekit.timings import Timings


@dataclass(frozen=True, slots=True)
class DrawnStep:
    """One op as it was applied: its parameter values, and the sub-seed of what it drew itself."""

    op: str
    seed: int
    values: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A recipe with every value drawn: all it takes to render again."""

    recipe: str
    px_per_mm: float
    steps: tuple[DrawnStep, ...]

    def apply(self, photo: Photo, timings: Timings | None = None) -> Photo:
        """Render: the steps in order, each from its own recorded sub-seed.

        ``photo`` is left as it is, unless it is ``owned``.
        """
        timings = timings or Timings()
        given = None if photo.owned else photo.pixels
        steps = [(step, ops.find(step.op)) for step in self.steps]
        for number, (step, op) in enumerate(steps, 1):
            # What a step made is nobody's but ours; if it made anything.
            owned = given is None or not np.may_share_memory(photo.pixels, given)
            with timings.of(step.op):
                photo = op(photo.as_owned(owned), generator(step.seed), **step.values)
                if number == len(steps) or steps[number][1].maker is not op.maker:
                    photo.make()  # Here, so that it counts as this op's time.
        return photo.as_owned(False)

    def to_json(self) -> str:
        """One line of canonical JSON."""
        steps = [{"op": step.op, "seed": step.seed, "values": dict(step.values)} for step in self.steps]
        return atomicfiles.canonical_json(
            {"recipe": self.recipe, "px_per_mm": self.px_per_mm, "steps": steps}
        )

    @staticmethod
    def from_json(text: str) -> Drawn:
        """What ``to_json`` wrote.

        Raises:
            DataError: it is not that.
        """
        try:
            raw = json.loads(text)
            steps = tuple(DrawnStep(step["op"], step["seed"], step["values"]) for step in raw["steps"])
            drawn = Drawn(raw["recipe"], raw["px_per_mm"], steps)
            for step in steps:
                for name, value in step.values.items():
                    ops.find(step.op).check(name, Constant(value))
        except (ValueError, KeyError, TypeError, RecipeError) as error:
            raise DataError(f"the recorded recipe cannot be replayed: {error}") from error
        return drawn
