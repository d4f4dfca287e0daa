"""The first place where two JSON values differ."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Stands for a value that one side does not have.
ABSENT = "nothing"


class Difference(NamedTuple):
    """Where, such as ``steps[2].scratches.p``, and the value on either side."""

    where: str
    a: Any
    b: Any

    def __str__(self) -> str:
        """One line."""
        return f"{self.where}: {_short(self.a)} and {_short(self.b)}"


def first(a: Any, b: Any, where: str = "") -> Difference | None:
    """The first difference of ``a`` and ``b`` in the order of ``a``; None if they are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            found = first(a.get(key, ABSENT), b.get(key, ABSENT), f"{where}.{key}" if where else str(key))
            if found:
                return found
        return None
    if isinstance(a, list) and isinstance(b, list):
        for number in range(max(len(a), len(b))):
            left, right = (side[number] if number < len(side) else ABSENT for side in (a, b))
            found = first(left, right, f"{where}[{number}]")
            if found:
                return found
        return None
    return None if type(a) is type(b) and a == b else Difference(where, a, b)


def _short(value: Any) -> str:
    text = repr(value) if value != ABSENT else ABSENT
    return text if len(text) <= 100 else f"{text[:97]}..."
