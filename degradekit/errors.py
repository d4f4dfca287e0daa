"""What can go wrong for a user, and the exit code each kind of it has.

::

    DegradekitError
    |- RecipeError        2   a recipe, or a value in it
    |- OptionError        2   a command-line option, a name, a configuration key
    |- OutputFolderError  2   the output folder holds something else
    |- UnfinishedError    3   part of the work was not done; the rest is, and the same command resumes
    |- DataError          4   an input is missing, unreadable or corrupt
    `- GateError          5   a check the user asked for did not hold
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar


class DegradekitError(Exception):
    """A mistake the user can mend: its text names the thing, the rule and the value."""

    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        """The text, printable whatever the names of files in it hold."""
        return readable(super().__str__())


class RecipeError(DegradekitError):
    """A recipe is not well formed, names an unknown op or parameter, or leaves a parameter's bounds."""


class OptionError(DegradekitError):
    """An option, a name or a configuration key is not one we know, or its value is out of bounds."""


class OutputFolderError(DegradekitError):
    """The output folder holds another run, or something that is not a run at all."""


class UnfinishedError(DegradekitError):
    """Some items failed or could not be written; what is finished is kept."""

    exit_code = 3


class DataError(DegradekitError):
    """An input file or folder is missing, empty, unreadable or corrupt."""

    exit_code = 4


class GateError(DegradekitError):
    """A check that the user asked for (``verify``, a regression gate) found a difference."""

    exit_code = 5


def readable(text: str) -> str:
    """``text`` with control characters, and bytes of names that are no UTF-8, as ``%`` and two digits."""
    if text.isprintable():
        return text
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", text)
    return re.sub(r"[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", escaped)


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that ``name`` is no known ``kind``, with the nearest known name or the list of all."""
    choices = sorted(known)
    near = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.6)
    if near:
        return f"unknown {kind} '{name}'; did you mean '{near[0]}'?"
    return f"unknown {kind} '{name}'; known: {', '.join(choices) or 'none'}"
