"""``benchmark status`` and ``report``, and how the results and the plan of a run are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from degradekit.commandline import say

if TYPE_CHECKING:
    from benchmark.profile import Profile
    from benchmark.report import Report


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(run_folder: Path, as_json: bool) -> None:
    """Say which stages of a run are done, which have to be done again, and why."""
    from benchmark.seeds import plan_of

    lines = plan_of(run_folder)
    click.echo(json.dumps(lines, indent=2) if as_json else "\n".join(map(planned, lines)))


@click.command()
@click.argument("run_folders", type=click.Path(path_type=Path), metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the report of several runs."
)
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout.")
def report(run_folders: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Make rows.csv, tables, figures and report.html of a run again, from its scores and images.

    Of several runs with --out DIR: their results together, in DIR. They have to be of one configuration and
    the same pairs, each with a training seed of its own (-o training_seed=N), wherever they were made.
    """
    from benchmark import pool
    from degradekit.errors import OptionError

    if out is None and len(run_folders) > 1:
        raise OptionError("the report of several runs needs a folder of its own: --out DIR")
    if out is None:
        show(pool.remake(run_folders[0]), run_folders[0], as_json)
    else:
        show(pool.make(out, run_folders), out, as_json)


def show(result: Report, folder: Path, as_json: bool) -> None:
    """Print a report's results: a table, or JSON."""
    if as_json:
        click.echo(json.dumps(_as_json(result, folder), indent=2))
        return
    from rich.console import Console

    from benchmark.report import tables

    # Nothing tells how wide a file or a pipe is.
    Console(width=None if sys.stdout.isatty() else 120).print(tables.terminal(result))
    say(f"tables, figures and rows.csv are in {folder}")


def configured(
    name: str,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    *,
    implied: Mapping[str, Any] | None = None,
    budget: str | None = None,
    file: Path | None = None,
) -> tuple[Profile, bool]:
    """A profile as a command asks for it, and whether its training photographs are the profile's own.

    Later ones win: the profile, what options imply, ``file``, the user's ``-o``, options that were given.

    Args:
        name: of the profile.
        overrides: the user's ``-o``.
        options: configuration key -> value of an option; None or nothing in it where it was not given.
        implied: configuration key -> value that stands unless the user says otherwise.
        budget: the option of that name.
        file: YAML over the profile.

    Raises:
        OptionError: as of ``profile.load``.
    """
    from benchmark import profile as profiles

    below = dict(implied or {})
    if options.get("data.train"):
        # Scenes the profile holds out are the profile's own; the user's photographs are split by share.
        below["data.held_out"] = []
    given = {key: value for key, value in options.items() if value not in (None, ())}
    spent = [] if budget is None else profiles.budget(budget)
    changes = [*overrides, *_changes(given), *spent]
    resolved = profiles.load(name, implied=_changes(below), file=file, overrides=changes)
    return resolved, resolved.data.train == profiles.load(name).data.train


def _changes(values: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def forced(plan: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[dict[str, str]]:
    """The plan of a run that removes the results of the methods ``names`` first."""
    return [{**line, "why": "removed by --force"} if line["method"] in names else dict(line) for line in plan]


def planned(line: dict[str, str]) -> str:
    """A line of a plan for people."""
    seed = f"seed {line['seed']:<6} " if "seed" in line else ""
    return f"{seed}{line['method'] or '(data)':<24} {line['stage']:<8} {line['why']}"


def _as_json(result: Report, folder: Path) -> dict[str, Any]:
    from dataclasses import asdict
    from math import isfinite

    def plain(value: Any) -> Any:
        # JSON has no infinity.
        return str(value) if isinstance(value, float) and not isfinite(value) else value

    several = len(result.seeds) > 1
    results = {
        line.name: {
            metric: {
                key: plain(value)
                for key, value in asdict(summary).items()
                if several or key not in ("sd", "seeds")
            }
            for metric, summary in line.summaries.items()
        }
        for line in result.scored
    }
    failures = {line.name: line.failure for line in result.lines if line.failure}
    shown: dict[str, Any] = {
        "run": str(folder),
        "profile": result.profile.name,
        "results": results,
        "failures": failures,
    }
    if several:
        without = {line.name: line.without for line in result.scored if line.without}
        shown |= {"seeds": list(result.seeds), "without": without}
    return shown
