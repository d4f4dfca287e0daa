"""The summary table: terminal, Markdown, CSV and LaTeX, with a caption that says what the numbers are."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import astuple, fields
from typing import TYPE_CHECKING

from benchmark import significance
from benchmark.metrics import Metric
from benchmark.report import Line, Report
from benchmark.report.text import ORACLE, booktabs, pipes, plain, rule, tex
from benchmark.statistics import LEVEL, RESAMPLES, Summary

if TYPE_CHECKING:
    from rich.console import RenderableType

MISSING = "weights missing"
SELECTED = {
    "last": "the last step's weights",
    "best": "the weights with the best validation PSNR",
}
NOT_PUBLISHED = "These are not the papers' numbers."


def caption(report: Report) -> list[str]:
    """What was trained, on what, tested how; one sentence or two per entry."""
    profile, train = report.profile, report.profile.train
    counts = report.data["photographs"]
    images = len({row.image for row in report.rows if row.metric == report.metrics[0].name})
    width = "published width" if profile.width == 1 else f"{profile.width:g} of the published width"
    lines = [
        f"Profile {profile.name}, seed {profile.seed}. Networks at {width}; budget of every trained method: "
        f"{train.budget} of {train.batch} crops of {train.crop} px, {train.precision}, "
        f"{SELECTED[train.select]}, on {counts['train']} training photographs "
        f"(and {counts['val']} to watch).",
    ]
    if not profile.as_published():
        lines.append(NOT_PUBLISHED)
    lines.append(
        f"Tested on {images} degraded images of {counts['test']} photographs that were not trained on; "
        f"recipe {report.data['recipe']['name']} ({report.data['recipe']['sha256'][:12]})."
    )
    lines.append(
        f"Means over photographs; in brackets {LEVEL:.0%} bootstrap intervals over photographs "
        f"({RESAMPLES:,} resamples)."
    )
    lines.append(_bold(report))
    if any(line.oracle for line in report.lines):
        lines.append(f"{ORACLE} is told where the damage is, and does not compete for bold.")
    lines += [f"{line.name}: {note}." for line in report.scored for note in line.about.get("notes", ())]
    infinite = sum(s.infinite for line in report.scored for s in line.summaries.values())
    if infinite:
        lines.append("+n∞: n photographs restored exactly, not in the mean.")
    lines += _notes(report)
    lines.append("Conventions: " + ", ".join(metric.convention for metric in report.metrics) + ".")
    return lines


def _bold(report: Report) -> str:
    """What bold means, or why nothing is."""
    count, methods = len(report.photographs), len(report.scored)
    if significance.decidable(count, methods):
        return (
            "Bold: the best mean, and those not significantly worse (paired Wilcoxon signed-rank test over "
            f"photographs, Holm's correction for all pairs of methods, {significance.ALPHA:.0%} level)."
        )
    return (
        f"Nothing is bold: {count} photographs are too few for any difference between {methods} methods to "
        "be significant."
    )


def cell(summary: Summary, metric: Metric) -> str:
    """``mean [low, high]``; ``+n∞`` counts photographs with an infinite value; ``NA``: there is no value."""
    if math.isnan(summary.mean):
        return f"NA ({MISSING})" if summary.note.startswith(MISSING) else "NA"
    text = _number(summary.mean, metric)
    if not math.isnan(summary.low):
        text += f" [{_number(summary.low, metric)}, {_number(summary.high, metric)}]"
    if summary.infinite and math.isfinite(summary.mean):
        text += f" +{summary.infinite}∞"
    return text


def terminal(report: Report) -> RenderableType:
    """A table for rich to print."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("method")
    for heading in _headings(report)[1:]:
        table.add_column(heading, justify="right")
    for line in report.lines:
        if line.failure:
            table.add_row(Text(line.name), Text(f"failed: {line.failure}", style="red"))
            continue
        cells = [
            Text(
                cell(line.summaries[metric.name], metric),
                style="bold" if line.summaries[metric.name].best else "",
            )
            for metric in report.metrics
        ]
        table.add_row(Text(_name(line)), *cells, *_training(line))
    return Group(table, *[Text(sentence, style="dim") for sentence in caption(report)])


