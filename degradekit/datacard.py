"""What a data set is, at a glance: counts, coverage, difficulty, sizes, licences, versions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from degradekit import manifest, pairs, proof
from degradekit.imagefiles import Bitmap
from degradekit.levels import Pixels, quantise
from degradekit.reading import DataSet

#: Pairs whose PSNR is measured; reading all would take as long as making them.
PSNR_SAMPLES = 32


def describe(folder: Path) -> dict[str, Any]:
    """The data card of a finished data set, as JSON values.

    Coverage per class: ``mean`` over all samples, ``largest``, and ``present``, the share of samples that
    have any. PSNR (dB) of degraded against clean pictures over at most ``PSNR_SAMPLES`` drawn samples.

    Raises:
        DataError: ``folder`` is no data set, or is unfinished or damaged.
    """
    data = DataSet(folder)
    licences: Counter[str] = Counter()
    keys, groups = set[str](), set[str]()
    widths, heights = [math.inf, 0.0], [math.inf, 0.0]
    coverage = {name: np.zeros(3) for name in ("any", *data.classes)} if data.layout.pictures else {}
    for row in data.rows():
        licences[str(row["licence"])] += 1
        keys.add(str(row["key"]))
        groups.add(str(row["group"]))
        for span, side in ((widths, row["width"]), (heights, row["height"])):
            span[:] = min(span[0], side), max(span[1], side)
        for name, sums in coverage.items():
            value = float(row[f"coverage_{name}"])
            sums += (value, value > 0, 0)
            sums[2] = max(sums[2], value)
    count = len(data)
    return {
        "folder": str(folder),
        "samples": count,
        "failed": manifest.read_json(folder / manifest.DONE)["errors"],
        "photographs": len(keys),
        "scenes": len(groups),
        "recipe": str(data.run["recipe"].get("name")),
        "seed": data.run["seed"],
        "layout": data.layout.name,
        "image_format": data.coding.describe(),
        "width_px": [int(side) for side in widths] if count else [],
        "height_px": [int(side) for side in heights] if count else [],
        "bytes": _size(data),
        "coverage": {
            name: {
                "mean": round(sums[0] / max(count, 1), 6),
                "largest": round(float(sums[2]), 6),
                "present": round(sums[1] / max(count, 1), 4),
            }
            for name, sums in coverage.items()
        },
        "psnr_db": _psnr(data),
        "licences": dict(sorted(licences.items())),
        "versions": {name: data.run.get(name) for name in pairs.versions()},
    }


def text(card: Mapping[str, Any]) -> str:
    """The card for people."""
    lines = [
        f"{card['folder']}: {card['samples']} samples of {card['photographs']} photographs"
        f" ({card['scenes']} scenes), {card['failed']} failed",
        f"recipe     {card['recipe']}, seed {card['seed']}",
        f"layout     {card['layout']}, {' '.join(map(str, card['image_format'].values()))},"
        f" {amount(card['bytes'])}",
    ]
    if card["samples"]:
        widths, heights = (" to ".join(map(str, sorted({*card[side]}))) for side in ("width_px", "height_px"))
        lines.append(f"pixels     {widths} wide, {heights} high")
    if card["psnr_db"]["samples"]:
        psnr = card["psnr_db"]
        lines.append(f"PSNR       {psnr['mean']:.2f} dB, sd {psnr['sd']:.2f}, over {psnr['samples']} samples")
    for name, values in card["coverage"].items():
        shares = (values[key] for key in ("mean", "largest", "present"))
        lines.append(
            "coverage   {:10} mean {:7.3%}, largest {:7.3%}, in {:4.0%} of samples".format(name, *shares)
        )
    lines += [f"licence    {name}: {count} samples" for name, count in card["licences"].items()]
    lines.append("made with  " + ", ".join(f"{name} {value}" for name, value in card["versions"].items()))
    return "\n".join(lines)


def amount(size: float) -> str:
    """Bytes for people: 12.3 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def duration(seconds: float) -> str:
    """Seconds for people: 3.5 min."""
    for unit, length in (("s", 60), ("min", 60), ("h", 24)):
        if seconds < length:
            return f"{seconds:.2g} {unit}"
        seconds /= length
    return f"{seconds:.3g} days"


def _size(data: DataSet) -> int:
    """Bytes of all files, those too that are links to photographs elsewhere."""
    return sum(path.stat().st_size for path in data.folder.rglob("*") if path.is_file())


def _psnr(data: DataSet) -> dict[str, Any]:
    values = []
    drawn = proof.chosen_rows(len(data), str(PSNR_SAMPLES)) if len(data) else []
    for number in drawn or []:
        row = data.row(number)
        clean, degraded = _eight_bit(data.clean(row)), _eight_bit(data.degraded(row))
        error = float(np.mean(np.square(clean.astype(np.int32) - degraded)))
        if error > 0:
            values.append(10 * math.log10(255**2 / error))
    mean, sd = (round(float(f(values)), 3) if values else None for f in (np.mean, np.std))
    return {"mean": mean, "sd": sd, "samples": len(values)}


def _eight_bit(bitmap: Bitmap) -> Pixels:
    return bitmap.rgb if bitmap.bits == 8 else quantise(bitmap.image())
