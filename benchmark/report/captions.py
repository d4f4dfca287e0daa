"""The caption of a table: what the numbers in it are."""

from __future__ import annotations

from benchmark import significance
from benchmark.report import Report, picked
from benchmark.report.numbers import joined
from benchmark.report.text import ORACLE
from benchmark.statistics import LEVEL, RESAMPLES

SELECTED = {
    "last": "the last step's weights",
    "best": "the weights with the best validation PSNR",
}
NOT_PUBLISHED = "These are not the papers' numbers."


def caption(report: Report) -> list[str]:
    """What was trained, on what, tested how; one sentence or two per entry."""
    profile, train = report.profile, report.profile.train
    counts = report.data["photographs"]
    width = "published width" if profile.width == 1 else f"{profile.width:g} of the published width"
    lines = [
        f"Profile {profile.name}, seed {profile.seed}{_training_seeds(report)}. Networks at {width}; "
        f"budget of every trained method: {train.budget} of {train.batch} crops of {train.crop} px, "
        f"{train.precision}, {SELECTED[train.select]}, on {counts['train']} training photographs "
        f"(and {counts['val']} to watch).",
    ]
    if not profile.as_published():
        lines.append(NOT_PUBLISHED)
    if not report.scored:
        return [*lines, "No method that restores has finished: a detector's curves are in figures/."]
    lines.append(
        f"Tested on {_images(report)} of {counts['test']} photographs that were not trained on; "
        f"recipe {report.data['recipe']['name']} ({report.data['recipe']['sha256'][:12]})."
    )
    lines += _means(report)
    lines.append(_bold(report))
    lines += _partial(report)
    if any(line.oracle for line in report.lines):
        lines.append(f"{ORACLE} is told where the damage is, and does not compete for bold.")
    lines += [f"{line.name}: {note}." for line in report.scored for note in line.about.get("notes", ())]
    infinite = sum(s.infinite for line in report.scored for s in line.summaries.values())
    if infinite:
        lines.append("+n∞: n photographs restored exactly, not in the mean.")
    lines += _notes(report)
    lines.append("Conventions: " + ", ".join(metric.convention for metric in report.metrics) + ".")
    return lines


def _images(report: Report) -> str:
    """How many test images there are, if a metric is a number of each."""
    names = {metric.name for metric in report.metrics if metric.scope in picked.OF_AN_IMAGE}
    images = {row.image for row in report.rows if row.metric in names}
    return f"{len(images)} degraded images" if images else "degraded images"


def _training_seeds(report: Report) -> str:
    """What methods drew from, unless that is the seed of the data."""
    if report.seeds in ((), (report.profile.seed,)):
        return ""
    word = "seed" if len(report.seeds) == 1 else "seeds"
    return f", training {word} {', '.join(map(str, report.seeds))}"


def _means(report: Report) -> list[str]:
    """What is averaged, what the intervals are over; for several seeds also which methods lack one."""
    count = len(report.seeds)
    if count < 2:
        return [
            f"Means over photographs; in brackets {LEVEL:.0%} bootstrap intervals over photographs "
            f"({RESAMPLES:,} resamples)."
        ]
    return [
        f"Means over photographs, each averaged over {count} training seeds; ± the sample standard deviation "
        f"between the means of single seeds, where they differ; in brackets {LEVEL:.0%} bootstrap intervals "
        f"over seeds and photographs ({RESAMPLES:,} resamples).",
        f"Pictures are those of training seed {report.seeds[0]}.",
        *[
            f"{line.name} has no numbers of {joined(line.without, count)}; it does not compete for bold."
            for line in report.scored
            if line.without
        ],
    ]


def _bold(report: Report) -> str:
    """What bold means, or why nothing is."""
    count, methods = len(report.photographs), len(report.scored)
    averaged = ", averaged over seeds" if len(report.seeds) > 1 else ""
    if significance.decidable(count, methods):
        return (
            "Bold: the best mean, and those not significantly worse (paired Wilcoxon signed-rank test "
            f"over photographs{averaged}, Holm's correction for all pairs of methods, "
            f"{significance.ALPHA:.0%} level)."
        )
    return (
        f"Nothing is bold: {count} photographs are too few for any difference between {methods} methods to "
        "be significant."
    )


def _partial(report: Report) -> list[str]:
    """How methods that were tested on fewer images than others are compared; nothing if there are none."""
    partial = {
        name
        for metric in report.metrics
        if metric.scope in picked.OF_AN_IMAGE
        for name in report.partial.get(metric.name, ())
    }
    if not partial:
        return []
    return [
        f"Tested on fewer images than others: {', '.join(sorted(partial))}. Pairs of methods are compared on "
        "the images that both were tested on; ranks leave these methods out."
    ]


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
