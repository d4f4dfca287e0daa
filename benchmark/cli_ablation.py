"""The command ``benchmark ablation``: what each part of a method is worth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from benchmark import cli_runs
from degradekit.commandline import say


@click.command()
@click.argument("study", default="released", metavar="[STUDY]")
@click.option("--profile", default="quick", show_default=True, metavar="NAME", help="Data, budget and width.")
@click.option("--train", multiple=True, metavar="SRC", help="Training photographs.")
@click.option("--test", multiple=True, metavar="SRC", help="Test photographs.")
@click.option("--real", multiple=True, metavar="SRC", help="Real old photographs, to align codes with.")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="[default: runs/ablation-STUDY]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything that is drawn.")
@click.option("--budget", metavar="UNIT=N", help="iters=N, images=N or time=SECONDS per method.")
@click.option(
    "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="As train.iterations=2000; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="The table as JSON on stdout.")
def ablation(
    study: str,
    profile: str,
    train: tuple[str, ...],
    test: tuple[str, ...],
    real: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    budget: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train and score the variants of a method; whatever is done already is skipped.

    STUDY is "released" (the paper's, the default) or "best". With --real, codes of real and synthetic
    photographs are aligned, and the table says how far apart they are.
    """
    options = {"data.train": train, "data.test": test, "data.real": real, "seed": seed}
    resolved, own = cli_runs.configured(profile, overrides, options, budget=budget)
    from benchmark import ablation as studies
    from benchmark import method
    from benchmark.run import Run, require_finished

    asked = studies.load(study)
    declarations = [method.find(name) for name in asked.methods]
    job = Run(resolved, declarations, out or Path("runs") / f"ablation-{study}", own)
    outcome = job.go()
    rows = studies.table(asked, outcome.report, job.store)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(rows, [metric.name for metric in outcome.report.metrics], asked.summary)
        say(f"tables, figures and rows.csv are in {job.store.folder}")
    require_finished(outcome, optional=False)


def _print(rows: list[dict[str, Any]], metrics: list[str], summary: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=summary)
    table.add_column("method")
    for heading in (*metrics, "autoencoder dB", "W2 of codes (null)", "probe AUC (null)"):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [f"{row['metrics'][name]:.3f}" for name in metrics] if "metrics" in row else [row["failure"]]
        if "metrics" in row:
            cells.append(f"{row['clean_psnr']:.1f}" if "clean_psnr" in row else "-")
            cells += [_gap(row.get("gap"), key) for key in ("gaussian_w2", "probe_auc")]
        table.add_row(row["label"], *cells)
    # Nothing tells how wide a file or a pipe is.
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _gap(gap: Any, key: str) -> str:
    return f"{gap[key]['value']:.2f} ({gap[key]['null']:.2f})" if isinstance(gap, dict) else "-"
