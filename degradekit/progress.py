"""Progress on stderr: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from degradekit.commandline import say

#: Seconds between plain lines.
INTERVAL_S = 10.0


@contextmanager
def reporter(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields ``report(done, total)``; ``what`` is the noun that is counted."""
    if sys.stderr.isatty():
        yield from _bar(what)
    else:
        yield _lines(what)


def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


def _lines(what: str) -> Callable[[int, int], None]:
    start = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= INTERVAL_S:
            last = now
            say(f"{done}/{total} {what}, {done / (now - start):.1f}/s")

    return report
