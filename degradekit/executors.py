"""Worker processes: a ``concurrent.futures.Executor`` whose work can be stopped and never outlives us."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Event
from typing import Any

import cv2

_stop: Event | None = None


class ProcessExecutor(ProcessPoolExecutor):
    """Fresh interpreters (spawned, so no lock or stream is inherited), one OpenCV thread each."""

    def __init__(self, workers: int) -> None:
        """Start up to ``workers`` processes as work arrives."""
        context = multiprocessing.get_context("spawn")
        self._stop_event = context.Event()
        super().__init__(workers, context, initializer=_start_worker, initargs=(self._stop_event,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the library's; with ``cancel_futures`` running calls are asked to stop early as well."""
        if cancel_futures:
            self._stop_event.set()
        super().shutdown(wait, cancel_futures=cancel_futures)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def asked_to_stop() -> bool:
    """Inside a worker: whether the run was interrupted and no further sample should be started."""
    return _stop is not None and _stop.is_set()


def _start_worker(stop: Any) -> None:
    global _stop
    _stop = stop
    cv2.setNumThreads(1)
    # The terminal sends an interrupt to every process; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A worker whose parent was killed would wait for work for ever, or write beside the run that resumes.
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
