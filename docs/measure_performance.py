"""Measures speed, scaling, memory and start-up in one run and writes docs/performance.md.

``python docs/measure_performance.py [PHOTOS]``. What is compared takes turns on every photograph, so that a
noisy machine is noisy for all of it; the ratios of medians are what to read. augraphy takes part where it is
installed.
"""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from degradekit import __version__, executors, imagefiles, manifest, pairs, recipe, sources
from degradekit.coding import Coding
from degradekit.ops import OPS
from degradekit.photo import Photo
from degradekit.randomness import generator
from degradekit.synth import Plan, make_shard

PAGE = Path(__file__).parent / "performance.md"
SIZE, ROUNDS, QUALITY = 512, 10, 95
RECIPES = ("old-photo", "1950s-print", "1970s-c-print", "old-photo-paper", "film-scan", "attic")
#: Samples of augraphy for every one of the others.
OFTEN = 4
#: The crops are taken for parts of photographs of this size.
WHOLE = (512, 768)
#: Pairs of the runs that memory is measured on, and of the runs with one and two processes.
PAIRS, SCALED = (100, 1_000, 10_000), 240

Chain = Callable[[bytes, int], None]


def inputs(specs: list[str]) -> list[bytes]:
    """JPEG files of 512 px crops."""
    found = sources.find(specs)
    crops = [pairs.crop(source.read(), SIZE, 0, source.key, 0)[0].rgb for source in found]
    return [imagefiles.encode_jpeg(np.asarray(crop, np.uint8), QUALITY) for crop in crops]


def ours(name: str) -> Chain:
    """Decode, degrade by a recipe, encode the degraded image and every mask."""
    loaded = recipe.load(name)

    def chain(data: bytes, number: int) -> None:
        encode(rendered(loaded, data, number))

    return chain


def rendered(loaded: recipe.Recipe, data: bytes, number: int) -> pairs.Pair:
    """The sample of that number."""
    bitmap = imagefiles.decode(data, "x")
    drawn = loaded.draw(0, str(number), 0, loaded.scale.px_per_mm(*WHOLE))
    return pairs.degrade(bitmap, drawn, loaded.classes)


def encode(pair: pairs.Pair) -> None:
    """All outputs, as the program does it."""
    imagefiles.encode_jpeg(pair.degraded.rgb, QUALITY)
    for mask in pair.masks.values():
        imagefiles.encode_mask(mask)


class Codecs:
    """The floor: decode the same input, encode the same outputs, nothing between."""

    def __init__(self, name: str, again: Callable[[bytes, pairs.Pair], None]) -> None:
        """Of the recipe called ``name``. ``again`` decodes the input and encodes the outputs."""
        self.recipe, self.again = recipe.load(name), again
        self.finished: dict[int, pairs.Pair] = {}

    def prepare(self, data: bytes, number: int) -> None:
        """Make the outputs that are then encoded again; not timed."""
        self.finished[number] = rendered(self.recipe, data, number)

    def __call__(self, data: bytes, number: int) -> None:
        """Decode and encode."""
        self.again(data, self.finished.pop(number))


def by_us(data: bytes, pair: pairs.Pair) -> None:
    """As the program does it."""
    imagefiles.decode(data, "x")
    encode(pair)


def by_opencv(data: bytes, pair: pairs.Pair) -> None:
    """OpenCV with its own defaults for PNG."""
    blue_first = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert blue_first is not None
    full = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *full])
    for mask in pair.masks.values():
        cv2.imencode(".png", mask)


def by_pillow(data: bytes, pair: pairs.Pair) -> None:
    """Pillow with its own defaults for PNG."""
    Image.open(io.BytesIO(data)).load()
    Image.fromarray(np.asarray(pair.degraded.rgb)).save(io.BytesIO(), "jpeg", quality=QUALITY, subsampling=0)
    for mask in pair.masks.values():
        Image.fromarray(np.asarray(mask)).save(io.BytesIO(), "png")


