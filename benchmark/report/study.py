"""A study's results: tables as Markdown, CSV and LaTeX, every place as CSV, and a figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark import rankings
from benchmark.rankings import PRIOR_WINS, Places, Rankings
from benchmark.report.charts import SUFFIXES
from benchmark.report.figures import TRAINED, drawing, save
from benchmark.report.text import ORACLE, booktabs, pipes, plain, rule, tex
from benchmark.statistics import LEVEL, RESAMPLES
from benchmark.study_answers import Answers, Key, places
from degradekit import atomicfiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType


@dataclass(frozen=True)
class Result:
    """A study in numbers; ``order`` are the places of ``key.methods``, the strongest first."""

    key: Key
    everybody: tuple[Answers, ...]
    places: Places
    numbers: Rankings
    order: tuple[int, ...]

    @property
    def methods(self) -> list[str]:
        """The methods, the strongest first."""
        return [self.key.methods[index] for index in self.order]


def evaluate(key: Key, everybody: Sequence[Answers]) -> Result:
    """Compute everything; ``everybody`` holds one participant at least."""
    found = places(everybody, key)
    numbers = rankings.summarise(found)
    order = sorted(range(len(key.methods)), key=lambda index: (-numbers.strength[index], index))
    return Result(key, tuple(everybody), found, numbers, tuple(order))


def write(result: Result, folder: Path) -> None:
    """Write ``study.md``, ``.csv``, ``.tex``, ``.png``, ``.svg``, ``.pdf`` and ``places.csv``."""
    atomicfiles.write_text(folder / "study.md", markdown(result))
    atomicfiles.write_text(folder / "study.csv", as_csv(result))
    atomicfiles.write_text(folder / "study.tex", latex(result))
    atomicfiles.write_text(folder / "places.csv", every_place(result))
    _figure(result, folder)


def headings(result: Result) -> list[str]:
    """Of the table's columns. Among the first K of K is every method always; that column is left out."""
    tops = [f"top {place + 1} (%)" for place in range(len(result.order) - 1)]
    return ["method", *tops, "mean place ↓", "strength ↑"]


def rows(result: Result) -> list[list[str]]:
    """The table's cells, the strongest method first."""
    numbers, lines = result.numbers, []
    for index in result.order:
        name = result.key.methods[index]
        strength = f"{numbers.strength[index]:.3f}"
        if not math.isnan(numbers.low[index]):
            strength += f" [{numbers.low[index]:.3f}, {numbers.high[index]:.3f}]"
        tops = [f"{share:.2f}" for share in numbers.top[index, :-1]]
        name += f" {ORACLE}" if name in result.key.oracle else ""
        lines.append([name, *tops, f"{numbers.mean_place[index]:.2f}", strength])
    return lines


def caption(result: Result) -> list[str]:
    """What was asked, of how many, and what the numbers are."""
    people, photographs, methods = result.places.shape
    kind = "real old photographs" if result.key.photographs == "real" else "photographs of the test set"
    were = "participant" if people == 1 else "participants"
    lines = [
        f"{people} {were} ranked the outputs of {methods} methods for {photographs} {kind} of run "
        f"'{result.key.run}', methods unnamed and in an order drawn by lot.",
        "Top k: how often a method was among the first k.",
        "Strength: Bradley-Terry, of all pairs in the rankings; p / (p + q) estimates how often a method of "
        "strength p is placed before one of strength q; sum 1.",
    ]
    if people > 1:
        agreement = result.numbers.agreement
        lines[-1] += (
            f" In brackets {LEVEL:.0%} bootstrap intervals over participants ({RESAMPLES:,} resamples); they "
            "hold for these photographs."
        )
        lines.append(
            f"Agreement between participants: Kendall's W {agreement.mean():.2f}, mean over photographs "
            f"({agreement.min():.2f} to {agreement.max():.2f}); 1: the same order, {1 / people:.2f}: by lot."
        )
    if result.numbers.prior:
        lines.append(
            "Some methods win, or lose, every comparison with the others; to keep strengths finite, every "
            f"pair was given {PRIOR_WINS:g} wins in both directions."
        )
    if result.key.oracle:
        lines.append(f"{ORACLE} is told where the damage is.")
    return lines


def terminal(result: Result) -> RenderableType:
    """A table for rich to print."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for number, heading in enumerate(headings(result)):
        table.add_column(heading, justify="right" if number else "left")
    for cells in rows(result):
        table.add_row(*map(Text, cells))
    return Group(table, *[Text(sentence, style="dim") for sentence in caption(result)])


def markdown(result: Result) -> str:
    """The table in GitHub's Markdown, the caption below it."""
    names = headings(result)
    return "\n".join(
        [pipes(names), rule(len(names)), *map(pipes, rows(result)), "", " ".join(caption(result)), ""]
    )


