"""Metrics of restored images; every number carries the id of its convention.

A metric is one function in a module of this package::

    @metric(better="higher", unit="dB", convention="psnr[rgb,255,crop0]", decimals=2)
    def psnr(restored, clean): ...

It takes uint8 RGB arrays (H, W, 3), as decoded from disk, and returns one number, or raises ``NoValueError``
with the reason why there is none. What else it takes is its scope:

========  ==========================  ===================================================================
pair      (restored, clean)           the restored image and the clean one it was degraded from
masked    (restored, clean, mask)     and the mask (H, W), True where the picture was damaged
clean     (restored, clean)           what the method made of the undamaged photograph, and that photograph
real      (restored,)                 what it made of a real old photograph; nobody knows the clean one
set       (restored, clean)           features (N, D) of all restored images, and of all clean ones
========  ==========================  ===================================================================
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark import catalog
from degradekit.errors import OptionError, unknown

Pixels: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
Features: TypeAlias = NDArray[np.float32]
Function: TypeAlias = Callable[..., float]
Extractor: TypeAlias = Callable[[Pixels], Features]
Scope: TypeAlias = Literal["pair", "masked", "clean", "real", "set"]
#: Masks hold how much of each pixel is lost; from half of it on a pixel counts as damaged.
DAMAGED = 128


class NoValueError(ValueError):
    """There is no value here; the text is the reason a table gives."""


@dataclass(frozen=True)
class Metric:
    """A metric and what a reader has to know about its numbers.

    Args:
        name: column name.
        function: what its scope says -> value.
        better: which way is better.
        unit: unit of the value, or "" for a pure number.
        convention: id of the exact definition (colour space, range, window, border).
        decimals: digits worth printing.
        scope: what it is a function of; see above.
        weights: names of the official weights without which it has no value.
        label: how tables call it.
        features: for a set metric, one image -> (D,) numbers; set metrics with the same extractor share its
            work.
    """

    name: str
    function: Function
    better: Literal["higher", "lower"]
    unit: str
    convention: str
    decimals: int
    scope: Scope = "pair"
    weights: tuple[str, ...] = ()
    features: Extractor | None = None
    label: str = ""

    @property
    def heading(self) -> str:
        """Column heading: what tables call it, unit, and an arrow to the better side."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.label or self.name.upper()}{unit} {self.arrow}"

    @property
    def arrow(self) -> str:
        """The direction that is better, as a sign."""
        return "↑" if self.better == "higher" else "↓"

    @property
    def summary(self) -> str:
        """The first line of what its function says of itself."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    def unavailable(self) -> str | None:
        """Why it has no value anywhere (weights missing, say), or None."""
        return next((reason for name in self.weights if (reason := catalog.missing(name))), None)

    def __call__(self, *inputs: NDArray[Any]) -> float:
        """The value; +inf is a value (identical images), NaN is not.

        Raises:
            NoValueError: there is none, for the reason it says.
            ValueError: dtypes or shapes differ from the above, or the value is not a number.
        """
        self._check(inputs)
        reason = self.unavailable()
        if reason:
            raise NoValueError(reason)
        value = float(self.function(*inputs))
        if math.isnan(value):
            raise ValueError(f"{self.name} is not a number")
        return value

    def _check(self, inputs: tuple[NDArray[Any], ...]) -> None:
        roles = {"real": ("restored",), "masked": ("restored", "clean", "mask")}.get(
            self.scope, ("restored", "clean")
        )
        if len(inputs) != len(roles):
            raise ValueError(f"{self.name} takes {' and '.join(roles)}, got {len(inputs)} arrays")
        if self.scope == "set":
            restored, clean = (array.shape for array in inputs)
            if not len(restored) == len(clean) == 2 or restored[1] != clean[1]:
                raise ValueError(f"{self.name} takes features (N, D), got {restored} and {clean}")
            return
        for role, pixels in zip(roles, inputs, strict=True):
            if role == "mask":
                if pixels.dtype != np.bool_ or pixels.shape != inputs[0].shape[:2]:
                    got = f"{pixels.dtype} {pixels.shape}"
                    raise ValueError(f"{self.name} takes a boolean mask (H, W); it is {got}")
            elif pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                got = f"{pixels.dtype} {pixels.shape}"
                raise ValueError(f"{self.name} takes uint8 RGB (H, W, 3); the {role} image is {got}")
            elif pixels.shape != inputs[0].shape:
                raise ValueError(
                    f"{self.name}: the restored image is {_size(inputs[0])}, the clean one {_size(pixels)}"
                )


_METRICS: dict[str, Metric] = {}


def metric(
    *,
    better: Literal["higher", "lower"],
    unit: str,
    convention: str,
    decimals: int,
    scope: Scope = "pair",
    weights: tuple[str, ...] = (),
    features: Extractor | None = None,
    label: str = "",
) -> Callable[[Function], Function]:
    """Register a function as a metric under its own name; see ``Metric`` for the arguments."""

    def register(function: Function) -> Function:
        name = function.__name__
        if name in _METRICS and _METRICS[name].function.__module__ != function.__module__:
            raise ValueError(f"two metrics are called '{name}'")
        _METRICS[name] = Metric(
            name, function, better, unit, convention, decimals, scope, weights, features, label
        )
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


def damaged(mask: Pixels) -> Mask:
    """The mask that metrics take, from the (H, W) file of lost shares."""
    return np.asarray(mask >= DAMAGED)


def weights_key(chosen: Iterable[Metric]) -> dict[str, str]:
    """The official weights that scores of ``chosen`` depend on: name -> fingerprint, or "missing"."""
    here = catalog.present()
    return {name: here.get(name, "missing") for one in chosen for name in one.weights}


def require_size(name: str, pixels: Pixels, side: int) -> None:
    """Raise NoValueError unless both sides of the image have at least ``side`` pixels."""
    if min(pixels.shape[:2]) < side:
        raise NoValueError(f"{name} needs at least {side} pixels each way, got {_size(pixels)}")


def _all() -> dict[str, Metric]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _METRICS


def _size(pixels: NDArray[Any]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
