"""Progress on stderr, with rate and time left: a bar on a terminal, now and then a plain line elsewhere."""

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


class Pace:
    """How fast things get done, not counting what was there at the first report."""

    def __init__(self) -> None:
        """The clock starts now."""
        self._start = time.monotonic()
        self._first: int | None = None

    def text(self, done: int, total: int) -> str:
        """``12.3/s, 4 min left``; nothing before there is a rate."""
        if self._first is None:
            self._first = done
        elapsed = time.monotonic() - self._start
        rate = (done - self._first) / elapsed if elapsed > 0 else 0.0
        if rate <= 0:
            return ""
        left = (total - done) / rate
        unit = (
            f"{left:.0f} s"
            if left < 90
            else f"{left / 60:.0f} min"
            if left < 5400
            else f"{left / 3600:.1f} h"
        )
        return f"{rate:.1f}/s, {unit} left"


def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, pace="")
        pace = Pace()

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, pace=pace.text(done, total))

        yield report


def _lines(what: str) -> Callable[[int, int], None]:
    last = time.monotonic()
    pace = Pace()

    def report(done: int, total: int) -> None:
        nonlocal last
        text = pace.text(done, total)
        now = time.monotonic()
        if now - last >= INTERVAL_S:
            last = now
            say(f"{done}/{total} {what}" + (f", {text}" if text else ""))

    return report
