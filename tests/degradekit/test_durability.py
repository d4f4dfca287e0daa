"""Programs killed at random moments and started again: not a byte may tell."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clusters import Cluster
from plans import tree

#: Samples of each data set: five photographs, so many copies.
COPIES = 8
#: Seconds after the end for what a killed program had under way on Dask's workers.
PATIENCE_S = 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("dask"))
    yield started
    started.close()


def command(photographs: Path, out: Path, *options: str) -> list[str]:
    synth = [sys.executable, "-m", "degradekit", "synth", str(photographs), "--out", str(out)]
    return [*synth, "--copies", str(COPIES), "--seed", "5", *options]


def finish(photographs: Path, out: Path, *options: str) -> float:
    """Run to the end; gives the seconds it took."""
    start = time.monotonic()
    done = subprocess.run(
        command(photographs, out, *options), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - start


def kill_after(seconds: float, photographs: Path, out: Path, *options: str) -> None:
    """Start, and end the program with SIGKILL that much later."""
    process = subprocess.Popen(
        command(photographs, out, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    process.kill()
    process.wait(timeout=30)


def assert_equal_at_last(out: Path, whole: dict[str, bytes]) -> None:
    """The same files; those a worker still writes for the killed program may take a moment."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if tree(out) == whole:
                return
        except FileNotFoundError:  # A temporary file was just given its name.
            pass
        time.sleep(0.2)
    assert tree(out).keys() == whole.keys()
    assert tree(out) == whole


def disturb_processes(photographs: Path, folder: Path, runs: int) -> None:
    took = finish(photographs, folder / "whole", "--workers", "2")
    whole, rng = tree(folder / "whole"), np.random.default_rng()
    for run in range(runs):
        out = folder / f"{run}"
        kill_after(rng.uniform(0.2, took), photographs, out, "--workers", "2")
        finish(photographs, out, "--workers", "2")
        assert_equal_at_last(out, whole)


def disturb_dask(photographs: Path, folder: Path, cluster: Cluster, runs: int) -> None:
    options = ("--executor", "dask", "--scheduler", cluster.address)
    took = finish(photographs, folder / "whole", *options)
    whole, rng = tree(folder / "whole"), np.random.default_rng()
    for run in range(runs):
        out = folder / f"{run}"
        if run % 2:
            kill_after(rng.uniform(0.5, took), photographs, out, *options)
        process = subprocess.Popen(
            command(photographs, out, *options), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        # A worker dies, and another joins; the program goes on.
        time.sleep(rng.uniform(0.5, took))
        cluster.kill_worker()
        cluster.add_worker()
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert_equal_at_last(out, whole)


def test_dask_worker_killed_while_it_works(photographs: Path, tmp_path: Path, cluster: Cluster) -> None:
    disturb_dask(photographs, tmp_path, cluster, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_runs_killed_in_processes(photographs: Path, tmp_path: Path) -> None:
    disturb_processes(photographs, tmp_path, 20)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_runs_killed_on_dask(photographs: Path, tmp_path: Path, cluster: Cluster) -> None:
    disturb_dask(photographs, tmp_path, cluster, 20)