def latex(result: Result) -> str:
    """The table for the package booktabs, the caption in it."""
    body = [" & ".join(map(tex, cells)) + r" \\" for cells in rows(result)]
    return booktabs(caption(result), headings(result), body)


def as_csv(result: Result) -> str:
    """One line per method, in full precision; percentages in ``top_k``, strengths from 0 to 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    tops = [f"top_{place + 1}" for place in range(len(result.order))]
    writer.writerow(("method", *tops, "mean_place", "strength", "low", "high", "oracle_mask"))
    numbers = result.numbers
    for index in result.order:
        columns = (numbers.mean_place, numbers.strength, numbers.low, numbers.high)
        values = [*numbers.top[index], *(column[index] for column in columns)]
        name = result.key.methods[index]
        writer.writerow((name, *(plain(float(value)) for value in values), name in result.key.oracle))
    return text.getvalue()


def every_place(result: Result) -> str:
    """One line per participant, photograph and method: its place, 1 = best; for other people's analyses."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("participant", "photograph", "method", "place", "seconds"))
    for answers, of_person in zip(result.everybody, result.places, strict=True):
        seconds = {answer.trial: answer.seconds for answer in answers.trials}
        for (token, trial), of_photograph in zip(result.key.trials.items(), of_person, strict=True):
            for method, place in zip(result.key.methods, of_photograph, strict=True):
                about = (answers.participant, trial.photograph, method, int(place) + 1)
                writer.writerow((*about, seconds[token]))
    return text.getvalue()


def as_json(result: Result) -> dict[str, Any]:
    """The numbers as plain values; None where there is none."""
    numbers = result.numbers

    def value(number: float) -> float | None:
        return None if math.isnan(number) else float(number)

    people, photographs, _ = result.places.shape
    return {
        "study": result.key.study,
        "participants": people,
        "photographs": photographs,
        "agreement": value(float(np.mean(numbers.agreement))),
        "prior_wins": PRIOR_WINS if numbers.prior else 0,
        "methods": {
            result.key.methods[index]: {
                "top": [float(share) for share in numbers.top[index]],
                "mean_place": value(numbers.mean_place[index]),
                "strength": value(numbers.strength[index]),
                "low": value(numbers.low[index]),
                "high": value(numbers.high[index]),
            }
            for index in result.order
        },
    }


def _figure(result: Result, folder: Path) -> None:
    """``study``: left how often each method had each place, right strengths with their intervals."""
    from matplotlib.ticker import LogLocator, NullLocator

    lines = range(len(result.order))
    with drawing(8.6, 1.3 + 0.36 * len(lines)) as figure:
        figure.set_layout_engine("constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _bars(left, result)
        for line, index in enumerate(result.order):
            numbers = result.numbers
            if not math.isnan(numbers.low[index]):
                right.plot(
                    [numbers.low[index], numbers.high[index]], [line] * 2, color=TRAINED, linewidth=2.2
                )
            right.plot(numbers.strength[index], line, "o", color=TRAINED, markersize=7)
        right.set_xscale("log")
        right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.xaxis.set_major_formatter("{x:g}")
        right.xaxis.set_minor_locator(NullLocator())
        right.set_xlabel("Bradley-Terry strength (log scale)")
        right.grid(axis="x", color="#e4e4e4", linewidth=0.8)
        right.set_axisbelow(True)
        left.set_yticks(lines, result.methods)
        left.set_ylim(len(lines) - 0.5, -0.5)
        for axes in (left, right):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
        for suffix in SUFFIXES:
            save(figure, folder / f"study.{suffix}")


def _bars(axes: Axes, result: Result) -> None:
    import matplotlib

    top = result.numbers.top[list(result.order)]
    count = len(top)
    shades = matplotlib.colormaps["Blues_r"](np.linspace(0.1, 0.85, count))
    for place in range(count):
        before = top[:, place - 1] if place else np.zeros(count)
        share = top[:, place] - before
        label = f"{place + 1}"
        axes.barh(range(count), share, 0.7, left=before, color=shades[place], edgecolor="white", label=label)
    for line, share in enumerate(top[:, 0]):
        if share >= 10:
            axes.text(share / 2, line, f"{share:.0f}", ha="center", va="center", color="white", fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_xlabel("rankings with the method in this place (%)")
    small = {"fontsize": 7.5, "title_fontsize": 7.5, "handlelength": 1, "columnspacing": 1}
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=min(count, 8), frameon=False, title="place", **small
    )
