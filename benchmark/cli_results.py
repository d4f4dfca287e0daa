"""``benchmark score``, ``import``, ``compare``, ``efficiency``: a closer look at results, ours or not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from degradekit.commandline import say

if TYPE_CHECKING:
    from benchmark.gates import Difference
    from benchmark.metrics import Metric
    from benchmark.statistics import Summary

existing_folder = click.Path(path_type=Path, exists=True, file_okay=False)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout.")


@click.command()
@click.argument("restored", type=existing_folder, metavar="RESTORED")
@click.argument("clean", type=existing_folder, metavar="CLEAN")
@click.option("--masks", type=existing_folder, metavar="DIR", help="Masks of the damage, white = damaged.")
@click.option("--metrics", "names", metavar="A,B", help="Metrics to compute  [default: all that apply]")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.csv", help="One row per image."
)
@as_json_option
def score(
    restored: Path, clean: Path, masks: Path | None, names: str | None, out: Path | None, as_json: bool
) -> None:
    """Score the images of any folder against those of another, matched by name without the ending.

    A missing image, one too many, or one of another size is an error that names it. Images are scored as they
    are: no resizing, no border cut off.
    """
    from benchmark import scoring, statistics
    from benchmark.folders import FolderPairs
    from degradekit import atomicfiles, progress

    chosen = _metrics(names, masks is not None)
    pairs = FolderPairs(clean, masks)
    with progress.reporter("images scored") as on_progress:
        rows = scoring.score("restored", restored, pairs, chosen, seed=0, on_progress=on_progress)
    if out is not None:
        atomicfiles.write_text(out, scoring.to_csv(rows))
    results = {}
    for metric in chosen:
        _, values = statistics.per_photograph(rows, metric.name)
        summary = statistics.summarise(values, higher_is_better=metric.better == "higher", contenders=())[
            "restored"
        ]
        notes = [row.note for row in rows if row.metric == metric.name and row.note]
        results[metric.name] = (metric, summary, notes[0] if notes else "")
    if as_json:
        click.echo(json.dumps({name: _as_json(*result) for name, result in results.items()}, indent=2))
        return
    for metric, summary, note in results.values():
        click.echo(_line(metric, summary, note))
    say(f"means over {len(pairs)} images; in brackets 95 % bootstrap intervals over images")


@click.command("import")
@click.argument("run_folder", type=existing_folder, metavar="RUN")
@click.argument("restored", type=existing_folder, metavar="RESTORED")
@click.option("--method", "name", required=True, metavar="NAME", help="Its name in tables.")
@click.option("--summary", default="imported", metavar="TEXT", help="One line on what it is.")
@click.option("--told-masks", is_flag=True, help="It was given the masks; tables mark it.")
@click.option("--replace", is_flag=True, help="Take the place of an earlier import of that name.")
def import_(
    run_folder: Path, restored: Path, name: str, summary: str, told_masks: bool, replace: bool
) -> None:
    """Add the outputs of a system that is not ours to a run: score them, and make its tables again.

    RESTORED holds one image per degraded test image in RUN/data/test/degraded, of the same name and size; any
    lossless format.
    """
    from benchmark import importing, report
    from benchmark.store import Store

    store = Store(run_folder)
    importing.add(store, name, restored, summary=summary, told_masks=told_masks, replace=replace)
    report.write(store)
    say(f"{name} is in the tables of {run_folder}")


@click.command()
@click.argument("first", type=existing_folder, metavar="RUN_A")
@click.argument("second", type=existing_folder, metavar="RUN_B")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="CONDITION",
    help="As 'psnr>=-0.1,lpips_alex<=0.01'; repeatable.",
)
@click.option(
    "--methods", default="", metavar="A,B", help="Methods to compare  [default: those of both runs]"
)
@as_json_option
def compare(first: Path, second: Path, gates: tuple[str, ...], methods: str, as_json: bool) -> None:
    """Compare the methods that are in both runs, photograph by photograph: RUN_B less RUN_A.

    Both have to be tested on the same images. A gate is a condition on the mean difference: 'psnr>=-0.1'
    holds if PSNR fell by no more than 0.1 dB. Exit code 5 if one does not hold for some method.
    """
    from benchmark import gates as gating
    from benchmark.store import Store
    from degradekit.errors import GateError

    conditions = [gate for text in gates for gate in gating.parse(text)]
    chosen = [name.strip() for name in methods.split(",") if name.strip()]
    differences = gating.compare(Store(first), Store(second), conditions, chosen)
    if as_json:
        click.echo(json.dumps([_difference_as_json(one) for one in differences], indent=2))
    else:
        for one in differences:
            click.echo(_difference_line(one))
    failed = [f"{one.method} {gate} ({_found(one.mean)})" for one in differences for gate in one.failed]
    if failed:
        raise GateError(f"{len(failed)} gates do not hold: {', '.join(failed)}")


@click.command()
@click.argument("run_folder", type=existing_folder, metavar="RUN")
@click.option(
    "--size", type=click.IntRange(min=16), default=256, show_default=True, help="Side of the image."
)
@click.option("--methods", default="", metavar="A,B", help="Methods to measure  [default: all finished ones]")
@click.option(
    "--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="Most calls timed."
)
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Time for each."
)
@as_json_option
def efficiency(
    run_folder: Path, size: int, methods: str, repeats: int, seconds: float, as_json: bool
) -> None:
    """Measure what the methods of a run cost: weights, arithmetic, time and memory for one image.

    One image is restored without being timed, then again and again; times are the median and the 95th
    percentile. The numbers are of this machine, and are written to RUN/methods/NAME/efficiency.json.
    """
    from dataclasses import asdict

    from benchmark import costs
    from benchmark.store import Store

    chosen = [name.strip() for name in methods.split(",") if name.strip()]
    measured = {}
    for name, found in costs.of_run(
        Store(run_folder), size=size, repeats=repeats, seconds=seconds, chosen=chosen
    ):
        measured[name] = asdict(found)
        if not as_json:
            memory = "" if found.peak_memory_mb is None else f", {found.peak_memory_mb:,.0f} MB"
            click.echo(
                f"{name:<24} {found.parameters:,} weights, {found.macs / 1e9:,.2f} GMAC, "
                f"{found.latency_p50_ms:,.1f} ms (95 %: {found.latency_p95_ms:,.1f}), "
                f"{found.images_per_s:,.2f} images/s{memory}"
            )
    if as_json:
        click.echo(json.dumps(measured, indent=2))


def _metrics(names: str | None, with_masks: bool) -> list[Metric]:
    from benchmark import metrics
    from degradekit.errors import OptionError

    if names is None:
        scopes = ("pair", "masked", "set") if with_masks else ("pair", "set")
        every = [metrics.find(name) for name in metrics.names()]
        return sorted((one for one in every if one.scope in scopes), key=lambda one: scopes.index(one.scope))
    chosen = [metrics.find(name.strip()) for name in names.split(",") if name.strip()]
    for one in chosen:
        if one.scope == "masked" and not with_masks:
            raise OptionError(
                f"--metrics {one.name}: it looks at the damage; name the masks with --masks DIR"
            )
        if one.scope in ("clean", "real"):
            raise OptionError(f"--metrics {one.name}: it is no number of restored and clean images")
    if not chosen:
        raise OptionError("--metrics takes names with commas between them")
    return chosen


def _line(metric: Metric, summary: Summary, note: str) -> str:
    from benchmark.report import tables

    value = "NA" if math.isnan(summary.mean) else tables.cell(summary, metric)
    unit = f" {metric.unit}" if metric.unit and not math.isnan(summary.mean) else ""
    missing = f" over {summary.photographs - summary.missing} images" if summary.missing > 0 else ""
    about = f"  ({note})" if note else ""
    return f"{metric.name:<14} {value}{unit}{missing if not math.isnan(summary.mean) else ''}{about}"


def _as_json(metric: Metric, summary: Summary, note: str) -> dict[str, Any]:
    return {
        "convention": metric.convention,
        "better": metric.better,
        "unit": metric.unit,
        "mean": _plain(summary.mean),
        "low": _plain(summary.low),
        "high": _plain(summary.high),
        "images": summary.photographs,
        "infinite": summary.infinite,
        "missing": summary.missing,
        "note": note,
    }


def _difference_line(one: Difference) -> str:
    unit = f" {one.metric.unit}" if one.metric.unit else ""
    name = f"{one.method:<20} {one.metric.name:<14}"
    if math.isnan(one.mean):
        return f"{name} NA"
    digits = one.metric.decimals + 1
    interval = "" if math.isnan(one.low) else f" [{one.low:+.{digits}f}, {one.high:+.{digits}f}]"
    failed = "".join(f"  fails {gate}" for gate in one.failed)
    sides = f"{one.first:.{digits}f} -> {one.second:.{digits}f}{unit}"
    return f"{name} {one.mean:+.{digits}f}{interval}  {sides}{failed}"


def _difference_as_json(one: Difference) -> dict[str, Any]:
    return {
        "method": one.method,
        "metric": one.metric.name,
        **{key: _plain(getattr(one, key)) for key in ("first", "second", "mean", "low", "high")},
        "photographs": one.photographs,
        "failed": [str(gate) for gate in one.failed],
    }


def _found(mean: float) -> str:
    return "no value" if math.isnan(mean) else f"{mean:+.4g}"


def _plain(value: float) -> float | str | None:
    """JSON has neither infinity nor NaN."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
