"""What a restoration method is, and how the harness finds the ones there are.

A module of ``baselines`` or ``reference_model`` offers ``METHOD = Declaration(...)``, or several in a tuple
``METHODS``; somebody else's package offers a ``Declaration`` as an entry point in the group
``degradekit.methods``.
Nothing else has to be registered.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.data import Batch
from degradekit.errors import OptionError, unknown

Trains = Literal["paired", "unpaired", "none"]
PACKAGES = ("baselines", "reference_model")
ENTRY_POINTS = "degradekit.methods"


class Method(Protocol):
    """Restores images. It is given tensors and nothing else, so test ground truth is out of its reach."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The restored image, (1, 3, H, W) in [0, 1]; values outside are clipped by the harness.

        Called without gradients unless the declaration says ``per_image``; torch's generator is seeded
        before each call. It leaves weights and buffers as they are.

        Args:
            degraded: (1, 3, H, W), sRGB-encoded in [0, 1], of any size.
            mask: (1, 1, H, W), 1 = fully lost, when the declaration says ``needs_mask``; None otherwise.
        """
        ...


@runtime_checkable
class Trainable(Method, Protocol):
    """A method with weights. The loop owns order, seeds, budget, precision and saving."""

    #: Everything with weights or buffers; saved and restored under these names.
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]

    def rate(self, progress: float) -> float:
        """Factor on every optimiser's learning rate when ``progress`` in [0, 1) of the budget is spent."""
        ...

    def train_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One update of everything; the scalar losses by name.

        Torch's generator is seeded before each call by (seed, method, step). The batch is paired or
        unpaired as declared.
        """
        ...


@dataclass(frozen=True)
class Setting:
    """What a method may know of the run when it is built.

    Args:
        width: factor on the channel counts of its networks; 1 = as published.
        seed: seed of the run.
    """

    width: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Declaration:
    """A method's name, what it needs, and how to build it.

    Args:
        name: the name on the command line and in tables.
        summary: one line: what it does and where it comes from.
        build: makes the method, ``Trainable`` if it trains; torch's generator is seeded before.
        trains: "paired" (degraded and clean crops of the same place), "unpaired" (of different photographs)
            or "none".
        needs_mask: restores with the oracle mask of lost pixels; tables mark it.
        per_image: optimises on each image, so ``restore`` runs with gradients.
        unavailable: the reason why it cannot run here (weights missing, say), or None.
    """

    name: str
    summary: str
    build: Callable[[Setting], Method]
    trains: Trains = "none"
    needs_mask: bool = False
    per_image: bool = False
    unavailable: Callable[[], str | None] = lambda: None

    @property
    def module(self) -> str:
        """The module that defines it."""
        return self.build.__module__


def names() -> tuple[str, ...]:
    """Names of all methods, sorted."""
    return tuple(sorted(discover()))


def find(name: str) -> Declaration:
    """The method called ``name``.

    Raises:
        OptionError: there is none.
    """
    found = discover()
    if name not in found:
        raise OptionError(unknown("method", name, found))
    return found[name]


def discover() -> dict[str, Declaration]:
    """Every declared method by name; a module that cannot be imported is a method that cannot run."""
    found: dict[str, Declaration] = {}
    for package in PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            _add(found, _declarations(f"{package}.{module.name}"))
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            _add(found, (point.load(),))
        except ImportError as error:
            _add(found, (_broken(point.name, point.module, error),))
    return found


def _declarations(module_name: str) -> tuple[Declaration, ...]:
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        return (_broken(module_name.rpartition(".")[2], module_name, error),)
    if hasattr(module, "METHOD"):
        return (module.METHOD,)
    return tuple(getattr(module, "METHODS", ()))


def _add(found: dict[str, Declaration], declarations: Iterable[Declaration]) -> None:
    for declaration in declarations:
        other = found.setdefault(declaration.name, declaration)
        if other is not declaration:
            raise OptionError(
                f"two methods are called '{declaration.name}': {other.module} and {declaration.module}"
            )


def _broken(name: str, module: str, error: ImportError) -> Declaration:
    reason = f"{module} cannot be imported: {error}"

    def build(setting: Setting) -> Method:
        raise OptionError(reason)

    return Declaration(name, "cannot be imported", build, unavailable=lambda: reason)
