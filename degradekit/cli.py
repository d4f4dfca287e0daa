"""The program ``degradekit``. Imports little, so that ``--help`` answers at once."""

from __future__ import annotations

import json
from pathlib import Path

import click

from degradekit import __version__, cli_library, commandline
from degradekit.cli_options import SOURCES_HELP, chosen_recipe, found_sources, recipe_options
from degradekit.commandline import say


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="degradekit")
def cli() -> None:
    """Turn clean photographs into old ones, with exact masks of the damage, reproducibly.

    Exit codes: 0 done; 1 our bug; 2 usage or recipe; 3 some samples failed; 4 data missing or corrupt;
    130 interrupted, the same command resumes. --debug shows tracebacks.
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
@click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores if not given.")
@click.option("--overwrite", is_flag=True, help="Remove the data set that is in the folder first.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Summary as JSON on stdout.")
def synth(
    sources: tuple[str, ...],
    out: Path,
    recipe: str,
    severity: float | None,
    textures: Path | None,
    copies: int,
    size: int | None,
    seed: int,
    workers: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make (clean, degraded, masks, recipe) samples.

    The same command gives the same bytes at any number of workers and in any order of sources; after an
    interruption it goes on where it stopped.
    """
    from degradekit import executors, manifest, progress
    from degradekit.errors import UnfinishedError
    from degradekit.synth import Plan, synthesize

    chosen = chosen_recipe(recipe, severity, textures)
    plan = Plan(tuple(found_sources(sources)), chosen, out, copies, size, seed)
    if dry_run:
        pairs = len(plan.sources) * copies
        click.echo(
            f"{pairs} samples of {len(plan.sources)} photographs, recipe {plan.recipe.name}, into {out}"
        )
        return
    if overwrite and (out / manifest.RUN).exists():
        manifest.clear(out)
    with progress.reporter("samples") as report:
        summary = synthesize(plan, workers=workers or executors.available_cores(), on_progress=report)
    result = {"out": str(out), "samples": summary.rows, "made": summary.made, "failed": len(summary.errors)}
    click.echo(
        json.dumps(result) if as_json else f"{summary.rows} samples in {out} ({summary.made} made now)"
    )
    if summary.errors:
        for error in summary.errors[:20]:
            say(f"failed: {error['error']}")
        listed = out / manifest.ERRORS
        raise UnfinishedError(
            f"{len(summary.errors)} samples failed, listed in {listed}; the others are done"
        )


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
    recipe: str,
    severity: float | None,
    textures: Path | None,
    count: int,
    size: int | None,
    seed: int,
    height: int,
) -> None:
    """Draw one contact sheet: clean, degraded, and the damage in colours."""
    from degradekit import atomicfiles, contactsheet, imagefiles, pairs
    from degradekit.synth import Plan

    chosen = chosen_recipe(recipe, severity, textures)
    plan = Plan(tuple(found_sources(sources)), chosen, out, size=size, seed=seed)
    samples = []
    for number in range(count):
        source = plan.sources[number % len(plan.sources)]
        variant = number // len(plan.sources)
        pair, _ = pairs.make(source.read(), plan.recipe, seed, source.key, variant, size)
        samples.append((source.key, pair))
    atomicfiles.write_bytes(out, imagefiles.encode_png(contactsheet.sheet(samples, height)))
    click.echo(out)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("key")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; KEY.replay.png if not given.")
@click.option(
    "--on", type=click.Path(path_type=Path), help="Apply the sample's damage to this photograph instead."
)
def replay(folder: Path, key: str, out: Path | None, on: Path | None) -> None:
    """Render sample KEY of a data set again, from its manifest row and clean image alone.

    KEY is a file stem (kodim01_0), a key (kodim01.png) or key#variant (kodim01.png#0).
    """
    from degradekit import atomicfiles, imagefiles, proof
    from degradekit.errors import DataError

    row = proof.row_of(folder, key)
    pair = proof.replay(folder, row, on)
    stem = Path(str(row["file_name"])).stem
    target = out or Path(f"{stem}.replay.png")
    atomicfiles.write_bytes(
        target, imagefiles.encode_png(pair.degraded.rgb, pair.degraded.alpha, pair.degraded.icc)
    )
    same = pair.columns()["sha256"] == row["sha256"]
    if on is None and not same:
        raise DataError(f"{row['file_name']}: rendered again it differs from its manifest row (see {target})")
    click.echo(f"{target}" + ("" if on else ": bit for bit the recorded image"))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check every file of a data set against its manifest, and render every sample again.

    A single changed bit, a missing or an extra file ends in exit code 4.
    """
    from degradekit import progress, proof
    from degradekit.errors import DataError

    differences = 0
    with progress.reporter("samples") as report:
        for difference in proof.verify(folder, report):
            differences += 1
            click.echo(difference)
    if differences:
        raise DataError(f"{folder}: {differences} differences")
    click.echo(f"{folder}: every file and every row as rendered")


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


for command in cli_library.COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    commandline.run(cli)
