"""A Dask scheduler and workers started by hand, as a person does it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

DASK = [sys.executable, "-m", "dask"]


class Cluster:
    """A scheduler on this machine and its workers, each a process of its own."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        """Start them; ``folder`` takes their logs and scratch space."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._folder, self._started = folder, 0
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> None:
        """Start one more worker."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.workers.append(self._start("worker", self.address, *options))

    def kill_worker(self) -> None:
        """End the oldest worker with SIGKILL."""
        worker = self.workers.pop(0)
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=30)

    def close(self) -> None:
        """End all of them."""
        for process in [*self.workers, self._scheduler]:
            process.terminate()
        for process in [*self.workers, self._scheduler]:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:  # A worker that is just joining pays no heed.
                process.kill()
                process.wait(timeout=30)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        self._started += 1
        with (self._folder / f"{self._started}.log").open("w") as log:
            return subprocess.Popen([*DASK, *command], cwd=self._folder, stdout=log, stderr=log)
