"""Options and look-ups that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from degradekit.recipe import Recipe
    from degradekit.sources import Source

SOURCES_HELP = (
    "SOURCE is a photograph, a folder, 'builtin' (the colour photographs inside scikit-image) or "
    "'dead-leaves:N' (N procedural pictures); with none, 'builtin'."
)


def recipe_options(command: Any) -> Any:
    """--recipe, --severity and --textures, which together name the recipe a command uses."""
    options = [
        click.option(
            "--recipe",
            default="old-photo",
            show_default=True,
            metavar="NAME|FILE",
            help="Shipped recipe or YAML file.",
        ),
        click.option(
            "--severity", type=float, help="Scale every strength: 0 no damage, 1 as written, 2 double."
        ),
        click.option(
            "--textures",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Add your own scratch, dust, stain and paper images (folders of those names).",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def found_sources(specs: tuple[str, ...]) -> list[Source]:
    """The photographs the arguments name."""
    from degradekit import sources

    return sources.find(specs)


def chosen_recipe(name: str, severity: float | None = None, textures: Path | None = None) -> Recipe:
    """The recipe that --recipe, --severity and --textures name."""
    from degradekit import recipe

    chosen = recipe.load(name)
    if severity is not None:
        chosen = chosen.at_severity(severity)
    return chosen if textures is None else recipe.with_textures(chosen, textures)
