"""Deep Image Prior at its published denoising setting: PSNR against iterations, and what an iteration costs.

    python docs/measure_dip.py PHOTOGRAPH --crop 512 --sigma 25 --minutes 40 --csv dip.csv --figure dip.png

Noise of the given standard deviation (of 255) is added to the crop in the photograph's middle and clipped, as
the authors do it. The numbers in docs/dip.md come from this program.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import click
import torch
from torch import Tensor

from baselines import dip
from benchmark.data import as_batch
from benchmark.method import Setting
from degradekit import imagefiles
from degradekit.levels import quantise
from degradekit.randomness import stream


class _TimeIsUpError(Exception):
    pass


@click.command()
@click.argument("photograph", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--crop", default=512, show_default=True, help="Side of the crop, a multiple of 32.")
@click.option("--sigma", default=25.0, show_default=True, help="Standard deviation of the noise, of 255.")
@click.option("--iterations", default=3000, show_default=True)
@click.option("--minutes", default=40.0, show_default=True, help="Stop earlier when they are over.")
@click.option("--width", default=1.0, show_default=True, help="Factor on the channels of the network.")
@click.option("--every", default=25, show_default=True, help="Iterations between two lines.")
@click.option("--threads", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the curve here.")
@click.option("--figure", type=click.Path(path_type=Path), help="Draw the curve here.")
@click.option("--pictures", type=click.Path(path_type=Path), help="Clean, noisy and restored side by side.")
def main(
    photograph: Path,
    crop: int,
    sigma: float,
    iterations: int,
    minutes: float,
    width: float,
    every: int,
    threads: int,
    seed: int,
    table: Path | None,
    figure: Path | None,
    pictures: Path | None,
) -> None:
    """Fit the published network to a noisy crop of PHOTOGRAPH and follow it."""
    torch.set_num_threads(threads)
    clean = as_batch(middle(photograph, crop))
    noise = stream(seed, "noise").standard_normal(tuple(clean.shape)).astype("float32")
    noisy = (clean + sigma / 255 * torch.from_numpy(noise)).clamp(0, 1)
    before_db = psnr_db(noisy, clean)
    click.echo(f"{photograph.name}, {crop}x{crop}, sigma {sigma:g}: noisy {before_db:.2f} dB")

    torch.manual_seed(seed)
    method = dip.DeepImagePrior(Setting(width=width), dip.DENOISING)
    start = time.monotonic()
    curve: list[tuple[int, float, float, float]] = []

    def write(mean: Tensor) -> None:
        if table:
            write_table(table, curve, before_db)
        if figure:
            draw(figure, curve, before_db, f"{photograph.name}, {crop}x{crop}, sigma {sigma:g}")
        if pictures:
            side_by_side = torch.cat([clean, noisy, mean], dim=3)[0].permute(1, 2, 0).numpy()
            pictures.write_bytes(imagefiles.encode_png(quantise(side_by_side)))

    def watch(iteration: int, newest: Tensor, mean: Tensor) -> None:
        seconds = time.monotonic() - start
        over = seconds > 60 * minutes
        if iteration % every == 0 or iteration == iterations or over:
            line = (iteration, seconds, psnr_db(newest, clean), psnr_db(mean, clean))
            curve.append(line)
            click.echo(f"{iteration:5d}  {seconds:7.1f} s  output {line[2]:.2f} dB  mean {line[3]:.2f} dB")
            # Hours of work: whatever ends it, what was seen is there.
            write(mean)
        if over:
            raise _TimeIsUpError

    try:
        dip.fit([method.networks["prior"]], noisy, None, method.task, iterations, watch)
    except (_TimeIsUpError, KeyboardInterrupt):
        click.echo(f"stopped after {(time.monotonic() - start) / 60:.0f} minutes")
    done, seconds, _, mean_db = curve[-1]
    click.echo(
        f"{done} iterations, {seconds / done:.3f} s each on {threads} threads: "
        f"{mean_db:.2f} dB, {mean_db - before_db:+.2f} dB over the noisy image"
    )


def middle(photograph: Path, crop: int):  # type: ignore[no-untyped-def]
    """The square of side ``crop`` in the middle, uint8 (crop, crop, 3)."""
    pixels = imagefiles.read(photograph).rgb
    height, width = pixels.shape[:2]
    if min(height, width) < crop or crop % 32:
        raise click.UsageError(f"a crop of {crop} does not fit {width}x{height}, or is no multiple of 32")
    top, left = (height - crop) // 2, (width - crop) // 2
    return pixels[top : top + crop, left : left + crop]


def psnr_db(image: Tensor, clean: Tensor) -> float:
    """PSNR of images in [0, 1], in dB."""
    return float(-10 * torch.log10((image - clean).square().mean()))


def write_table(path: Path, curve: list[tuple[int, float, float, float]], before_db: float) -> None:
    """One line per point of the curve."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["iteration", "seconds", "output_db", "mean_db", "mean_gain_db"])
        for iteration, seconds, output, mean in curve:
            row = (seconds, output, mean, mean - before_db)
            writer.writerow([iteration, *(f"{value:.3f}" for value in row)])


def draw(path: Path, curve: list[tuple[int, float, float, float]], before_db: float, title: str) -> None:
    """PSNR of the newest output and of the running mean, and of the noisy image, against iterations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    iterations = [line[0] for line in curve]
    axes.plot(iterations, [line[2] for line in curve], label="newest output", linewidth=1)
    axes.plot(iterations, [line[3] for line in curve], label="running mean")
    axes.axhline(before_db, color="gray", linestyle=":", label="noisy image")
    axes.axhline(before_db + 7, color="gray", linestyle="--", label="noisy image + 7 dB")
    axes.set(xlabel="iterations", ylabel="PSNR (dB)", title=title)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
