"""Every degradation: one function each, found by scanning this folder.

An op is ``(Photo, Generator, *, scalars) -> Photo``. Its name is the function's name; each scalar is
``Annotated`` with its bounds and unit once, and validation, documentation and tests read that.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args, get_origin

from numpy.random import Generator

from degradekit.errors import RecipeError, unknown
from degradekit.photo import Maker, Photo
from degradekit.randomness import Distribution, Scalar

OpFunction: TypeAlias = Callable[..., Photo]
Function = TypeVar("Function", bound=OpFunction)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The closed interval a number lies in, and its unit ("mm", "um", "px", "1" for a plain number)."""

    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Text:
    """Marks a parameter that is free text, such as a folder's path; says what it is."""

    what: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One scalar of an op: a number with ``bounds``, a word out of ``choices``, or free ``text``."""

    name: str
    default: Scalar
    bounds: Bounds | None
    choices: tuple[str, ...] = ()
    whole: bool = False
    text: str = ""

    @property
    def rule(self) -> str:
        """What a value has to be, in words."""
        if self.text:
            return self.text
        if self.bounds is None:
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if self.whole else "a number"
        unit = "" if self.bounds.unit == "1" else f" {self.bounds.unit}"
        return f"{kind} in [{self.bounds.low:g}, {self.bounds.high:g}]{unit}"

    def accepts(self, value: Scalar) -> bool:
        """Whether ``value`` keeps the rule."""
        if self.text:
            return isinstance(value, str)
        if self.bounds is None:
            return value in self.choices
        if isinstance(value, bool | str) or (self.whole and not isinstance(value, int)):
            return False
        return self.bounds.low <= value <= self.bounds.high

    def extremes(self) -> tuple[Scalar, ...]:
        """Both ends of the bounds, or every choice; nothing for free text."""
        if self.bounds is None:
            return self.choices
        ends = (self.bounds.low, self.bounds.high)
        return tuple(int(end) for end in ends) if self.whole else ends


@dataclass(frozen=True, slots=True)
class Op:
    """A registered op and what is known of it.

    ``masks``: the defect classes it may add to. ``neutral``: the parameters that say how strong it is, each
    with the value of no strength. ``exact``: at those values the photograph comes back bit for bit (a JPEG
    never does). ``moves``: it displaces the picture, so masks and alpha go with it. ``maker``: what makes its
    changes of the pixels, together with its neighbours' (see ``Photo.changed``). ``reader``: turns what a
    recipe says into values, where that is not one distribution for each parameter.
    """

    name: str
    family: str
    function: OpFunction
    parameters: Mapping[str, Parameter]
    masks: tuple[str, ...]
    neutral: Mapping[str, Scalar]
    exact: bool
    moves: bool
    summary: str
    maker: Maker | None = None
    reader: Callable[[Any], dict[str, Scalar]] | None = None

    def __call__(self, photo: Photo, rng: Generator, **values: Scalar) -> Photo:
        """Apply the op."""
        return self.function(photo, rng, **values)

    def scaled(self, values: Mapping[str, Scalar], severity: float) -> dict[str, Scalar]:
        """``values`` with every strength moved away from neutral by the factor ``severity``, within bounds.

        0 is no damage, 1 leaves the values as they are.
        """
        moved = dict(values)
        for name, neutral in self.neutral.items():
            parameter, value = self.parameters[name], values[name]
            if parameter.bounds is None or isinstance(value, str) or isinstance(neutral, str):
                continue
            target = neutral + severity * (value - neutral)
            target = min(max(target, parameter.bounds.low), parameter.bounds.high)
            moved[name] = round(target) if parameter.whole else target
        return moved

    def check(self, name: str, values: Distribution) -> None:
        """Raise RecipeError unless ``name`` is a parameter and every value it may take is within bounds."""
        if name not in self.parameters:
            raise RecipeError(f"{self.name}: {unknown('parameter', name, self.parameters)}")
        parameter = self.parameters[name]
        for value in values.extremes():
            if not parameter.accepts(value):
                raise RecipeError(f"{self.name}: {name} is {parameter.rule}, got {value!r}")


OPS: dict[str, Op] = {}


def op(
    *,
    neutral: Mapping[str, Scalar],
    masks: tuple[str, ...] = (),
    exact: bool = True,
    moves: bool = False,
    maker: Maker | None = None,
) -> Callable[[Function], Function]:
    """Register the decorated function as an op; see ``Op`` for the arguments."""

    def register(function: Function) -> Function:
        name = function.__name__
        if name in OPS:
            raise ValueError(f"two ops are called '{name}'")
        summary = (function.__doc__ or "").strip().splitlines()[0]
        family = function.__module__.rpartition(".")[2]
        parameters = _parameters(function)
        OPS[name] = Op(name, family, function, parameters, masks, neutral, exact, moves, summary, maker)
        return function

    return register


def find(name: str) -> Op:
    """The op of that name; ``A.Name`` is albumentations' transform of that name.

    Raises:
        RecipeError: there is none; the message offers the nearest name.
    """
    if not isinstance(name, str):  # YAML reads on, off, yes and no as truth values.
        raise RecipeError(f"an op's name is text, got {name!r}")
    if name.startswith("A."):
        from degradekit import albumentations_bridge

        return albumentations_bridge.as_op(name)
    if name not in OPS:
        raise RecipeError(unknown("op", name, OPS))
    return OPS[name]


def _parameters(function: OpFunction) -> dict[str, Parameter]:
    """Of the keyword-only arguments, all of which have defaults.

    Not by ``get_type_hints`` and ``signature``, which take a tenth of the time in which the program starts.
    """
    hints, defaults = function.__annotations__, getattr(function, "__kwdefaults__", None) or {}
    return {
        name: _parameter(name, default, _evaluated(hints[name], function.__module__))
        for name, default in defaults.items()
    }


@lru_cache(maxsize=512)
def _evaluated(hint: Any, module: str) -> Any:
    return eval(hint, vars(sys.modules[module])) if isinstance(hint, str) else hint


def _parameter(name: str, default: Scalar, hint: Any) -> Parameter:
    if get_origin(hint) is Literal:
        return Parameter(name, default, None, choices=get_args(hint))
    if get_origin(hint) is Annotated:
        kind, rule = get_args(hint)
        if isinstance(rule, Text):
            return Parameter(name, default, None, text=rule.what)
        return Parameter(name, default, rule, whole=kind is int)
    raise TypeError(f"op parameter {name} needs Annotated[..., Bounds | Text] or Literal, got {hint}")


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