def albumentations_short() -> Any:
    """The nearest short chain of old-photo's kind."""
    from degradekit.albumentations_bridge import A

    return A.Compose(
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


def albumentations_steps() -> Any:
    """The nearest transform for each step of old-photo, as often as the recipe has the step."""
    from degradekit.albumentations_bridge import A

    blur = {"blur_limit": 0}
    return A.Compose(
        [
            A.OneOf([A.GaussianBlur(**blur, sigma_limit=(0.25, 1.5)), A.Defocus(radius=(1, 3))], p=0.8),
            A.ISONoise(p=0.9),  # film grain
            A.Spatter(mode="rain", p=0.7),  # dust and hair
            A.ToSepia(p=0.15),  # toning
            A.RandomToneCurve(p=0.85),  # fading
            A.PlasmaShadow(p=0.5),  # yellowing and stains
            A.ElasticTransform(p=0.85),  # scratches are bent so
            A.CoarseDropout(p=0.45),  # holes
            A.Spatter(mode="mud", p=0.4),  # dirt
            A.GaussianBlur(**blur, sigma_limit=(0.15, 0.5), p=1),  # the scan
            A.ShotNoise(p=0.5),
            A.ImageCompression(quality_range=(55, 95), p=0.8),
        ],
        seed=0,
    )


def augraphy_default() -> Callable[[], Any] | None:
    """Builds augraphy's default pipeline; None where it is not installed."""
    try:
        import matplotlib.font_manager  # noqa: F401  (augraphy forgets to import it)
        from augraphy import default_augraphy_pipeline
    except ImportError:
        return None

    def built() -> Any:
        pipeline = default_augraphy_pipeline()
        return lambda image: {"image": np.asarray(pipeline(image), np.uint8)}

    return built


def theirs(call: Any) -> Chain:
    """Decode, ``call(image=...)["image"]``, encode."""

    def chain(data: bytes, number: int) -> None:
        imagefiles.encode_jpeg(call(image=np.asarray(imagefiles.decode(data, "x").rgb))["image"], QUALITY)

    return chain


class Rebuilt:
    """A chain that draws numbers when it is built: built anew for every photograph, which is not timed."""

    def __init__(self, build: Callable[[], Any]) -> None:
        """``build`` gives what takes ``image=`` and gives ``{"image": ...}``."""
        self.build = build

    def prepare(self, data: bytes, number: int) -> None:
        """Build it anew."""
        self.chain = theirs(self.build())

    def __call__(self, data: bytes, number: int) -> None:
        """Decode, degrade, encode."""
        self.chain(data, number)


def side_by_side(files: list[bytes]) -> dict[str, list[float]]:
    """Milliseconds of every chain on every photograph, chains taking turns."""
    augraphy = augraphy_default()
    chains: dict[str, Chain] = {
        "decode and encode alone": Codecs("old-photo", by_us),
        "the same by OpenCV's defaults": Codecs("old-photo", by_opencv),
        "the same by Pillow's defaults": Codecs("old-photo", by_pillow),
        **{f"degradekit {name}": ours(name) for name in RECIPES},
        "albumentations, short chain": theirs(albumentations_short()),
        "albumentations, step by step": theirs(albumentations_steps()),
        **({"augraphy, default": Rebuilt(augraphy)} if augraphy else {}),
    }
    times: dict[str, list[float]] = {name: [] for name in chains}
    for turn in range(ROUNDS + 1):
        for photo, data in enumerate(files):
            number = turn * len(files) + photo
            for name, chain in chains.items():
                # Its times spread tenfold.
                for _ in range(OFTEN if isinstance(chain, Rebuilt) and turn else 1):
                    if isinstance(chain, Codecs | Rebuilt):
                        chain.prepare(data, number)
                    spent = _time(partial(chain, data, number))
                    if turn:  # The first turn warms caches up.
                        times[name].append(1000 * spent)
    return times


def grain() -> tuple[float, float]:
    """Default film grain on a 512 px picture over one numpy normal plane of that size, 64 and 32 bit."""
    photo = Photo(np.full((SIZE, SIZE, 3), 0.5, np.float32), 5.12)
    values = {name: item.default for name, item in OPS["film_grain"].parameters.items()}
    rng = np.random.default_rng(0)
    calls: tuple[Callable[[], object], ...] = (
        lambda: OPS["film_grain"](photo, generator(1), **values),
        lambda: rng.normal(size=(SIZE, SIZE)),
        lambda: rng.standard_normal((SIZE, SIZE), dtype=np.float32),
    )
    spent = np.median([[_time(call) for call in calls] for _ in range(40)], axis=0)
    return float(spent[0] / spent[1]), float(spent[0] / spent[2])


def scaling(files: list[bytes]) -> list[float]:
    """Pairs a second with two processes over those with one, for each of some turns."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(files):
            (Path(folder) / f"{number}.jpg").write_bytes(data)
        found = tuple(sources.find([folder]))
        ratios = []
        for turn in range(3):
            one, two = (_rate(found, Path(folder) / f"out{turn}{workers}", workers) for workers in (1, 2))
            ratios.append(two / one)
    return ratios


def _rate(found: tuple[sources.Source, ...], out: Path, workers: int) -> float:
    """Pairs a second once all processes work."""
    plan = Plan(found, recipe.load("old-photo"), out, SCALED // len(found), coding=Coding("jpeg", QUALITY))
    manifest.claim(plan.out, plan.describe(), plan.source_lines())
    seen, done = list[tuple[float, int]](), 0
    # One worker is a process too, as each of two is.
    pool = executors.ProcessExecutor(workers)
    try:
        for made in executors.finished((pool, workers), make_shard, plan.shards(range(plan.shard_count))):
            done += made.tried
            seen.append((time.perf_counter(), done))
    finally:
        pool.shutdown(cancel_futures=True)
    # The first results also waited for the processes to start, and at the end one of two may be idle.
    (start, before), (end, after) = seen[2 * workers], seen[-workers]
    return (after - before) / (end - start)


def memory(files: list[bytes]) -> dict[int, tuple[float, float]]:
    """Pairs -> MB at most in the parent and in its largest worker, each in a fresh program.

    The parent's own is VmHWM (Linux): ``ru_maxrss`` would count what this program held when it forked.
    """
    code = (
        "import sys, resource\nfrom pathlib import Path\nfrom degradekit import recipe, sources\n"
        "from degradekit.synth import Plan, synthesize\n"
        "if __name__ == '__main__':\n"
        "    plan = Plan(tuple(sources.find([sys.argv[1]])), recipe.load('old-photo'), Path(sys.argv[2]),\n"
        "                int(sys.argv[3]), 64, layout='webdataset')\n"
        "    synthesize(plan, workers=2)\n"
        "    own = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "    print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        script, photos = Path(folder) / "run.py", Path(folder) / "in"
        script.write_text(code)
        photos.mkdir()
        for number, data in enumerate(files[:5]):
            (photos / f"{number}.jpg").write_bytes(data)
        for count in PAIRS:
            command = [sys.executable, str(script), str(photos), f"{folder}/{count}", str(count // 5)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            own, worker = (int(kilobytes) / 1024 for kilobytes in done.stdout.split())
            peaks[count] = own, worker
    return peaks


def start_up() -> dict[str, float]:
    """Median seconds of commands that do little but start."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out"
        program = [sys.executable, "-m", "degradekit"]
        synth = [*program, "synth", "dead-leaves:1", "--size", "32", "--out", out, "--workers", "1"]
        commands = {
            "`degradekit --help`": [*program, "--help"],
            "`degradekit recipes list`": [*program, "recipes", "list"],
            "`degradekit synth` with nothing left to make": synth,
        }
        # With compiled modules kept, as they are on anybody's machine.
        settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        spent: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(8):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, capture_output=True, check=True, env=settings)
                if turn:
                    spent[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in spent.items()}


