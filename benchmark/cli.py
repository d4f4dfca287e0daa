"""The program ``benchmark``. Imports little, so that ``--help`` answers at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark import (
    cli_ablation,
    cli_experiments,
    cli_photos,
    cli_results,
    cli_runs,
    cli_study,
    cli_weights,
)
from degradekit import __version__, commandline

if TYPE_CHECKING:
    from benchmark.method import Declaration
    from benchmark.run import Run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="benchmark")
def cli() -> None:
    """Train, score and compare restoration methods on equal terms.

    Exit codes: 0 done; 1 our bug; 2 usage or configuration; 3 some methods failed; 4 data missing or corrupt;
    5 a check you asked for did not hold; 130 interrupted, the same command resumes. --debug shows tracebacks.
    """


SOURCES_HELP = (
    "SRC is a photograph, a folder, 'builtin' (the colour photographs inside scikit-image) or "
    "'dead-leaves:N' (N procedural pictures); repeat the option for several. With --train alone, test "
    "photographs are taken out of them; with neither, the profile's own are used. Photographs of one scene "
    "stay together."
)


@cli.command(epilog=SOURCES_HELP)
@click.option("--methods", default="all", show_default=True, metavar="A,B|all", help="Methods to compare.")
@click.option("--profile", default="quick", show_default=True, metavar="NAME", help="Data, budget and width.")
@click.option("--train", multiple=True, metavar="SRC", help="Training photographs.")
@click.option("--test", multiple=True, metavar="SRC", help="Test photographs.")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Folder  [default: runs/PROFILE]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything that is drawn.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="N trainings on the same pairs, and all in one table.",
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="YAML over the profile.")
@click.option(
    "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="As train.iterations=2000; repeatable."
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that make pairs; all cores if not given."
)
@click.option("--force", multiple=True, metavar="A,B|all", help="Remove these methods' results first.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Methods at once.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers take the methods.")
@click.option("--real", multiple=True, metavar="SRC", help="Real old photographs to learn from; no truth.")
@click.option("--labelled", metavar="DIR", help="Real photographs with masks: images/STEM, masks/STEM.")
@click.option("--budget", metavar="UNIT=N", help="iters=N, images=N or time=SECONDS per trained method.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and why, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout.")
def run(
    methods: str,
    profile: str,
    train: tuple[str, ...],
    test: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    seeds: int | None,
    config: Path | None,
    overrides: tuple[str, ...],
    workers: int | None,
    force: tuple[str, ...],
    jobs: int,
    scheduler: str | None,
    real: tuple[str, ...],
    labelled: str | None,
    budget: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make pairs, train, restore, score and report; whatever is done already is skipped.

    The same command after an interruption, or a kill, goes on and ends with the same tables. With --seeds the
    runs are in RUN/seed-0, RUN/seed-1, ..., and the tables in RUN say how far they differ.
    """
    data = {"data.train": train, "data.test": test, "data.real": real, "data.labelled": labelled}
    options = {**data, "seed": seed}
    resolved, own = cli_runs.configured(profile, overrides, options, budget=budget, file=config)
    # From here on torch is needed, which takes a second to import.
    from benchmark import processes
    from benchmark.run import Run, require_finished
    from benchmark.seeds import Seeds

    declarations = _chosen(methods)
    folder = out or Path("runs") / profile
    how = (declarations, folder, own, workers, jobs, scheduler)
    job: Run | Seeds = Run(resolved, *how) if seeds is None else Seeds(resolved, seeds, *how)
    removed = _forced(force, next(iter(job.runs.values())) if isinstance(job, Seeds) else job)
    processes.join()
    if processes.rank() > 0:
        job.follow()
        return
    if dry_run:
        plan = cli_runs.forced(job.plan(), removed)
        click.echo(json.dumps(plan, indent=2) if as_json else "\n".join(map(cli_runs.planned, plan)))
        return
    try:
        outcome = job.go(removed)
    finally:
        processes.tell(None)  # Nothing is left to train.
    cli_runs.show(outcome.report, folder, as_json)
    require_finished(outcome, optional=methods == "all")


@cli.command("list")
@click.argument("what", type=click.Choice(["methods", "metrics", "profiles"]), default="methods")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(what: str, as_json: bool) -> None:
    """List methods (the default), metrics or profiles."""
    entries = {"methods": _list_methods, "metrics": _list_metrics, "profiles": _list_profiles}[what]()
    if what == "methods" and as_json:
        _add_networks(entries)
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    width = max(len(entry["name"]) for entry in entries)
    for entry in entries:
        click.echo(f"{click.style(entry['name'].ljust(width), bold=True)}  {entry['summary']}")


def _chosen(methods: str) -> list[Declaration]:
    from benchmark import method
    from degradekit.errors import OptionError

    if methods == "all":
        return [found for _, found in sorted(method.discover().items()) if found.in_all]
    names = [name.strip() for name in methods.split(",") if name.strip()]
    if not names:
        raise OptionError("--methods takes names with commas between them, or all")
    return [method.find(name) for name in dict.fromkeys(names)]


def _forced(force: tuple[str, ...], job: Run) -> list[str]:
    """Names of the run's methods that ``--force`` means; "all" means those of ``--methods``."""
    from degradekit.errors import OptionError, unknown

    named = [one for text in force for one in (job.declarations if text == "all" else _chosen(text))]
    for one in named:
        if one.name not in job.methods():
            raise OptionError(f"--force: {unknown('method of this run', one.name, job.methods())}")
    return list(dict.fromkeys(one.name for one in named))


def _list_methods() -> list[dict[str, Any]]:
    from benchmark import method

    entries = []
    for name, found in sorted(method.discover().items()):
        needs = {"trains": found.trains, "mask": found.mask, "per_image": found.per_image}
        about = {"name": name, "summary": found.summary, **needs, "in_all": found.in_all}
        entries.append({**about, "unavailable": found.unavailable()})
    return entries


def _add_networks(entries: list[dict[str, Any]]) -> None:
    """Parameters of each method's networks; it takes seconds to build them all."""
    from benchmark import method

    for entry in entries:
        entry["networks"] = {} if entry["unavailable"] else method.published(method.find(entry["name"]))


def _list_metrics() -> list[dict[str, Any]]:
    from benchmark import metrics

    return [
        {
            "name": name,
            "summary": f"{found.convention}, {found.better} is better",
            "convention": found.convention,
            "better": found.better,
            "unit": found.unit,
        }
        for name, found in ((name, metrics.find(name)) for name in metrics.names())
    ]


def _list_profiles() -> list[dict[str, Any]]:
    from benchmark import profile

    loaded = [profile.load(name) for name in profile.names()]
    return [{"name": one.name, "summary": one.summary, "width": one.width} for one in loaded]


cli.add_command(cli_runs.status)
cli.add_command(cli_runs.report)
cli.add_command(cli_results.score)
cli.add_command(cli_results.import_)
cli.add_command(cli_results.compare)
cli.add_command(cli_results.efficiency)
cli.add_command(cli_weights.weights)
cli.add_command(cli_weights.data)
cli.add_command(cli_photos.restore)
cli.add_command(cli_photos.detect)
cli.add_command(cli_experiments.roc)
cli.add_command(cli_ablation.ablation)
cli.add_command(cli_weights.metrics)
cli.add_command(cli_study.study)
cli.add_command(cli_study.study_report)


def main() -> None:
    """Entry point of the program."""
    commandline.run(cli)


if __name__ == "__main__":
    main()
