"""Tables as text: cells to Markdown, and to LaTeX for the package booktabs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

#: Marks a method that is told where the damage is.
ORACLE = "†"

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
    "±": r"$\pm$",
    ORACLE: r"\textdagger{}",
}


def plain(value: object) -> object:
    """``value`` as a cell of a CSV file: NaN becomes NA."""
    return "NA" if isinstance(value, float) and math.isnan(value) else value


def pipes(cells: Iterable[str]) -> str:
    """A line of a table in GitHub's Markdown."""
    return "| " + " | ".join(cells) + " |"


def rule(columns: int) -> str:
    """The line below the headings in Markdown: the first column left, numbers right."""
    return pipes(["---"] + ["---:"] * (columns - 1))


def tex(text: str) -> str:
    """``text`` with the signs escaped that LaTeX would take for its own."""
    return "".join(_TEX.get(sign, sign) for sign in text)


def booktabs(caption: Iterable[str], headings: Sequence[str], body: Iterable[str]) -> str:
    """A floating table for booktabs.

    Args:
        caption: sentences, not escaped yet.
        headings: one per column, not escaped yet; the first column is left-aligned, the others right.
        body: lines of LaTeX, each with its cells joined by ``&`` and its end.
    """
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{tex(' '.join(caption))}}}",
            f"\\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
            r"\toprule",
            " & ".join(map(tex, headings)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
