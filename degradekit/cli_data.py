"""Commands about data sets that are made: replay, verify, info, diff."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
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
    target = out or Path(f"{Path(str(row['stem'])).name}.replay.png")
    atomicfiles.write_bytes(
        target, imagefiles.encode_png(pair.degraded.rgb, pair.degraded.alpha, pair.degraded.icc)
    )
    # A row of recipes only has no picture to compare with.
    recorded = None if on else row.get("sha256")
    if recorded is not None and pair.columns()["sha256"] != recorded:
        raise DataError(f"{row['stem']}: rendered again it differs from its manifest row (see {target})")
    click.echo(f"{target}" + (": bit for bit the recorded image" if recorded else ""))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--sample", metavar="N|P%", help="Check a drawn share or number of samples only, such as 1%.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the sample.")
def verify(folder: Path, sample: str | None, seed: int) -> None:
    """Check every file of a data set against its manifest, and render every sample again.

    A single changed bit, a missing or an extra file ends in exit code 4.
    """
    from degradekit import progress, proof
    from degradekit.errors import DataError

    differences = 0
    with progress.reporter("samples") as report:
        for difference in proof.verify(folder, report, sample, seed):
            differences += 1
            click.echo(difference)
    if differences:
        raise DataError(f"{folder}: {differences} differences")
    what = "every file and every row" if sample is None else f"what was checked ({sample} of the samples)"
    click.echo(f"{folder}: {what} as rendered")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(folder: Path, as_json: bool) -> None:
    """Print a data set's card: counts, coverage per class, PSNR, size, licences, versions."""
    from degradekit import datacard

    card = datacard.describe(folder)
    click.echo(json.dumps(card, indent=2, ensure_ascii=False) if as_json else datacard.text(card))


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
def diff(a: Path, b: Path) -> None:
    """Name the first difference between two data sets: settings, then rows, then files.

    Exit code 0 if they are the same byte for byte, 5 if not.
    """
    from degradekit import comparison
    from degradekit.errors import GateError

    difference = comparison.first_difference(a, b)
    if difference is not None:
        raise GateError(f"{a} and {b} differ: {difference}")
    click.echo(f"{a} and {b} are the same")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write STEM.png into.")
@click.option(
    "--least",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Share of the picture a defect hides where it counts.",
)
def labels(folder: Path, out: Path, least: float) -> None:
    """Write one label map per sample of a data set: the class of defect on top at each pixel, 0 for none.

    What the recipe laid on later wins. Numbers of classes are the same for every recipe; classes.json in
    the folder written names them.
    """
    import math

    from degradekit import labels as label_maps
    from degradekit import progress

    with progress.reporter("samples") as report:
        count = label_maps.write(folder, out, math.ceil(least * 255), report)
    click.echo(f"{out}: {count} label maps")


COMMANDS = (replay, verify, info, diff, labels)
