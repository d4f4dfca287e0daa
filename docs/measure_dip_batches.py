"""Deep Image Prior on several images at a time: time and memory against one after the other.

    python docs/measure_dip_batches.py --width 0.125 --side 96 --threads 2

The table in docs/dip.md comes from this program. Each line is a process of its own, so that peaks of
memory do not hide each other.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import click
import torch

from baselines import dip
from benchmark.data import as_batch
from benchmark.method import Setting
from degradekit import deadleaves


@click.command()
@click.option("--method", "name", type=click.Choice(["dip", "dip_masked"]), default="dip", show_default=True)
@click.option("--width", default=1.0, show_default=True, help="Factor on the channels of the network.")
@click.option("--side", default=256, show_default=True, help="Side of the square images.")
@click.option("--images", default=4, show_default=True)
@click.option("--iterations", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--at-once", type=int, help="Only this number at a time; else 1, 2, 4 ... images.")
def main(
    name: str, width: float, side: int, images: int, iterations: int, threads: int, at_once: int | None
) -> None:
    """Time per iteration and image, and peak memory, for growing numbers of images at a time."""
    if at_once is None:
        at_once = 1
        while at_once <= images:
            subprocess.run([sys.executable, *sys.argv, "--at-once", str(at_once)], check=True)
            at_once *= 2
        return
    torch.set_num_threads(threads)
    task = dip.DENOISING if name == "dip" else dip.INPAINTING
    target = torch.cat([as_batch(deadleaves.render(number)[:side, :side]) for number in range(images)])
    if target.shape[2:] != (side, side):
        raise click.UsageError(f"--side: at most {min(target.shape[2:])}, got {side}")
    mask = torch.zeros(1, 1, side, side)
    mask[..., side // 4 : side // 2, side // 4 : side // 2] = 1
    method = dip.DeepImagePrior(Setting(width=width, per_image_iterations=1), task)

    def go() -> None:
        for start in range(0, images, at_once):
            part = target[start : start + at_once]
            lost = mask.expand(len(part), -1, -1, -1) if name == "dip_masked" else None
            method.restore_many(part, lost, range(start, start + len(part)))

    go()
    method.iterations = iterations
    started = time.monotonic()
    go()
    seconds = (time.monotonic() - started) / (iterations * images)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    click.echo(
        f"{name}, width {width:g}, {side}x{side}, {threads} threads, {at_once} at a time: "
        f"{seconds:.4f} s per iteration and image, peak of the process {peak_mb:.0f} MB, "
        f"expected of the images {method.footprint(side, side) * at_once / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