def page(
    times: Mapping[str, list[float]],
    grains: tuple[float, float],
    ratios: list[float],
    peaks: Mapping[int, tuple[float, float]],
    starts: Mapping[str, float],
) -> str:
    """The Markdown of the results."""
    medians = {name: float(np.median(values)) for name, values in times.items()}
    floor, mine = medians["decode and encode alone"], medians["degradekit old-photo"]
    rows = [
        f"| {name} | {median:.1f} | {1000 / median:.0f} | {median / floor:.2f} | {median / mine:.2f} |"
        for name, median in medians.items()
    ]
    memories = [f"| {count:,} | {own:.0f} | {worker:.0f} |" for count, (own, worker) in peaks.items()]
    seconds = [f"| {name} | {value:.2f} |" for name, value in starts.items()]
    lines = [
        "# Performance", "",
        "Written by `make bench`, all in one run. "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[2]:.1f} before the run's end, "
        f"Python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}, "
        f"degradekit {__version__}. Absolute times are this machine's; read the ratios.", "",
        "## Side by side", "",
        f"{SIZE} x {SIZE} px photographs, JPEG {QUALITY} in and out, in memory; degradekit also writes a "
        "mask for every class and one of everything, the others have none. One thread, its CPU time; "
        f"{len(next(iter(times.values())))} samples each ({OFTEN} times as many of augraphy, whose times "
        "differ most), chains taking turns; medians.", "",
        "| chain | ms | a second | over codecs | over old-photo |", "|---|---|---|---|---|",
        *rows, "",
        "Short chain: ToSepia, RandomToneCurve, GaussianBlur, GaussNoise, Spatter, ElasticTransform, "
        "ImageCompression, always. Step by step: the nearest transform for each step of `old-photo`, as "
        "often as the recipe has it (`docs/measure_performance.py`).", "",
        f"Default film grain takes {grains[0]:.2f} times as long as one `numpy` normal plane of that size "
        f"({grains[1]:.2f} times one in 32 bit).", "",
        "## Processes", "",
        f"`old-photo` to folders, JPEG, {SCALED} pairs: two processes make "
        f"{' / '.join(f'{ratio:.2f}' for ratio in ratios)} times as many pairs a second as one "
        "(three turns, on what the machine has left).", "",
        "## Memory", "",
        "Most memory at any time, `old-photo` with two processes, 64 px crops to tar shards.", "",
        "| pairs | MB, program | MB, a worker |", "|---|---|---|", *memories, "",
        "## Start-up", "",
        "| command | seconds (median of 7) |", "|---|---|", *seconds, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _time(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def main() -> None:
    """Measure everything, write the page and print it."""
    executors.settle()
    files = inputs(sys.argv[1:])
    results = (side_by_side(files), grain(), scaling(files), memory(files), start_up())
    PAGE.write_text(page(*results), encoding="utf-8")
    sys.stdout.write(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
