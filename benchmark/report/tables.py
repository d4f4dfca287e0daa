"""The summary table: terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import astuple, fields
from typing import TYPE_CHECKING

from benchmark import significance
from benchmark.metrics import Metric
from benchmark.report import Line, Report
from benchmark.report.captions import caption
from benchmark.report.text import ORACLE, booktabs, pipes, plain, rule, tex
from benchmark.statistics import Summary

if TYPE_CHECKING:
    from rich.console import RenderableType

MISSING = "weights missing"


def cell(summary: Summary, metric: Metric) -> str:
    """``mean ± sd [low, high]``; ``± sd`` if seeds differ, ``+n∞`` counts photographs with an infinite value.

    ``NA``: there is no value.
    """
    if math.isnan(summary.mean):
        return f"NA ({MISSING})" if summary.note.startswith(MISSING) else "NA"
    text = _number(summary.mean, metric)
    if summary.sd > 0:
        text += f" ± {summary.sd:.{metric.decimals}f}"
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
        table.add_row(Text(name(line, report)), *cells, *_training(line))
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
        lines.append(pipes([name(line, report), *cells, *_training(line)]))
    return "\n".join([*lines, "", *caption(report), ""])


def as_csv(report: Report) -> str:
    """One line per method and metric, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["mean", "low", "high", "photographs", "infinite", "missing", "best", "note"]
    if len(report.seeds) > 1:
        columns += ["sd", "seeds"]
    writer.writerow(
        ("method", "metric", "convention", "better", *columns, "oracle_mask", "parameters", "failure")
    )
    for line in report.lines:
        if line.failure:
            writer.writerow(
                (line.name, *[""] * (3 + len(columns)), line.oracle, line.parameters, line.failure)
            )
        for metric in report.metrics if not line.failure else ():
            summary = line.summaries[metric.name]
            values = [plain(getattr(summary, column)) for column in columns]
            about = (line.name, metric.name, metric.convention, metric.better)
            writer.writerow((*about, *values, line.oracle, line.parameters, ""))
    return text.getvalue()


def seeds(report: Report) -> str:
    """The mean of every method and metric for each seed as CSV, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("method", "metric", "seed", "mean"))
    for line in report.scored:
        for metric in report.metrics:
            means = report.seed_means[metric.name][line.name].tolist()
            for seed, mean in zip(report.seeds, means, strict=True):
                writer.writerow((line.name, metric.name, seed, plain(mean)))
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
        body.append(" & ".join([tex(name(line, report)), *cells, *map(tex, _training(line))]) + r" \\")
    return booktabs(caption(report), headings, body)


def _headings(report: Report) -> list[str]:
    return ["method", *[metric.heading for metric in report.metrics], "trained on", "parameters"]


def name(line: Line, report: Report) -> str:
    """A method's name with its marks: told of the damage, without numbers of some seeds."""
    marked = f"{line.name} {ORACLE}" if line.oracle else line.name
    if line.without and not line.failure:
        marked += f" ({len(report.seeds) - len(line.without)} of {len(report.seeds)} seeds)"
    return marked


def _training(line: Line) -> tuple[str, str]:
    if not line.trained:
        return "-", "-"
    return str(line.about["trains"]), f"{line.parameters:,}"


def _number(value: float, metric: Metric) -> str:
    return "∞" if math.isinf(value) else f"{value:.{metric.decimals}f}"
