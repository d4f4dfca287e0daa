"""Measures speed side by side, in one run on the same photographs, and writes docs/performance.md.

``python docs/measure_performance.py [PHOTOS]``. One process, one thread, thread CPU time; the chains take
turns on every photograph, so that a noisy machine is noisy for all of them. The medians' ratios are what to
read. augraphy takes part where it is installed.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from degradekit import imagefiles, pairs, recipe, sources
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator

PAGE = Path(__file__).parent / "performance.md"
SIZE, ROUNDS = 512, 3
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
#: The crops are taken for parts of photographs of this size.
WHOLE = (512, 768)

Chain = Callable[[bytes, int], None]


def inputs(specs: list[str]) -> list[bytes]:
    """JPEG files (quality 95) of 512 px crops."""
    found = sources.find(specs)
    crops = [pairs.crop(source.read(), SIZE, 0, source.key, 0)[0].rgb for source in found]
    return [_jpeg(np.asarray(crop, np.uint8)) for crop in crops]


def ours(name: str) -> Chain:
    """Decode, degrade by a recipe, encode the degraded image and every mask."""
    loaded = recipe.load(name)

    def chain(data: bytes, number: int) -> None:
        bitmap = imagefiles.decode(data, "x")
        drawn = loaded.draw(0, str(number), 0, loaded.scale.px_per_mm(*WHOLE))
        pair = pairs.degrade(bitmap, drawn, loaded.classes)
        _jpeg(np.asarray(pair.degraded.rgb, np.uint8))
        for mask in pair.masks.values():
            imagefiles.encode_png(mask)

    return chain


class Codecs:
    """The floor: decode the same input, encode the same outputs, nothing between."""

    def __init__(self, name: str) -> None:
        """Of the recipe called ``name``."""
        self.recipe = recipe.load(name)
        self.finished: dict[int, pairs.Pair] = {}

    def prepare(self, data: bytes, number: int) -> None:
        """Make the outputs that are then encoded again; not timed."""
        drawn = self.recipe.draw(0, str(number), 0, self.recipe.scale.px_per_mm(*WHOLE))
        self.finished[number] = pairs.degrade(imagefiles.decode(data, "x"), drawn, self.recipe.classes)

    def __call__(self, data: bytes, number: int) -> None:
        """Decode and encode."""
        pair = self.finished.pop(number)
        imagefiles.decode(data, "x")
        _jpeg(np.asarray(pair.degraded.rgb, np.uint8))
        for mask in pair.masks.values():
            imagefiles.encode_png(mask)


def albumentations_chain() -> Chain:
    """Sepia, tone curve, blur, noise, spatter, elastic distortion and JPEG: the nearest of its chains."""
    from degradekit.albumentations_bridge import A

    compose = A.Compose(
        [
            A.ToSepia(p=1),
            A.RandomToneCurve(p=1),
            A.GaussianBlur(p=1),
            A.GaussNoise(p=1),
            A.Spatter(p=1),
            A.ElasticTransform(p=1),
            A.ImageCompression(p=1),
        ],
        seed=0,
    )

    def chain(data: bytes, number: int) -> None:
        _jpeg(compose(image=np.asarray(imagefiles.decode(data, "x").rgb, np.uint8))["image"])

    return chain


def augraphy_chain() -> Chain | None:
    """augraphy's default pipeline, or None where it is not installed."""
    try:
        import matplotlib.font_manager  # noqa: F401  (augraphy forgets to import it)
        from augraphy import default_augraphy_pipeline
    except ImportError:
        return None
    pipeline: Any = default_augraphy_pipeline()

    def chain(data: bytes, number: int) -> None:
        _jpeg(np.asarray(pipeline(imagefiles.decode(data, "x").rgb), np.uint8))

    return chain


def grain_ratio() -> float:
    """Default film grain on a 512 px picture over one numpy normal plane (float64) of that size."""
    photo = Photo(np.full((SIZE, SIZE, 3), 0.5, np.float32), 5.12)
    values = {name: item.default for name, item in OPS["film_grain"].parameters.items()}
    rng = np.random.default_rng(0)
    grain, plane = [], []
    for number in range(40):
        grain.append(_time(partial(OPS["film_grain"], photo, generator(number), **values)))
        plane.append(_time(partial(rng.normal, size=(SIZE, SIZE))))
    return float(np.median(grain) / np.median(plane))


def measure(files: list[bytes]) -> dict[str, list[float]]:
    """Milliseconds of every chain on every photograph, chains taking turns."""
    chains: dict[str, Chain | None] = {
        "codecs alone (old-photo's outputs)": Codecs("old-photo"),
        **{
            f"degradekit {name}": ours(name)
            for name in ("old-photo", "old-photo-paper", "film-scan", "attic")
        },
        "albumentations chain": albumentations_chain(),
        "augraphy default": augraphy_chain(),
    }
    times: dict[str, list[float]] = {name: [] for name, chain in chains.items() if chain}
    for turn in range(ROUNDS + 1):
        for number, data in enumerate(files):
            for name, chain in chains.items():
                if chain is None:
                    continue
                if isinstance(chain, Codecs):
                    chain.prepare(data, turn * len(files) + number)
                spent = _time(partial(chain, data, turn * len(files) + number))
                if turn:  # The first turn warms caches up.
                    times[name].append(1000 * spent)
    return times


def page(times: dict[str, list[float]], grain: float) -> str:
    """The Markdown of the results."""
    floor = float(np.median(next(iter(times.values()))))
    ours_ms = float(np.median(times["degradekit old-photo"]))
    lines = [
        "# Performance", "",
        f"{SIZE} x {SIZE} px photographs, JPEG 95 in and out, masks written (in memory), one thread; "
        f"{len(next(iter(times.values())))} samples each, chains taking turns; CPU time of the thread. "
        f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"OpenCV {cv2.__version__}. Written by `make bench`.", "",
        "| chain | median ms | over codecs | over degradekit old-photo |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, values in times.items():
        median = float(np.median(values))
        lines.append(f"| {name} | {median:.1f} | {median / floor:.2f} | {median / ours_ms:.2f} |")
    lines += [
        "",
        f"Default film grain takes {grain:.2f} times as long as one `numpy` normal plane of that size.",
        "",
    ]
    return "\n".join(lines)


def _jpeg(rgb: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), JPEG)[1].tobytes()


def _time(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


if __name__ == "__main__":
    cv2.setNumThreads(1)
    PAGE.write_text(page(measure(inputs(sys.argv[1:])), grain_ratio()), encoding="utf-8")
    sys.stdout.write(PAGE.read_text(encoding="utf-8"))
