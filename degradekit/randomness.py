"""Random streams that are named, and the distributions a recipe value may be.

A stream is a function of its names alone, never of the order in which work happens to be done, so the
same sample comes out at any worker count, input order, shard split or resume.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.random import Generator
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from degradekit.errors import RecipeError, unknown

Scalar: TypeAlias = float | int | str | bool
#: Run seeds lie in [0, SEED_LIMIT), so that they fit a signed 64-bit column.
SEED_LIMIT = 2**63


def seed_of(seed: int, *names: str | int) -> int:
    """The 63-bit sub-seed of the stream called ``names`` under ``seed``."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (seed, *names):
        text = str(part).encode()
        digest.update(len(text).to_bytes(4, "little") + text)
    return int.from_bytes(digest.digest(), "little") % SEED_LIMIT


class _Words(ISeedSequence):
    """The words a bit generator starts from: the hash of a sub-seed, in a tenth of the time that numpy's own
    ``SeedSequence`` takes."""

    def __init__(self, sub_seed: int) -> None:
        self.sub_seed = sub_seed

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        digest = hashlib.blake2b(str(self.sub_seed).encode(), digest_size=8 * n_words).digest()
        return np.frombuffer(digest, "<u8").astype(dtype, copy=False)


def generator(sub_seed: int) -> Generator:
    """The generator of a recorded sub-seed (SFC64: numpy's fastest)."""
    return Generator(np.random.SFC64(cast(Any, _Words(sub_seed))))


def child(rng: Generator) -> Generator:
    """A generator of its own, which takes one number from ``rng`` however many it will give.

    Where the amount that is drawn depends on the resolution, it keeps what comes later the same.
    """
    return generator(int(rng.integers(SEED_LIMIT)))


def stream(seed: int, *names: str | int) -> Generator:
    """The generator called ``names`` under ``seed``."""
    return generator(seed_of(seed, *names))


def share_of(seed: int, *names: str | int) -> float:
    """A number, evenly spread over [0, 1), that belongs to ``names`` under ``seed``.

    Straight from their hash: the same under any version of numpy, and a tenth of the time a stream takes.
    """
    return (seed_of(seed, *names) >> 10) / 2**53


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same value."""

    value: Scalar

    def at(self, share: float) -> Scalar:
        """The value."""
        return self.value

    def extremes(self) -> tuple[Scalar, ...]:
        """The values a bounds check has to look at."""
        return (self.value,)


@dataclass(frozen=True, slots=True)
class Uniform:
    """A real number with equal density on [low, high]."""

    low: float
    high: float

    def at(self, share: float) -> Scalar:
        """The value under which the part ``share``, in [0, 1), of all draws lies."""
        return min(self.low + share * (self.high - self.low), self.high)

    def extremes(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.low, self.high)


@dataclass(frozen=True, slots=True)
class LogUniform:
    """A positive number whose logarithm has equal density: as often in [1, 2] as in [10, 20]."""

    low: float
    high: float

    def at(self, share: float) -> Scalar:
        """The value under which the part ``share``, in [0, 1), of all draws lies."""
        value = float(self.low * (self.high / self.low) ** share)
        return min(max(value, self.low), self.high)

    def extremes(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in low..high, both included."""

    low: int
    high: int

    def at(self, share: float) -> Scalar:
        """The value under which the part ``share``, in [0, 1), of all draws lies."""
        return self.low + int(share * (self.high - self.low + 1))

    def extremes(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the listed values, equally likely."""

    values: tuple[Scalar, ...]

    def at(self, share: float) -> Scalar:
        """The value at this part, in [0, 1), of the list."""
        return self.values[int(share * len(self.values))]

    def extremes(self) -> tuple[Scalar, ...]:
        """All of them."""
        return self.values


Distribution: TypeAlias = Constant | Uniform | LogUniform | Integer | Choice
KINDS = ("uniform", "log_uniform", "integer", "choice")


def distribution(raw: Any) -> Distribution:
    """A recipe value: a scalar, or one of ``{uniform: [a, b]}``, ``{log_uniform: [a, b]}``,
    ``{integer: [a, b]}``, ``{choice: [v, ...]}``.

    Raises:
        RecipeError: it is neither; the message says which rule is broken.
    """
    if isinstance(raw, bool | int | float | str):
        return Constant(raw)
    if not (isinstance(raw, Mapping) and len(raw) == 1):
        raise RecipeError(f"a value is a number, a word or one of {{{'|'.join(KINDS)}: [...]}}, got {raw!r}")
    ((kind, arguments),) = raw.items()
    if kind not in KINDS:
        raise RecipeError(unknown("distribution", kind, KINDS))
    if kind == "choice":
        if not (isinstance(arguments, list) and arguments) or any(
            not isinstance(value, bool | int | float | str) for value in arguments
        ):
            raise RecipeError(f"choice takes a list of at least one scalar, got {arguments!r}")
        return Choice(tuple(arguments))
    return _interval(kind, arguments)


def _interval(kind: str, arguments: Any) -> Distribution:
    numeric = isinstance(arguments, list) and len(arguments) == 2
    if not numeric or any(isinstance(end, bool) or not isinstance(end, int | float) for end in arguments):
        raise RecipeError(f"{kind} takes [low, high], two numbers, got {arguments!r}")
    low, high = arguments
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise RecipeError(f"{kind} takes finite low <= high, got {arguments!r}")
    if kind == "integer":
        if not (isinstance(low, int) and isinstance(high, int)):
            raise RecipeError(f"integer takes two whole numbers, got {arguments!r}")
        return Integer(low, high)
    if kind == "log_uniform":
        if low <= 0:
            raise RecipeError(f"log_uniform takes low > 0, got {arguments!r}")
        return LogUniform(float(low), float(high))
    return Uniform(float(low), float(high))
