"""Metrics of a restored image against its clean one; every number carries the id of its convention.

A metric is one function in a module of this package::

    @metric(better="higher", unit="dB", convention="psnr[rgb,255,crop0]", decimals=2)
    def psnr(restored, clean): ...

It takes two uint8 RGB arrays (H, W, 3), as decoded from disk, and returns one number.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from degradekit.errors import OptionError, unknown

Pixels: TypeAlias = NDArray[np.uint8]
Function: TypeAlias = Callable[[Pixels, Pixels], float]


@dataclass(frozen=True)
class Metric:
    """A metric and what a reader has to know about its numbers.

    Args:
        name: column name.
        function: (restored, clean), both uint8 RGB (H, W, 3) -> value.
        better: which way is better.
        unit: unit of the value, or "" for a pure number.
        convention: id of the exact definition (colour space, range, window, border).
        decimals: digits worth printing.
        scope: "pair" = one value per restored image and its clean one.
    """

    name: str
    function: Function
    better: Literal["higher", "lower"]
    unit: str
    convention: str
    decimals: int
    scope: Literal["pair"] = "pair"

    @property
    def heading(self) -> str:
        """Column heading: name, unit, and an arrow to the better side."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.name.upper()}{unit} {self.arrow}"

    @property
    def arrow(self) -> str:
        """The direction that is better, as a sign."""
        return "↑" if self.better == "higher" else "↓"

    def __call__(self, restored: Pixels, clean: Pixels) -> float:
        """The value; +inf is a value (identical images), NaN is not.

        Raises:
            ValueError: dtypes or shapes differ from the above, or the value is not a number.
        """
        for role, pixels in (("restored", restored), ("clean", clean)):
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                got = f"{pixels.dtype} {pixels.shape}"
                raise ValueError(f"{self.name} takes uint8 RGB (H, W, 3); the {role} image is {got}")
        if restored.shape != clean.shape:
            raise ValueError(
                f"{self.name}: the restored image is {_size(restored)}, the clean one {_size(clean)}"
            )
        value = float(self.function(restored, clean))
        if math.isnan(value):
            raise ValueError(f"{self.name} is not a number")
        return value


_METRICS: dict[str, Metric] = {}


def metric(
    *, better: Literal["higher", "lower"], unit: str, convention: str, decimals: int
) -> Callable[[Function], Function]:
    """Register a function as a metric under its own name; see ``Metric`` for the arguments."""

    def register(function: Function) -> Function:
        name = function.__name__
        if name in _METRICS and _METRICS[name].function.__module__ != function.__module__:
            raise ValueError(f"two metrics are called '{name}'")
        _METRICS[name] = Metric(name, function, better, unit, convention, decimals)
        return function

    return register


def names() -> tuple[str, ...]:
    """All metric names, sorted."""
    return tuple(sorted(_all()))


def find(name: str) -> Metric:
    """The metric called ``name``.

    Raises:
        OptionError: there is none.
    """
    known = _all()
    if name not in known:
        raise OptionError(unknown("metric", name, known))
    return known[name]


def _all() -> dict[str, Metric]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _METRICS


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
