"""How long each kind of work took, added up over samples and processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Timings:
    """Seconds and number of calls per name of work: an op's, or ``(read)``, ``(write)`` and the like."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add what the block takes to ``name``."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.calls[name] = self.calls.get(name, 0) + 1

    def add(self, other: Timings) -> None:
        """Add another's times to these."""
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.calls[name] = self.calls.get(name, 0) + other.calls[name]

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Per name: calls, mean ms of a call, share of all time; the largest share first."""
        total = sum(self.seconds.values()) or 1.0
        ordered = sorted(self.seconds, key=lambda name: -self.seconds[name])
        return {
            name: {
                "calls": self.calls[name],
                "ms": round(1e3 * self.seconds[name] / self.calls[name], 3),
                "share": round(self.seconds[name] / total, 4),
            }
            for name in ordered
        }
