"""``report.html``: one page with everything in it, that loads nothing from anywhere."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from benchmark.data import PairSet, Pixels
from benchmark.metrics import Metric
from benchmark.report import Line, Report, captions, inlined, picked, tables
from benchmark.significance import Comparison
from benchmark.store import Store
from degradekit import atomicfiles, imagefiles

#: Longest side of an image in the page; larger ones are shrunk.
SIDE_PX = 640
#: Images up to so many bytes, all together, are kept without loss.
LOSSLESS_BYTES = 12 << 20
#: What stands after a mean.
SPREAD = re.compile(r" (± \S+(?: \[.*\])?|\[.*\])")
NO_EXAMPLES = "<p>No method has restored images, or no metric says one thing of each to pick them by.</p>"
CHART_TITLES = {
    "detection": "Detected damage: ROC, precision and recall",
    "learning": "Learning: validation PSNR along the budget",
    "cost": "Quality against training time",
    "perception": "Perception against distortion",
    "coverage": "By share of the picture that is lost",
    "severity": "By how degraded the input is",
    "ranks": "Mean ranks and critical difference",
}


def write(report: Report, store: Store, shown: Report, run: Store) -> None:
    """Write the page of a run, from its rows, images and figures.

    Args:
        report: its numbers.
        store: the folder of the page, where the figures are drawn already.
        shown: numbers of the run whose images are shown.
        run: that run; of a run of one seed the same as ``store``.
    """
    names = ("page.html", "images.html", "page.css", "page.js")
    parts = {name: inlined.part("benchmark.report", "page", name) for name in names}
    examples = _examples(shown, run)
    page = Template(parts["page.html"]).substitute(
        title=escape(f"degradekit benchmark: {store.folder.resolve().name}"),
        subtitle=escape(report.profile.summary),
        css=inlined.base_css() + parts["page.css"],
        js=parts["page.js"],
        table=_table(report),
        caption="".join(f'<p class="soft">{escape(line)}</p>' for line in captions.caption(report)),
        comparisons=_seeds(report) + _comparisons(report.comparisons),
        examples=parts["images.html"] if examples else NO_EXAMPLES,
        charts=_charts(store.folder / "figures"),
        provenance=_provenance(report),
        data=inlined.script_json({"examples": examples}),
    )
    atomicfiles.write_text(store.folder / "report.html", page)


def _table(report: Report) -> str:
    heads = ['<th scope="col"><button type="button">method</button></th>']
    for metric in report.metrics:
        first = "descending" if metric.better == "higher" else "ascending"
        heads.append(
            f'<th scope="col" data-first="{first}" title="{escape(metric.convention)}">'
            f'<button type="button">{escape(metric.heading)}</button></th>'
        )
    heads += [
        f'<th scope="col"><button type="button">{name}</button></th>' for name in ("trained on", "parameters")
    ]
    rows = "".join(_row(line, report) for line in report.lines)
    head = f"<thead><tr>{''.join(heads)}</tr></thead>"
    return f'<table class="sortable" id="results">{head}<tbody>{rows}</tbody></table>'


def _row(line: Line, report: Report) -> str:
    summary = escape(str(line.about.get("summary", "")))
    cells = [f'<th scope="row" title="{summary}">{escape(tables.name(line, report))}</th>']
    if line.failure:
        span = len(report.metrics) + 2
        return f'<tr>{cells[0]}<td class="failed" colspan="{span}">failed: {escape(line.failure)}</td></tr>'
    for metric in report.metrics:
        of_metric = line.summaries[metric.name]
        text = SPREAD.sub(r' <span class="range">\1</span>', escape(tables.cell(of_metric, metric)))
        value = _sorted_by(of_metric.mean)
        cells.append(f'<td data-value="{value}"{" class=best" if of_metric.best else ""}>{text}</td>')
    trained = escape(str(line.about.get("trains", "-"))) if line.trained else "-"
    count = f"{line.parameters:,}" if line.trained else "-"
    cells += [f"<td>{trained}</td>", f'<td data-value="{line.parameters}">{count}</td>']
    return f"<tr>{''.join(cells)}</tr>"


def _sorted_by(value: float) -> str:
    """Not a number sorts last, infinity first or last as it should."""
    return "NaN" if math.isnan(value) else str(value).replace("inf", "Infinity")


def _seeds(report: Report) -> str:
    """Means of single seeds; "" if there is one."""
    if len(report.seeds) < 2 or not report.scored:
        return ""
    heads = ["method", "metric", *[f"seed {seed}" for seed in report.seeds]]
    rows = []
    for line in report.scored:
        for metric in report.metrics:
            means = report.seed_means[metric.name][line.name].tolist()
            cells = "".join(
                f'<td data-value="{_sorted_by(mean)}">'
                f"{'NA' if math.isnan(mean) else f'{mean:.{metric.decimals}f}'}</td>"
                for mean in means
            )
            rows.append(
                f'<tr><th scope="row">{escape(line.name)}</th><td>{escape(metric.heading)}</td>{cells}</tr>'
            )
    return _folded("means of single seeds", "Means of single seeds", heads, "".join(rows))


def _folded(title: str, label: str, heads: Sequence[str], rows: str) -> str:
    """A table behind a line that opens it."""
    head = "".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in heads)
    return (
        f"<details><summary>{title}</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></details>"
    )


def _comparisons(comparisons: Mapping[str, Sequence[Comparison]]) -> str:
    shown = []
    for metric, pairs in comparisons.items():
        rows = "".join(
            f'<tr><th scope="row">{escape(pair.first)}</th><td>{escape(pair.second)}</td>'
            f'<td data-value="{pair.shift}">{pair.shift:.3g}</td>'
            f'<td data-value="{pair.effect}">{pair.effect:.2f}</td>'
            f'<td data-value="{pair.p}">{pair.p:.3g}</td>'
            f'<td data-value="{pair.adjusted}">{pair.adjusted:.3g}</td></tr>'
            for pair in pairs
        )
        title = f"{escape(metric)}: paired tests over photographs (Wilcoxon, Holm)"
        heads = ("better", "worse", "shift", "effect", "p", "p (Holm)")
        shown.append(_folded(title, f"Paired tests of {escape(metric)}", heads, rows))
    return "".join(shown)


def chosen(report: Report, metric: Metric) -> list[tuple[str, str]]:
    """(why, stem) of the images shown, of those that every method restored.

    By the mean over methods the hardest, the median and the easiest; and the one they disagree on most.
    """
    shared = picked.ranked(report, metric, math.isfinite)
    if not shared:
        return []
    ranked = list(shared)
    apart = max(ranked, key=lambda image: (float(np.std(shared[image])), image))
    picks = [
        ("hardest", ranked[0]),
        ("median", ranked[len(ranked) // 2]),
        ("easiest", ranked[-1]),
        ("methods disagree most", apart),
    ]
    return list({stem: (why, stem) for why, stem in reversed(picks)}.values())[::-1]


def _examples(report: Report, store: Store) -> list[dict[str, Any]]:
    metric = picked.leading(report)
    if metric is None:
        return []
    pairs = PairSet(store.data("test"))
    values = {(row.method, row.image): row.value for row in report.rows if row.metric == metric.name}
    examples = []
    picks = chosen(report, metric)
    budget = LOSSLESS_BYTES // max(len(picks) * (len(report.scored) + 2), 1)
    for why, stem in picks:
        index = pairs.stems.index(stem)
        clean, degraded = pairs.clean(index), pairs.degraded(index)
        before = picked.of_degraded(metric, pairs, index)
        versions = {"degraded": _version(degraded, budget, _value(metric, before))}
        for line in report.scored:
            path = store.restored(line.name) / f"{stem}.png"
            if path.is_file():
                pixels = imagefiles.read(path).rgb.astype(np.uint8)
                versions[line.name] = _version(pixels, budget, _value(metric, values[line.name, stem]))
        versions["clean"] = _version(clean, budget, "")
        height, width = clean.shape[:2]
        title = f"{why}: {pairs.rows[index]['key']}"
        examples.append({"title": title, "width": width, "height": height, "versions": versions})
    return examples


def _value(metric: Metric, value: float) -> str:
    return f"{picked.text(metric, value)} {metric.unit}".strip()


def _version(pixels: Pixels, most: int, value: str) -> dict[str, str]:
    pixels = inlined.shrunk(pixels, SIDE_PX)
    coded, kind = imagefiles.encode_png(pixels), "png"
    if len(coded) > most:
        coded, kind = imagefiles.encode_jpeg(pixels, 92), "jpeg"
    return {"uri": inlined.data_uri(coded, kind), "value": value}


def _charts(folder: Path) -> str:
    figures = []
    for name, title in CHART_TITLES.items():
        path = folder / f"{name}.svg"
        if path.is_file():
            uri = inlined.data_uri(path.read_bytes(), "svg+xml")
            figures.append(
                f'<figure><img src="{uri}" alt="{escape(title)}">'
                f"<figcaption>{escape(title)}</figcaption></figure>"
            )
    return "".join(figures) or "<p>This run has nothing to draw curves of.</p>"


def _provenance(report: Report) -> str:
    described = {
        "configuration": report.profile.model_dump(mode="json"),
        "training seeds": report.seeds,
        "data": {key: report.data[key] for key in ("recipe", "photographs")},
        "methods": {line.name: line.about for line in report.lines},
    }
    text = json.dumps(described, indent=1, ensure_ascii=False)
    return (
        "<p>Every number above comes from <code>rows.csv</code> of this run. What was asked for, of what "
        "data, by which methods:</p><details><summary>configuration</summary>"
        f"<pre>{escape(text)}</pre></details>"
    )
