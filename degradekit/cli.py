"""The program ``degradekit``. Imports little, so that ``--help`` answers at once."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from degradekit import __version__, cli_data, cli_library, commandline
from degradekit.cli_options import (
    SOURCES_HELP,
    chosen_coding,
    chosen_layout,
    execution_options,
    found_sources,
    layout_options,
    recipe_options,
)
from degradekit.commandline import say

if TYPE_CHECKING:
    from degradekit.recipe import Recipe
    from degradekit.synth import Plan, Summary


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="degradekit")
def cli() -> None:
    """Turn clean photographs into old ones, with exact masks of the damage, reproducibly.

    Exit codes: 0 done; 1 our bug; 2 usage or recipe; 3 some samples failed; 4 data missing or corrupt;
    5 a difference was found; 130 interrupted, the same command resumes. --debug shows tracebacks.
    """


@cli.command(epilog=SOURCES_HELP)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("degraded"), show_default=True, help="Folder."
)
@recipe_options
@click.option("--copies", type=int, default=1, show_default=True, help="Samples of each photograph.")
@click.option(
    "--size", type=int, metavar="PX", help="Random square crops of PX; whole photographs if not given."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another data set.")
@layout_options
@execution_options
@click.option("--overwrite", is_flag=True, help="Remove the data set that is in the folder first.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, its size and time, and stop.")
@click.option("--timings", is_flag=True, help="Say what took the time: ms per op, reading, coding, writing.")
@click.option("--json", "as_json", is_flag=True, help="Summary as JSON on stdout.")
def synth(
    sources: tuple[str, ...],
    out: Path,
    recipe: Recipe,
    copies: int,
    size: int | None,
    seed: int,
    layout: str,
    image_format: str,
    jpeg_quality: int,
    recipes_only: bool,
    workers: int | None,
    executor: str,
    scheduler: str | None,
    shard: tuple[int, int],
    overwrite: bool,
    dry_run: bool,
    timings: bool,
    as_json: bool,
) -> None:
    """Make (clean, degraded, masks, recipe) samples.

    The same command gives the same bytes at any number of workers, on any executor and in any order of
    sources; after an interruption it goes on where it stopped.
    """
    from degradekit import executors, manifest, progress
    from degradekit.errors import UnfinishedError
    from degradekit.synth import Plan, synthesize

    plan = Plan(
        tuple(found_sources(sources)),
        recipe,
        out,
        copies,
        size,
        seed,
        chosen_layout(layout, recipes_only),
        chosen_coding(image_format, jpeg_quality),
    )
    count = workers or executors.available_cores()
    if dry_run:
        executors.check(executor, scheduler)
        _foretell(plan, count, shard, overwrite, as_json)
        return
    try:
        with progress.reporter("samples") as report:
            summary = synthesize(
                plan,
                workers=count,
                executor=executor,
                scheduler=scheduler,
                part=shard,
                overwrite=overwrite,
                on_progress=report,
            )
    except KeyboardInterrupt:
        if not overwrite:
            raise
        raise KeyboardInterrupt("the same command without --overwrite goes on from here") from None
    _tell(summary, shard, timings, as_json)
    if summary.errors:
        for error in summary.errors[:20]:
            say(f"failed: {error['error']}")
        listed = f", listed in {out / manifest.ERRORS}" if summary.rows is not None else ""
        raise UnfinishedError(f"{len(summary.errors)} samples failed{listed}; the others are done")


def _foretell(plan: Plan, workers: int, part: tuple[int, int], overwrite: bool, as_json: bool) -> None:
    """Print what a part of a plan would make and cost."""
    from degradekit import datacard
    from degradekit.estimate import estimate

    told = estimate(plan, workers, part, overwrite)
    if as_json:
        click.echo(json.dumps({"out": str(plan.out), **asdict(told), "workers": workers}))
        return
    what = f"{told.samples} samples of {len(plan.sources)} photographs, recipe {plan.recipe.name}"
    there = f"; {told.made} are there" if told.made else ""
    click.echo(f"{what}, into {plan.out}{there}")
    if told.seconds is not None and told.size is not None:
        click.echo(
            f"about {datacard.amount(told.size)} ({datacard.amount(told.free)} free),"
            f" {datacard.duration(told.seconds)} with {workers} workers"
        )
        if told.size > told.free:
            say("that is more than the disk has free")


def _tell(summary: Summary, shard: tuple[int, int], timings: bool, as_json: bool) -> None:
    """Print how a run ended."""
    table = summary.timings.table()
    if as_json:
        result = {
            "out": str(summary.out),
            "samples": summary.rows,
            "made": summary.made,
            "failed": len(summary.errors),
            "seconds": round(summary.seconds, 3),
            "slowest": {name: table[name]["ms"] for name in list(table)[:5]},
        }
        click.echo(json.dumps({**result, "timings": table} if timings else result))
        return
    if summary.rows is None:
        part = f"part {shard[0]}/{shard[1]} in {summary.out} is done ({summary.made} made now)"
        click.echo(f"{part}; the part that ends last completes the data set")
    else:
        click.echo(f"{summary.rows} samples in {summary.out} ({summary.made} made now)")
    if timings:
        for name, row in table.items():
            click.echo(f"{name:24} {row['ms']:9.2f} ms x {row['calls']:6}  {row['share']:6.1%}")


@cli.command(epilog=SOURCES_HELP)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--out", type=click.Path(path_type=Path), default=Path("preview.png"), show_default=True)
@recipe_options
@click.option("--count", type=click.IntRange(1, 200), default=6, show_default=True, help="Samples shown.")
@click.option(
    "--size", type=int, metavar="PX", help="Random square crops of PX; whole photographs if not given."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--height", type=click.IntRange(16, 4096), default=384, show_default=True, help="Of a picture, px."
)
def preview(
    sources: tuple[str, ...],
    out: Path,
    recipe: Recipe,
    count: int,
    size: int | None,
    seed: int,
    height: int,
) -> None:
    """Draw one contact sheet: clean, degraded, and the damage in colours."""
    from degradekit import atomicfiles, contactsheet, imagefiles, pairs
    from degradekit.synth import Plan

    plan = Plan(tuple(found_sources(sources)), recipe, out, size=size, seed=seed)
    samples = []
    for number in range(count):
        source = plan.sources[number % len(plan.sources)]
        variant = number // len(plan.sources)
        pair, _ = pairs.make(source.read(), plan.recipe, seed, source.key, variant, size)
        samples.append((source.key, pair))
    atomicfiles.write_bytes(out, imagefiles.encode_png(contactsheet.sheet(samples, height)))
    click.echo(out)


@cli.command()
def doctor() -> None:
    """Check the installation: versions, overwritten packages, mixed OpenCV wheels."""
    from degradekit import doctor as examination
    from degradekit.errors import DataError

    bad = 0
    for finding in examination.examine():
        bad += not finding.ok
        mark = click.style("ok ", fg="green") if finding.ok else click.style("BAD", fg="red", bold=True)
        click.echo(f"{mark} {finding.subject:24} {finding.text}")
    if bad:
        raise DataError(f"{bad} findings to mend")


for command in (*cli_data.COMMANDS, *cli_library.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    commandline.run(cli)
