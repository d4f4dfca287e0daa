"""Commands that answer one question: ``benchmark roc``, how well damage is detected."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from benchmark import cli_runs
from degradekit.commandline import say

#: What a study's detectors learn unless another recipe is named.
RECIPE = "detector-training"
#: Columns of the table of detectors: key and heading.
COLUMNS = {
    "auc": "AUC",
    "ap": "AP",
    "f1": "best F1",
    "f1_at_0.4": "F1 at 0.4",
    "prevalence": "prevalence",
}


@click.command(
    epilog="Maps are gray images of 8 or 16 bit or .npy arrays; masks are images, white (128 of 255 or more) "
    "= lost. Files are paired by name without the ending; one without a partner, or of another size, is an "
    "error."
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Score these probability maps, whoever made them.",
)
@click.option("--masks", type=click.Path(path_type=Path), metavar="DIR", help="The true masks of --scores.")
@click.option(
    "--figure",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --scores: draw the curves (.png, .svg, .pdf).",
)
@click.option(
    "--csv", type=click.Path(path_type=Path), metavar="FILE", help="With --scores: points of the curves."
)
@click.option(
    "--profile", default="quick", show_default=True, metavar="NAME", help="Budget, width and photographs."
)
@click.option("--train", multiple=True, metavar="SRC", help="Training photographs.")
@click.option("--test", multiple=True, metavar="SRC", help="Test photographs.")
@click.option(
    "--recipe", metavar="NAME|FILE", help=f"Damage to learn.  [default: {RECIPE}, or that of -o data.recipe]"
)
@click.option(
    "--textures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Your textures, added for a detector more.",
)
@click.option(
    "--unseen-textures", type=click.Path(path_type=Path), metavar="DIR", help="Textures to test on alone."
)
@click.option(
    "--labelled",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Real photographs, images/STEM and masks/STEM, added for a detector more.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder  [default: runs/roc]")
@click.option(
    "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="As train.iterations=2000; repeatable."
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that make pairs; all cores if not given."
)
@click.option("--json", "as_json", is_flag=True, help="Numbers as JSON on stdout.")
def roc(
    scores: Path | None,
    masks: Path | None,
    figure: Path | None,
    csv: Path | None,
    profile: str,
    train: tuple[str, ...],
    test: tuple[str, ...],
    recipe: str | None,
    textures: Path | None,
    unseen_textures: Path | None,
    labelled: Path | None,
    out: Path | None,
    overrides: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> None:
    """ROC and precision-recall of detected damage.

    With --scores and --masks: scores two folders. Otherwise: trains the scratch detector on different data
    (without elastic distortion of the scratches, with it, with --textures, with --labelled photographs),
    tests each on photographs it never saw and on --unseen-textures, and writes table, figures and points. A
    study that was stopped goes on with the same command.
    """
    from degradekit.errors import OptionError

    if (scores is None) != (masks is None):
        raise OptionError("--scores and --masks belong together")
    if scores is not None and masks is not None:
        _show(
            {"maps": {scores.name or str(scores): _scored(scores, masks, figure, csv)}}, as_json, alone=True
        )
        return
    if figure or csv:
        raise OptionError("--figure and --csv go with --scores; a study writes its own into --out")

    options = {"data.recipe": recipe, "data.train": train, "data.test": test}
    resolved, own = cli_runs.configured(profile, overrides, options, implied={"data.recipe": RECIPE})
    folder = out or Path("runs/roc")
    from benchmark import detection_study

    detection_study.refuse_strangers(folder)
    study = detection_study.Study(resolved, folder, own, textures, unseen_textures, labelled, workers)
    _show(study.go(), as_json, alone=False)
    say(f"curves, points and the detectors are in {folder}")


def _scored(scores: Path, masks: Path, figure: Path | None, csv: Path | None) -> dict[str, float]:
    from benchmark import maps
    from benchmark.metrics import NoValueError
    from degradekit import progress
    from degradekit.errors import DataError, OptionError

    if figure is not None and figure.suffix not in (".png", ".svg", ".pdf"):
        raise OptionError(f"--figure ends in .png, .svg or .pdf, got '{figure.name}'")
    with progress.reporter("maps scored") as on_progress:
        detection = maps.score(scores, masks, on_progress)
    try:
        summary = detection.summary()
    except NoValueError as error:
        raise DataError(f"{masks}: {error}") from error
    if figure is not None or csv is not None:
        from benchmark.report import detection_curves

        curves = {"all pictures": {scores.name or str(scores): detection.histogram}}
        if figure is not None:
            detection_curves.figure(curves, figure)
        if csv is not None:
            detection_curves.table(curves, csv)
    return summary


def _show(results: dict[str, dict[str, dict[str, float]]], as_json: bool, *, alone: bool) -> None:
    if as_json:
        ((_, detectors), *_) = results.items()
        content: Any = next(iter(detectors.values())) if alone else results
        click.echo(json.dumps(_plain(content), indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("test", "detector"):
        table.add_column(heading)
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for test, detectors in results.items():
        for name, numbers in detectors.items():
            table.add_row(test, name, *(f"{numbers[key]:.4f}" for key in COLUMNS))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _plain(value: Any) -> Any:
    """JSON has no number that is not one."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if value != value else value
