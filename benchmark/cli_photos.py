"""Commands that apply a run's methods to photographs: ``benchmark restore`` and ``benchmark detect``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from degradekit.commandline import STORAGE, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.photographs import Progress
    from degradekit.levels import Pixels

PHOTOS = click.argument(
    "photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO..."
)
RUN = click.option(
    "--run",
    "run_folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of the run that trained it.",
)
OUT = click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for the results."
)
TILE = click.option(
    "--tile",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Largest side worked on in one piece  [default: the method's; without one, it sees the whole]",
)
#: Height of the pictures on the sheet, in pixels.
SHEET_HEIGHT = 480
SHEET = "before-after.jpg"


@click.command()
@PHOTOS
@RUN
@click.option("--method", required=True, metavar="NAME", help="Method to restore with.")
@OUT
@click.option(
    "--mask",
    "masks",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where the picture is lost, white = lost: an image, or a folder of images named as the photographs.",
)
@click.option("--sheet", is_flag=True, help=f"Write {SHEET} too: every photograph before and after.")
@TILE
def restore(
    photos: tuple[Path, ...],
    run_folder: Path,
    method: str,
    out: Path,
    masks: Path | None,
    sheet: bool,
    tile: int | None,
) -> None:
    """Restore photographs with a method of a run, at their full size.

    Writes DIR/STEM.png for every PHOTO (files or folders), with its size, bit depth, transparency, colour
    profile and EXIF. A method that needs to know where the picture is lost gets the mask you give, or else
    what the run's detector finds. A photograph that fails is listed, the others are done; the exit code is 3.
    """
    from benchmark import photofiles, photographs
    from degradekit import levels

    files = photofiles.listed(photos)
    _refuse_overwriting(files, out)
    applied = photographs.load(run_folder, method, tile)
    source = photographs.wants_mask(applied.declaration, given=masks is not None)
    detector = photographs.detector_of(run_folder) if source == "detected" else None
    pages: list[NDArray[np.uint8]] = []

    def one(stem: str, path: Path, report: Progress) -> None:
        photo = photofiles.read(path)
        image = photo.bitmap.image()
        mask = None
        if masks is not None:
            mask = _mask(masks, stem, len(files), image.shape[:2])
        elif detector is not None:
            mask = detector.detect(image, lambda done, total: None)
        restored = levels.quantise(applied.restore(image, mask, stem, report), photo.bitmap.bits)
        photofiles.write(out / f"{stem}.png", restored, photo)
        if sheet:
            pages.append(_page(photo.bitmap.rgb, restored, path.name))

    try:
        _each(files, f"tiles by {method}", one)
    finally:
        if pages:
            _write_sheet(out / SHEET, pages)
    say(f"{len(files)} photographs restored into {out}")


@click.command()
@PHOTOS
@RUN
@OUT
@click.option("--detector", "name", metavar="NAME", help="Which one.  [default: the one the run uses]")
@TILE
def detect(photos: tuple[Path, ...], run_folder: Path, out: Path, name: str | None, tile: int | None) -> None:
    """Find where photographs are damaged, with the detector of a run.

    Writes DIR/STEM.png for every PHOTO (files or folders): 16 bit gray, the probability that the picture is
    lost there, as large as the photograph. 'benchmark roc --scores DIR --masks DIR' scores such maps. A
    photograph that fails is listed, the others are done, and the exit code is 3.
    """
    from benchmark import photofiles, photographs
    from degradekit import atomicfiles, imagefiles, levels

    files = photofiles.listed(photos)
    _refuse_overwriting(files, out)
    detector = photographs.detector_of(run_folder, tile, name)

    def one(stem: str, path: Path, report: Progress) -> None:
        found = detector.detect(photofiles.read(path).bitmap.image(), report)
        atomicfiles.write_bytes(out / f"{stem}.png", imagefiles.encode_png(levels.quantise(found, 16)))

    _each(files, f"tiles by {detector.declaration.name}", one)
    say(f"maps of {len(files)} photographs are in {out}")


def _each(files: Mapping[str, Path], what: str, one: Callable[[str, Path, Progress], None]) -> None:
    """Do every photograph; then complain about those that failed, all by name."""
    from degradekit import progress
    from degradekit.errors import DegradekitError, UnfinishedError

    failures: list[str] = []
    for number, (stem, path) in enumerate(files.items(), 1):
        try:
            with progress.reporter(f"{what} in {path.name} ({number}/{len(files)})") as report:
                one(stem, path, report)
        except DegradekitError as error:
            failures.append(str(error))
        except Exception as error:
            if isinstance(error, OSError) and error.errno in STORAGE:
                raise
            failures.append(f"{path}: {' '.join(f'{type(error).__name__}: {error}'.split())}")
    for failure in failures:
        say(failure)
    if failures:
        raise UnfinishedError(f"{len(failures)} of {len(files)} photographs failed; the others are done")


def _refuse_overwriting(files: Mapping[str, Path], out: Path) -> None:
    from degradekit.errors import OptionError

    for stem, path in files.items():
        if (out / f"{stem}.png").resolve() == path.resolve():
            raise OptionError(f"--out {out}: the result would overwrite {path}; name another folder")


def _mask(masks: Path, stem: str, count: int, size: tuple[int, ...]) -> NDArray[np.float32]:
    """The user's mask of one photograph, float32 (H, W) in [0, 1]."""
    from benchmark import maps
    from degradekit import levels
    from degradekit.errors import DataError

    if masks.is_dir():
        found = sorted(path for path in masks.iterdir() if path.stem == stem)
        if len(found) != 1:
            raise DataError(f"{masks}: {len(found)} masks called {stem}, one is needed")
        path = found[0]
    elif count > 1:
        raise DataError(f"--mask {masks}: one mask for {count} photographs; give a folder of masks")
    else:
        path = masks
    mask = levels.as_float(maps.read_mask(path))
    if mask.shape != size:
        raise DataError(
            f"{path}: the mask is {mask.shape[1]}x{mask.shape[0]}, the photograph {stem} {size[1]}x{size[0]}"
        )
    return mask


def _page(before: Pixels, after: Pixels, name: str) -> NDArray[np.uint8]:
    """Before and after side by side with the name below, uint8 RGB."""
    from degradekit import contactsheet

    return contactsheet.row([before, after], (f"{name}: before", "after"), SHEET_HEIGHT)


def _write_sheet(path: Path, pages: list[NDArray[np.uint8]]) -> None:
    from degradekit import atomicfiles, contactsheet, imagefiles

    atomicfiles.write_bytes(path, imagefiles.encode_jpeg(contactsheet.stacked(pages), 90))
