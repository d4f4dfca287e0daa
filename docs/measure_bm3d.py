"""Measures BM3D on Set12's gray photographs and prints the tables of docs/bm3d.md.

``python docs/measure_bm3d.py SET12``, a folder with 01.png .. 12.png as denoising papers use them. Noise is
added to values in [0, 255] and neither rounded nor clipped. Where the authors' ``bm3d`` package is installed
(its licence is non-commercial: for this comparison only), it takes turns with ours and is timed as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from baselines.bm3d import denoise, estimate_noise, white_noise

Plane = NDArray[np.float64]
Denoiser = Callable[[Plane, float], Plane]

#: Dabov et al. 2007, Table III; at sigma 50 the figures of Hou et al.'s settings that later papers print.
PUBLISHED = {
    ("House", 25): 32.86,
    ("Peppers", 25): 30.16,
    ("Lena", 25): 32.08,
    ("Barbara", 25): 30.72,
    ("Boat", 25): 29.91,
    ("House", 50): 29.69,
    ("Lena", 50): 29.05,
}
FILES = {"House": "02.png", "Peppers": "03.png", "Lena": "08.png", "Barbara": "09.png", "Boat": "10.png"}
SEEDS = 3
ROUNDS = 3


def ours(noisy: Plane, sigma: float) -> Plane:
    """With the true noise level, values in [0, 255]."""
    image = torch.from_numpy((noisy / 255).astype(np.float32))[None, None]
    return 255 * denoise(image, white_noise(sigma / 255, 1))[0, 0].double().numpy()


def blind(noisy: Plane, sigma: float) -> Plane:
    """With the estimated one, which ``sigma`` has no part in."""
    image = torch.from_numpy((noisy / 255).astype(np.float32))[None, None]
    return 255 * denoise(image, estimate_noise(image))[0, 0].double().numpy()


def package() -> Denoiser | None:
    """The authors' package, or None where it is not installed."""
    try:
        import bm3d
    except ImportError:
        return None
    module: Any = bm3d
    return lambda noisy, sigma: 255 * np.asarray(module.bm3d(noisy / 255, sigma / 255))


def with_noise(clean: Plane, sigma: float, seed: int) -> Plane:
    """Gaussian noise added."""
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


def psnr(image: Plane, clean: Plane) -> float:
    """Of values in [0, 255], in dB."""
    return float(10 * np.log10(255**2 / np.mean((image - clean) ** 2)))


def quality(folder: Path, other: Denoiser | None) -> list[str]:
    """PSNR, mean over seeds of the noise."""
    lines = [
        "| photograph | sigma | published | ours | noise level estimated | package |",
        "|---|---|---|---|---|---|",
    ]
    for (name, sigma), published in PUBLISHED.items():
        clean = read(folder / FILES[name])
        means = []
        for denoiser in (ours, blind, other):
            if denoiser is None:
                means.append("-")
                continue
            values = [psnr(denoiser(with_noise(clean, sigma, s), sigma), clean) for s in range(SEEDS)]
            means.append(f"{np.mean(values):.2f}")
        lines.append(f"| {name}, {len(clean)} px | {sigma} | {published:.2f} | {' | '.join(means)} |")
    return lines


def speed(folder: Path, other: Denoiser | None) -> list[str]:
    """Seconds of both, taking turns."""
    lines = ["| size | ours, s | package, s | ours over package, each turn |", "|---|---|---|---|"]
    for name in ("House", "Lena"):
        noisy = with_noise(read(folder / FILES[name]), 25, 0)
        turns = []
        for _ in range(ROUNDS):
            turns.append((_seconds(ours, noisy), _seconds(other, noisy) if other else float("nan")))
        mine, theirs = np.min(turns, axis=0)
        ratios = ", ".join(f"{a / b:.2f}" for a, b in turns)
        lines.append(f"| {len(noisy)}x{len(noisy)} | {mine:.2f} | {theirs:.2f} | {ratios} |")
    return lines


def read(path: Path) -> Plane:
    """Gray values in [0, 255]."""
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        sys.exit(f"{path}: no such photograph")
    return pixels.astype(np.float64)


def _seconds(denoiser: Denoiser, noisy: Plane) -> float:
    start = time.perf_counter()
    denoiser(noisy, 25)
    return time.perf_counter() - start


def main() -> None:
    """Print both tables."""
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/measure_bm3d.py FOLDER_OF_SET12")
    folder, other = Path(sys.argv[1]), package()
    torch.set_num_threads(2)
    lines = [*speed(folder, other), "", *quality(folder, other)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
