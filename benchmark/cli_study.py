"""``benchmark study`` and ``study-report``: people rank the outputs of a run, blind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

import click

from degradekit.commandline import say


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--methods",
    default="",
    metavar="A,B",
    help="Methods to rank  [default: all that have outputs and change something]",
)
@click.option(
    "--photos", type=click.IntRange(min=1), metavar="N", help="Photographs  [default: 25, or all there are]"
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the draw of the photographs.",
)
@click.option(
    "--on",
    "where",
    type=click.Choice(["test", "real"]),
    help="Which photographs  [default: real ones if the methods have restored some]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="The page  [default: RUN/study/study.html]",
)
def study(
    run_folder: Path,
    methods: str,
    photos: int | None,
    seed: int,
    where: Literal["test", "real"] | None,
    out: Path | None,
) -> None:
    """Write a page on which people rank the outputs of a run's methods without knowing which is whose.

    The page is one file that loads nothing and sends nothing; a participant saves the answers at the end.
    Beside it FILE-key.json is written: keep it to yourself, 'benchmark study-report' needs it.
    """
    from benchmark import blinding
    from benchmark import study as studies
    from benchmark.store import Store

    chosen = [name.strip() for name in methods.split(",") if name.strip()]
    found = studies.choose(Store(run_folder), chosen, photos, seed, where)
    page = out or run_folder / "study" / "study.html"
    key = blinding.write(found, page)
    for name, why in found.left_out.items():
        say(f"{name} is not ranked: it {why}")
    say(f"{len(found.stems)} {found.where} photographs, {len(found.methods)} methods: {page}")
    say(f"who is who is in {key}; send participants the page alone")


@click.command("study-report")
@click.argument("key", type=click.Path(path_type=Path), metavar="KEY.json")
@click.argument(
    "answers", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="ANSWERS.json..."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Tables and figure  [default: results beside the key]",
)
@click.option("--json", "as_json", is_flag=True, help="Numbers as JSON on stdout.")
def study_report(key: Path, answers: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Evaluate a study: how often each method was among the first k, strengths, agreement.

    KEY.json is what 'benchmark study' wrote beside the page, ANSWERS.json what participants saved. A file
    that is not of the study, not complete, or of a participant who is there already is an error.
    """
    from benchmark import study_answers
    from benchmark.report import study as reports

    known = study_answers.read_key(key)
    result = reports.evaluate(known, study_answers.read(answers, known))
    folder = out or key.parent / "results"
    reports.write(result, folder)
    if as_json:
        click.echo(json.dumps(reports.as_json(result), indent=2))
        return
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120).print(reports.terminal(result))
    say(f"tables and figure are in {folder}")
