from __future__ import annotations

import errno
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster
from plans import plan, tree

from degradekit import atomicfiles, executors, manifest
from degradekit.errors import OptionError, OutputFolderError
from degradekit.synth import synthesize

# Dask's own: it asks asyncio for a loop in a way that newer versions of Python frown upon, and its sockets
# close a moment after the client.
third_party = pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning")


@pytest.fixture
def whole(photographs: Path, tmp_path: Path) -> dict[str, bytes]:
    """What a single run in this process writes."""
    synthesize(plan(photographs, tmp_path / "whole"))
    return tree(tmp_path / "whole")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Dask scheduler and two workers started by hand, as a person does it; its address."""
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    yield cluster.address
    cluster.close()


@third_party
def test_dask_workers_give_the_same_bytes(
    photographs: Path, tmp_path: Path, whole: dict[str, bytes], scheduler: str
) -> None:
    with executors.start("dask", 1, scheduler) as (_, workers):
        assert workers >= 1
    summary = synthesize(plan(photographs, tmp_path / "out"), executor="dask", scheduler=scheduler)
    assert (summary.rows, summary.made) == (10, 10)
    assert tree(tmp_path / "out") == whole


@third_party
def test_a_failed_sample_on_dask_is_listed(photographs: Path, tmp_path: Path, scheduler: str) -> None:
    (photographs / "b.png").write_bytes(b"not a picture")
    summary = synthesize(plan(photographs, tmp_path / "out"), executor="dask", scheduler=scheduler)
    assert (summary.rows, len(summary.errors)) == (8, 2)


@third_party
def test_no_scheduler_at_the_address(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "PATIENCE_S", 1)
    with pytest.raises(OptionError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        synthesize(plan(photographs, tmp_path / "out"), executor="dask", scheduler="tcp://127.0.0.1:9")


def test_dask_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"pip install 'degradekit\[dask\]'"), executors.start("dask", 1):
        pass


def test_unknown_executor_and_a_scheduler_for_the_wrong_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'processes'"), executors.start("process", 2):
        pass
    with pytest.raises(OptionError, match="--scheduler is for"), executors.start("serial", 1, "tcp://x:1"):
        pass


def test_parts_on_machines_that_share_a_folder_only(
    photographs: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    one = plan(photographs, tmp_path / "out")
    first = synthesize(one, part=(3, 3))
    assert (first.rows, first.made) == (None, 3)
    assert synthesize(one, part=(1, 3)).rows is None
    assert not (tmp_path / "out" / manifest.METADATA).exists()
    last = synthesize(one, part=(2, 3))
    assert (last.rows, last.made) == (10, 3)
    assert tree(tmp_path / "out") == whole
    assert synthesize(one, part=(2, 3)).made == 0


def test_a_run_without_part_completes_what_parts_left(
    photographs: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    synthesize(plan(photographs, tmp_path / "out"), part=(1, 2))
    summary = synthesize(plan(photographs, tmp_path / "out"))
    assert (summary.rows, summary.made) == (10, 5)
    assert tree(tmp_path / "out") == whole


def test_more_parts_than_shards(photographs: Path, tmp_path: Path) -> None:
    assert synthesize(plan(photographs, tmp_path / "out"), part=(11, 11)).made == 0
    with pytest.raises(OptionError, match=r"k in \[1, n\], got 4/3"):
        synthesize(plan(photographs, tmp_path / "out"), part=(4, 3))


@pytest.mark.parametrize("layout", ["folders", "webdataset", "parquet"])
def test_runs_at_the_same_time_do_not_disturb_each_other(
    photographs: Path, tmp_path: Path, layout: str
) -> None:
    synthesize(plan(photographs, tmp_path / "whole", layout=layout))
    command = "import sys; sys.path[:0] = sys.argv[3:]; from pathlib import Path\n"
    command += "from plans import plan; from degradekit.synth import synthesize\n"
    command += f"synthesize(plan(Path(sys.argv[1]), Path(sys.argv[2]), layout={layout!r}))"
    arguments = [sys.executable, "-c", command, str(photographs), str(tmp_path / "out")]
    running = [subprocess.Popen([*arguments, str(Path(__file__).parent.parent)]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def claimed(photographs: Path, out: Path, seed: int) -> None:
    described = plan(photographs, out, seed=seed)
    manifest.claim(out, described.describe(), described.source_lines())


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("moment", ["after looking", "before writing"])
def test_a_run_that_starts_meanwhile_keeps_the_folder(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, links: bool
) -> None:
    out = tmp_path / "out"
    if not links:
        monkeypatch.setattr("os.link", lambda *paths: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    look, write = manifest.refuse_others, atomicfiles.write_new

    def meanwhile() -> None:
        monkeypatch.setattr(manifest, "refuse_others", look)
        monkeypatch.setattr(atomicfiles, "write_new", write)
        claimed(photographs, out, 2)

    def looked(*arguments: Any) -> None:
        look(*arguments)
        meanwhile()

    def written(*arguments: Any) -> bool:
        meanwhile()
        return write(*arguments)

    if moment == "after looking":
        monkeypatch.setattr(manifest, "refuse_others", looked)
    else:
        monkeypatch.setattr(atomicfiles, "write_new", written)
    with pytest.raises(OutputFolderError, match="seed: 2 there, 1 asked for"):
        claimed(photographs, out, 1)
    assert manifest.read_run(out)["seed"] == 2
    claimed(photographs, out, 2)


def test_of_different_runs_that_start_together_one_gets_the_folder(photographs: Path, tmp_path: Path) -> None:
    for number in range(20):
        out = tmp_path / f"out{number}"

        def start(seed: int, out: Path = out) -> str:
            try:
                claimed(photographs, out, seed)
            except OutputFolderError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(start, (1, 2, 3, 4)))
        assert outcomes.count("") == 1
        owner = manifest.read_run(out)["seed"]
        assert all(f"seed: {owner} there" in text for text in outcomes if text)


@pytest.mark.parametrize("locks", [True, False])
def test_writers_of_one_file_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool) -> None:
    if not locks:  # Another program's files have that program's number in their temporary names.
        monkeypatch.setattr(atomicfiles, "fcntl", None)
        monkeypatch.setattr(atomicfiles.os, "getpid", time.perf_counter_ns)
    path = tmp_path / "file"
    contents = [bytes([65 + number]) * 200_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            list(pool.map(lambda content: atomicfiles.write_bytes(path, content), contents))
            assert path.read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_memory_does_not_grow_with_the_data_set(photographs: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from degradekit import recipe, sources\nfrom degradekit.synth import Plan, synthesize\n"
        "cheap = recipe.parse({'format': '10x15cm', 'steps': ['fading']})\n"
        "found = tuple(sources.find([sys.argv[1]]))\n"
        "plan = Plan(found, cheap, Path(sys.argv[2]), int(sys.argv[3]), 32, layout='webdataset')\n"
        "synthesize(plan)\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for copies in (20, 600):
        arguments = [sys.executable, "-c", code, str(photographs), str(tmp_path / str(copies)), str(copies)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0], peaks
