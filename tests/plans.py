"""Data sets for tests: a cheap recipe with masks, and a plan that makes them of any layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from degradekit import recipe, sources
from degradekit.recipe import Recipe
from degradekit.synth import Plan


def cheap_recipe() -> Recipe:
    """Dust and holes on 35 mm film, a few milliseconds each."""
    return recipe.parse({"format": "35mm", "steps": ["fading", "dust", {"paper_holes": {}, "p": 0.5}]})


def plan(photographs: Path, out: Path, **changes: Any) -> Plan:
    """Two samples of every photograph, unless ``changes`` say otherwise."""
    found = tuple(sources.find([str(photographs)]))
    return Plan(**{"sources": found, "recipe": cheap_recipe(), "out": out, "copies": 2, "seed": 5, **changes})


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` and its bytes, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
