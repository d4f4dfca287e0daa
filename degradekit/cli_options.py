"""Options and look-ups that several commands share."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from degradekit.coding import Coding
    from degradekit.recipe import Recipe
    from degradekit.sources import Source

SOURCES_HELP = (
    "SOURCE is a photograph, a folder (data sets of degradekit in it are left out), 'builtin' (the colour "
    "photographs inside scikit-image) or 'dead-leaves:N' (N procedural pictures); with none, 'builtin'."
)


#: Names are repeated here, so that --help needs no numpy; a test compares them.
LAYOUTS = ("folders", "pix2pix", "basicsr", "webdataset", "parquet")
IMAGE_FORMATS = ("png", "jpeg")
EXECUTORS = ("processes", "serial", "dask")


def _part(_context: click.Context, _option: click.Parameter, value: str) -> tuple[int, int]:
    """``k/n``, the k-th of n parts, as two numbers; click.BadParameter if it is not that."""
    k, _, n = value.partition("/")
    if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n)):
        raise click.BadParameter(f"a part is K/N with K from 1 to N, such as 2/8, got '{value}'")
    return int(k), int(n)


def recipe_options(command: Any) -> Any:
    """--recipe, --severity, --dpi and --textures; the command gets what they name, a ``Recipe``."""

    @functools.wraps(command)
    def with_recipe(
        *args: Any,
        recipe: str,
        severity: float | None,
        dpi: float | None,
        textures: Path | None,
        **options: Any,
    ) -> Any:
        return command(*args, recipe=_chosen_recipe(recipe, severity, dpi, textures), **options)

    return _with(
        with_recipe,
        click.option(
            "--recipe",
            default="old-photo",
            show_default=True,
            metavar="NAME|FILE",
            help="Shipped recipe or YAML file.",
        ),
        click.option(
            "--severity",
            type=float,
            help="In place of the recipe's severity: 0 no damage, 1 its steps as written, 2 double.",
        ),
        click.option(
            "--dpi",
            type=float,
            help="Resolution of the scans, in place of the format that the recipe says they have.",
        ),
        click.option(
            "--textures",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Add your own scratch, dust, stain and paper images (folders of those names).",
        ),
    )


def layout_options(command: Any) -> Any:
    """--layout, --image-format, --jpeg-quality and --recipes-only: how samples lie on disk."""
    return _with(
        command,
        click.option(
            "--layout",
            type=click.Choice(LAYOUTS),
            default=LAYOUTS[0],
            show_default=True,
            help="Of the files.",
        ),
        click.option(
            "--image-format",
            type=click.Choice(IMAGE_FORMATS),
            default=IMAGE_FORMATS[0],
            show_default=True,
            help="jpeg: 8 bit, 4:4:4, no transparency.",
        ),
        click.option("--jpeg-quality", type=click.IntRange(1, 100), default=95, show_default=True),
        click.option(
            "--recipes-only", is_flag=True, help="Write no pixels, only rows to render from when training."
        ),
    )


def execution_options(command: Any) -> Any:
    """--workers, --executor, --scheduler and --shard: where the work is done."""
    return _with(
        command,
        click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores if not given."),
        click.option(
            "--executor",
            type=click.Choice(EXECUTORS),
            default=EXECUTORS[0],
            show_default=True,
            help="Runs it.",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Dask scheduler, tcp://HOST:PORT; a local one if not given.",
        ),
        click.option(
            "--shard",
            metavar="K/N",
            default="1/1",
            callback=_part,
            help="Make the K-th of N parts; the last one to end completes the data set.",
        ),
    )


def _with(command: Any, *options: Any) -> Any:
    for option in reversed(options):
        command = option(command)
    return command


def chosen_layout(layout: str, recipes_only: bool) -> str:
    """The layout that --layout and --recipes-only name."""
    if not recipes_only:
        return layout
    if layout != LAYOUTS[0]:
        raise click.UsageError(f"--recipes-only writes no files to lay out; leave out --layout {layout}")
    return "recipes"


def chosen_coding(image_format: str, jpeg_quality: int) -> Coding:
    """The coding that --image-format and --jpeg-quality name."""
    from degradekit.coding import Coding

    # A quality that does nothing must not make two runs differ.
    return Coding(image_format, jpeg_quality) if image_format == "jpeg" else Coding(image_format)


def found_sources(specs: tuple[str, ...]) -> list[Source]:
    """The photographs the arguments name."""
    from degradekit import sources

    return sources.find(specs)


def _chosen_recipe(name: str, severity: float | None, dpi: float | None, textures: Path | None) -> Recipe:
    from degradekit import recipe

    chosen = recipe.load(name)
    if severity is not None:
        chosen = chosen.at_severity(severity)
    if dpi is not None:
        chosen = chosen.at_dpi(dpi)
    return chosen if textures is None else recipe.with_textures(chosen, textures)
