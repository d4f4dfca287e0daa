"""The page that participants rank on: one file that loads nothing and names no method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from string import Template

from benchmark.report import inlined
from benchmark.study_answers import ANSWERS_FORMAT


@dataclass(frozen=True)
class Shown:
    """A photograph as a participant sees it.

    Args:
        trial: its token.
        width: of all its images, in pixels.
        height: the same.
        degraded: what was restored, as a data URI.
        outputs: token -> data URI, sorted by token.
    """

    trial: str
    width: int
    height: int
    degraded: str
    outputs: dict[str, str]


def render(study: str, trials: Sequence[Shown]) -> str:
    """The page of the study called ``study``; every participant sees trials and outputs in another order."""
    data = {"study": study, "format": ANSWERS_FORMAT, "trials": [asdict(trial) for trial in trials]}
    return Template(inlined.part("benchmark.study_page", "study.html")).substitute(
        css=inlined.base_css() + inlined.part("benchmark.study_page", "study.css"),
        js=inlined.part("benchmark.study_page", "study.js"),
        data=inlined.script_json(data),
        photographs=len(trials),
        outputs=len(trials[0].outputs),
    )
