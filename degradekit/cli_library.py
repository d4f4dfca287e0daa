"""Commands about the library itself: ops, recipes, calibration, realism."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from degradekit.cli_options import SOURCES_HELP, found_sources, recipe_options
from degradekit.commandline import say

if TYPE_CHECKING:
    from degradekit.recipe import Recipe


@click.command(epilog=SOURCES_HELP)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@recipe_options
@click.option("--target", required=True, metavar="psnr=DB|ssim=S|coverage=SHARE", help="Mean to reach.")
@click.option(
    "--copies", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Samples of each."
)
@click.option(
    "--size",
    type=click.IntRange(16, 65_535),
    metavar="PX",
    default=256,
    show_default=True,
    help="Random square crops.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the recipe at that severity here (YAML).")
@click.option("--json", "as_json", is_flag=True, help="Result as JSON.")
def calibrate(
    sources: tuple[str, ...],
    recipe: Recipe,
    target: str,
    copies: int,
    size: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find the severity at which a recipe hits a mean PSNR, SSIM or mask coverage on photographs."""
    import yaml

    from degradekit import atomicfiles, calibration
    from degradekit.errors import OptionError

    name, _, text = target.partition("=")
    try:
        value = float(text)
    except ValueError:
        raise OptionError(f"--target is NAME=NUMBER such as psnr=12.9, got '{target}'") from None
    found = calibration.calibrate(
        recipe,
        found_sources(sources),
        name,
        value,
        copies=copies,
        size=size,
        seed=seed,
        on_step=lambda tried, mean: say(f"severity {tried:.4f}: {name} {mean:.4f}"),
    )
    if out is not None:
        raw = {**recipe.raw, "severity": round(found.severity, 6)}
        atomicfiles.write_text(out, yaml.safe_dump(raw, sort_keys=False, allow_unicode=True))
    result = {"severity": found.severity, name: found.mean, "sd": found.deviation, "samples": found.samples}
    spread = f"sd {found.deviation:.4f}, {found.samples} samples"
    plain = f"severity {found.severity:.4f}: {name} {found.mean:.4f} ({spread})"
    click.echo(json.dumps(result) if as_json else plain)


@click.command(epilog=SOURCES_HELP)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--out", type=click.Path(path_type=Path), default=Path("realism"), show_default=True)
@recipe_options
@click.option(
    "--labels",
    "--annotations",
    "annotations",
    type=click.Path(path_type=Path),
    help="CSV of labelled defects on 35 mm frames.",
)
@click.option("--real", type=click.Path(path_type=Path), help="Folder of real old photographs, for colour.")
@click.option(
    "--frames", type=click.IntRange(1, 1000), default=42, show_default=True, help="Frames generated."
)
@click.option("--copies", type=click.IntRange(1, 1000), default=4, show_default=True, help="Samples of each.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="ks_area, ks_length and count_ratio of each class.")
def realism(
    sources: tuple[str, ...],
    out: Path,
    recipe: Recipe,
    annotations: Path | None,
    real: Path | None,
    frames: int,
    copies: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compare generated with real statistics: defects, coverage, grain, colour. Tables and figures."""
    from degradekit import progress, realism_study

    with progress.reporter("frames") as report:
        page, verdict = realism_study.write(
            out, recipe, found_sources(sources), annotations, real, frames, copies, seed, report
        )
    click.echo(json.dumps(verdict, indent=2) if as_json else page)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with bounds and defaults.")
def ops(name: str | None, as_json: bool) -> None:
    """List the degradations, or the parameters of one of them."""
    from degradekit.ops import OPS, find

    chosen = [find(name)] if name else sorted(OPS.values(), key=lambda op: (op.family, op.name))
    if as_json:
        click.echo(json.dumps([_op_json(op) for op in chosen], indent=2))
        return
    for op in chosen:
        masks = f"  [masks: {', '.join(op.masks)}]" if op.masks else ""
        click.echo(f"{click.style(op.name, bold=True)} ({op.family}){masks}\n  {op.summary}")
        for parameter in op.parameters.values():
            click.echo(f"    {parameter.name} = {parameter.default}: {parameter.rule}")
    if name:
        click.echo("\n" + (chosen[0].function.__doc__ or ""))


def _op_json(op: Any) -> dict[str, Any]:
    parameters = [
        {"name": item.name, "default": item.default, "rule": item.rule, "extremes": item.extremes()}
        for item in op.parameters.values()
    ]
    return {
        "name": op.name,
        "family": op.family,
        "summary": op.summary,
        "masks": op.masks,
        "parameters": parameters,
    }


@click.group()
def recipes() -> None:
    """List, show and check recipes."""


@recipes.command("list")
def recipes_list() -> None:
    """Name and description of every shipped recipe."""
    from degradekit import recipe

    for name in recipe.shipped():
        click.echo(f"{click.style(name, bold=True)}  {recipe.load(name).description}")


@recipes.command("show")
@click.argument("name")
def recipes_show(name: str) -> None:
    """Print a shipped recipe's YAML, to start your own from."""
    from degradekit import recipe

    recipe.load(name)
    click.echo((recipe.shipped().get(name) or Path(name)).read_text(encoding="utf-8"), nl=False)


@recipes.command("validate")
@click.argument("names", nargs=-1, required=True, metavar="NAME|FILE...")
def recipes_validate(names: tuple[str, ...]) -> None:
    """Check recipes; the first mistake is named, with the step, the value and the rule."""
    from degradekit import recipe

    for name in names:
        checked = recipe.load(name)
        click.echo(
            f"{name}: valid, {len(checked.steps)} steps, masks: {', '.join(checked.classes) or 'none'}"
        )


COMMANDS = (ops, recipes, calibrate, realism)
