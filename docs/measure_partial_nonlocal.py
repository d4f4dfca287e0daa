"""Measures the partial non-local block against its formula written out; the table is in docs/triplet.md.

``python docs/measure_partial_nonlocal.py``. Each cell is a process of its own: peak memory beyond what torch
and the inputs take, and seconds of one thread. The formula keeps matrices of (positions x positions).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from reference_model.partial_nonlocal import PartialNonLocal

PAGE = Path(__file__).parent / "triplet.md"
BEGIN, END = "<!-- partial non-local: begin -->", "<!-- partial non-local: end -->"
CHANNELS, DEFECT_FRAC = 128, 0.1
#: Photographs of these sizes; features have a quarter of the side.
SIZES = ((256, 256), (384, 384), (512, 512), (800, 1200))
#: The formula's four matrices take more than this beyond here.
DENSE_LIMIT_GIB = 2.0


def dense(block: PartialNonLocal, features: Tensor, hole: Tensor) -> Tensor:
    """Softmax over all positions, times validity, divided by its sum, as the public code computes it."""
    theta, phi, g = (layer(features).flatten(2) for layer in (block.theta, block.phi, block.g))
    weights = torch.softmax(theta.transpose(1, 2) @ phi, dim=2) * (~hole).flatten(2)
    weights = weights / weights.sum(dim=2, keepdim=True)
    return torch.where(hole, block.out((g @ weights.transpose(1, 2)).view_as(features)), features)


def inputs(height: int, width: int) -> tuple[PartialNonLocal, Tensor, Tensor]:
    """Block, features and a band of defects."""
    torch.manual_seed(0)
    block = PartialNonLocal(CHANNELS)
    features = torch.randn(1, CHANNELS, height // 4, width // 4)
    hole = torch.zeros(1, 1, height // 4, width // 4, dtype=torch.bool)
    hole[..., : round(DEFECT_FRAC * height / 4), :] = True
    return block, features, hole


def measure(kind: str, height: int, width: int) -> dict[str, float]:
    """In this process: seconds and MiB beyond the start; for "both" the largest difference instead."""
    torch.set_num_threads(1)
    block, features, hole = inputs(height, width)
    with torch.no_grad():
        if kind == "both":
            difference = dense(block, features, hole) - block(features, hole.float())
            return {"difference": float(difference.abs().max())}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        _ = dense(block, features, hole) if kind == "dense" else block(features, hole.float())
        seconds = time.process_time() - start
    return {
        "seconds": seconds,
        "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def table() -> str:
    """Markdown, one row per size."""
    lines = [
        "| photograph | positions | formula: memory | block: memory | formula: s | block: s | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for height, width in SIZES:
        positions = (height // 4) * (width // 4)
        ours = _apart("block", height, width)
        gib = 4 * positions**2 * 3 / 2**30
        if gib < DENSE_LIMIT_GIB:
            theirs, both = _apart("dense", height, width), _apart("both", height, width)
            cells = f"{theirs['mib']:,.0f} MiB | {ours['mib']:,.0f} MiB | {theirs['seconds']:.1f} | "
            cells += f"{ours['seconds']:.1f} | {both['difference']:.0e}"
        else:
            cells = f"({gib:,.0f} GiB) | {ours['mib']:,.0f} MiB | | {ours['seconds']:.1f} |"
        lines.append(f"| {width}x{height} | {positions:,} | {cells} |")
    return "\n".join(lines)


def _apart(kind: str, height: int, width: int) -> dict[str, float]:
    command = [sys.executable, __file__, kind, str(height), str(width)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Write the table into the page, or measure one cell."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
        return
    text = PAGE.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(f"{text[:begin]}\n{table()}\n{text[end:]}")


if __name__ == "__main__":
    main()
