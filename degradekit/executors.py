"""Where work runs: ``concurrent.futures`` executors by name; work can be stopped and never outlives us."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

import cv2
import numpy as np

from degradekit.errors import OptionError, UnfinishedError, unknown

Item = TypeVar("Item")
Result = TypeVar("Result")

NAMES = ("serial", "processes", "dask")
#: Work handed out per worker before results are asked for: none idles, and little is in memory.
AHEAD = 2
#: Seconds to wait for a scheduler's answer.
PATIENCE_S = 20

#: The C library's names for: give memory back from this size on; get blocks from this size on anew.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 28
#: Advice to Linux: memory of this size is to lie on pages of that size.
MADV_HUGEPAGE, HUGE_BYTES, HUGE_PAGE = 14, 96 << 20, 2 << 20

_stop: Event | None = None


class SerialExecutor(Executor):
    """Runs every call at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it; an error is raised here and now."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


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


def check(name: str, scheduler: str | None) -> None:
    """Find that there is such an executor, before anything is written.

    Raises:
        OptionError: an unknown name, a package that is missing, a scheduler for the wrong executor.
    """
    if name not in NAMES:
        raise OptionError(unknown("executor", name, NAMES))
    if scheduler is not None and name != "dask":
        raise OptionError(f"--scheduler is for --executor dask, not {name}")
    if name == "dask":
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise OptionError(
                "--executor dask needs distributed, which is not installed: pip install 'degradekit[dask]'"
            ) from error


@contextmanager
def start(name: str, workers: int, scheduler: str | None = None) -> Iterator[tuple[Executor, int]]:
    """An executor and the number of calls it runs at once; what waits is cancelled when the block ends.

    ``serial``: this process. ``processes``: ``workers`` of them, or this one if that is 1. ``dask``: the
    workers of the scheduler at the address ``scheduler`` (tcp://HOST:PORT), which must see the same folders;
    without an address ``workers`` processes on this machine.

    Raises:
        OptionError: an unknown name, a package that is missing, no scheduler at the address.
    """
    check(name, scheduler)
    if name == "dask":
        with _dask(workers, scheduler) as pool:
            yield pool
    elif name == "serial" or workers == 1:
        yield SerialExecutor(), 1
    else:
        executor = ProcessExecutor(workers)
        try:
            yield executor, workers
        finally:
            executor.shutdown(cancel_futures=True)


def finished(
    pool: tuple[Executor, int], call: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """The results of ``call`` on every item, in the order they are done; few items are held at a time.

    Raises:
        UnfinishedError: a worker died.
    """
    executor, workers = pool
    if isinstance(executor, SerialExecutor):
        yield from map(call, items)
        return
    remaining = iter(items)
    running = {executor.submit(call, item) for item in islice(remaining, workers * AHEAD)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                running |= {executor.submit(call, item) for item in islice(remaining, 1)}
    except BrokenProcessPool as error:
        raise UnfinishedError(
            "a worker process was killed (out of memory?); try fewer --workers, the same command resumes"
        ) from error


def settle() -> None:
    """Make this process a good worker: one OpenCV thread, and memory that is freed is kept for later.

    Getting fresh pages from the system for every array would take a tenth of the time. Large pages save some
    more.
    """
    cv2.setNumThreads(1)
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # A C library without it.
            system = ctypes.CDLL(None)
            system.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
            system.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
            # Freed at once and never written to: the arrays to come will lie there.
            place = np.empty(HUGE_BYTES, np.uint8)
            start = -(-place.ctypes.data // HUGE_PAGE) * HUGE_PAGE
            length = (place.ctypes.data + HUGE_BYTES - start) // HUGE_PAGE * HUGE_PAGE
            system.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), MADV_HUGEPAGE)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def asked_to_stop() -> bool:
    """Inside a worker: whether the run was interrupted and no further sample should be started."""
    return _stop is not None and _stop.is_set()


@contextmanager
def _dask(workers: int, scheduler: str | None) -> Iterator[tuple[Executor, int]]:
    import distributed

    # Its talk about workers that come and go is for its dashboard; what matters to a person is raised.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    cluster = None
    if scheduler is None:
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
    try:
        try:
            client = distributed.Client(cluster or scheduler, timeout=PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise OptionError(f"no Dask scheduler answers at {scheduler} ({error})") from error
        with client:
            try:
                # Workers started a moment ago may still be joining.
                client.wait_for_workers(1, timeout=PATIENCE_S)
            except TimeoutError:
                raise OptionError(
                    f"the Dask scheduler at {scheduler} has no workers; start one: dask worker {scheduler}"
                ) from None
            threads = sum(client.nthreads().values())
            executor = client.get_executor(pure=False, retries=1)
            try:
                yield executor, threads
            except distributed.KilledWorker as error:
                raise UnfinishedError(f"Dask workers died ({error}); the same command resumes") from error
            finally:
                executor.shutdown(wait=False)
    finally:
        if cluster is not None:
            with suppress(TimeoutError):
                cluster.close()


def _start_worker(stop: Any) -> None:
    global _stop
    _stop = stop
    settle()
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