def markdown(report: Report) -> str:
    """The table in GitHub's Markdown, the caption below it."""
    headings = _headings(report)
    lines = [pipes(headings), rule(len(headings))]
    for line in report.lines:
        if line.failure:
            reason = " ".join(f"failed: {line.failure}".replace("|", "\\|").split())
            lines.append(pipes([line.name, reason, *[""] * (len(headings) - 2)]))
            continue
        cells = []
        for metric in report.metrics:
            text = cell(line.summaries[metric.name], metric)
            cells.append(f"**{text}**" if line.summaries[metric.name].best else text)
        lines.append(pipes([_name(line), *cells, *_training(line)]))
    return "\n".join([*lines, "", *caption(report), ""])


def as_csv(report: Report) -> str:
    """One line per method and metric, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("mean", "low", "high", "photographs", "infinite", "missing", "best", "note")
    writer.writerow(
        ("method", "metric", "convention", "better", *columns, "oracle_mask", "parameters", "failure")
    )
    for line in report.lines:
        if line.failure:
            writer.writerow((line.name, *[""] * 11, line.oracle, line.parameters, line.failure))
        for metric in report.metrics if not line.failure else ():
            summary = line.summaries[metric.name]
            values = [plain(getattr(summary, column)) for column in columns]
            about = (line.name, metric.name, metric.convention, metric.better)
            writer.writerow((*about, *values, line.oracle, line.parameters, ""))
    return text.getvalue()


def comparisons(report: Report) -> str:
    """Every pair of methods and metric as CSV, in full precision; the difference is first minus second."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [field.name for field in fields(significance.Comparison)]
    writer.writerow(("metric", *columns, "significant"))
    for metric in report.metrics:
        for pair in report.comparisons.get(metric.name, ()):
            writer.writerow((metric.name, *map(plain, astuple(pair)), pair.significant))
    return text.getvalue()


def ranks(report: Report) -> str:
    """Mean ranks of the methods per metric as CSV, with Friedman's p and Nemenyi's critical difference."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("metric", "method", "mean_rank", "photographs", "friedman_p", "critical_difference"))
    for metric in report.metrics:
        found = report.ranks.get(metric.name)
        if found is None:
            continue
        about = (found.photographs, plain(found.p), found.critical_difference)
        writer.writerows((metric.name, name, mean, *about) for name, mean in found.mean.items())
    return text.getvalue()


def latex(report: Report) -> str:
    """The table for the package booktabs, the caption in it."""
    headings = _headings(report)
    body = []
    for line in report.lines:
        if line.failure:
            span = len(headings) - 1
            body.append(
                f"{tex(line.name)} & \\multicolumn{{{span}}}{{l}}{{failed: {tex(line.failure)}}} \\\\"
            )
            continue
        cells = []
        for metric in report.metrics:
            text = tex(cell(line.summaries[metric.name], metric))
            cells.append(f"\\textbf{{{text}}}" if line.summaries[metric.name].best else text)
        body.append(" & ".join([tex(_name(line)), *cells, *map(tex, _training(line))]) + r" \\")
    return booktabs(caption(report), headings, body)


def _notes(report: Report) -> list[str]:
    """What to know of values that do not exist, and of numbers of whole sets; a sentence each."""
    notes: dict[str, list[str]] = {}
    for metric in report.metrics:
        for line in report.scored:
            note = line.summaries[metric.name].note
            if note and metric.name not in notes.setdefault(note, []):
                notes[note].append(metric.name)
    sentences = [f"{', '.join(names)}: {note}." for note, names in notes.items()]
    partly = {
        metric.name
        for metric in report.metrics
        for line in report.scored
        if 0 < line.summaries[metric.name].missing < line.summaries[metric.name].photographs
    }
    if partly:
        sentences.append(f"Photographs without a value are not in the mean ({', '.join(sorted(partly))}).")
    return sentences


def _headings(report: Report) -> list[str]:
    return ["method", *[metric.heading for metric in report.metrics], "trained on", "parameters"]


def _name(line: Line) -> str:
    return f"{line.name} {ORACLE}" if line.oracle else line.name


def _training(line: Line) -> tuple[str, str]:
    if not line.trained:
        return "-", "-"
    return str(line.about["trains"]), f"{line.parameters:,}"


def _number(value: float, metric: Metric) -> str:
    return "∞" if math.isinf(value) else f"{value:.{metric.decimals}f}"
