"""Folders of pairs for tests, written as degradekit writes them, without rendering a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import picture

from degradekit import atomicfiles, imagefiles

Pixels = NDArray[np.uint8]


def write(folder: Path, count: int = 4, height: int = 64, width: int = 96, variants: int = 1) -> Path:
    """``count`` photographs: the degraded one is darker, and white where the mask says so."""
    atomicfiles.write_json(folder / "run.json", {})
    lines = []
    for number in range(count):
        for variant in range(variants):
            stem = f"photo{number}_{variant}"
            clean = picture(number, height, width)
            mask = np.zeros((height, width), np.uint8)
            mask[4 + variant : 12, 8:20] = 255
            degraded = (clean * (0.8 - 0.1 * variant)).astype(np.uint8)
            degraded[mask > 0] = 255
            for kind, pixels in (("clean", clean), ("degraded", degraded), ("masks/any", mask)):
                atomicfiles.write_bytes(folder / kind / f"{stem}.png", imagefiles.encode_png(pixels))
            row = {
                "file_name": f"degraded/{stem}.png",
                "clean_file_name": f"clean/{stem}.png",
                "mask_file_name": f"masks/any/{stem}.png",
                "key": f"photo{number}.png",
                "group": f"photo{number}.png",
                "variant": variant,
                "sha256": imagefiles.pixel_hash(degraded),
            }
            lines.append(json.dumps(row) + "\n")
    atomicfiles.write_text(folder / "metadata.jsonl", "".join(lines))
    return folder
