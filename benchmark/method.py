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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.data import Batch
from degradekit.errors import OptionError, unknown

Trains = Literal["paired", "unpaired", "none"]
MaskUse = Literal["none", "oracle", "detected"]
Kind = Literal["restorer", "detector"]
PACKAGES = ("baselines", "reference_model")
ENTRY_POINTS = "degradekit.methods"


@runtime_checkable
class Method(Protocol):
    """Restores images. It is given tensors and nothing else, so test ground truth is out of its reach."""

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The restored image, (1, 3, H, W) in [0, 1]; values outside are clipped by the harness.

        Called without gradients unless the declaration says ``per_image``; torch's generator is seeded
        before each call. It leaves weights and buffers as they are.

        Args:
            degraded: (1, 3, H, W), sRGB-encoded in [0, 1], of any size.
            mask: (1, 1, H, W), 1 = fully lost: the truth or what the run's detector found, as the
                declaration says; None if it asks for no mask.
        """
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds where an image is damaged."""

    def detect(self, degraded: Tensor) -> Tensor:
        """Probabilities that the picture is lost, (1, 1, H, W), of an image as ``Method.restore`` gets it."""
        ...


class Descend(Protocol):
    """One step down a loss; the training loop's, so that every method has the same machinery below it."""

    def __call__(self, loss: Tensor, *optimizers: Optimizer, clip_norm: float | None = None) -> None:
        """Clear the gradients of what ``optimizers`` hold, go back through ``loss`` and let them step.

        Gradients reach these optimisers' parameters and no others. Loss scaling, accumulation over parts of
        a batch and averaging over processes happen in here.

        Args:
            loss: scalar.
            *optimizers: one or more of the method's.
            clip_norm: largest Euclidean norm of all these gradients together; None leaves them alone.
        """
        ...


@runtime_checkable
class Iterative(Protocol):
    """A method that takes long enough over one image to say how far it is."""

    #: Steps it takes on each image.
    iterations: int
    #: Called with (steps done on this image, of how many); the harness sets it.
    on_iteration: Callable[[int, int], None]


@runtime_checkable
class Batching(Protocol):
    """A method that can optimise on several images of one size at a time."""

    def footprint(self, height: int, width: int) -> int:
        """Bytes of memory that each of several images takes at a time."""
        ...

    def restore_many(self, degraded: Tensor, mask: Tensor | None, seeds: Sequence[int]) -> Tensor:
        """What ``restore`` gives of each image by itself, but for rounding.

        Args:
            degraded: (B, 3, H, W), as ``restore`` gets it.
            mask: (B, 1, H, W), as ``restore`` gets it.
            seeds: of each image; where ``restore`` draws from torch's generator seeded by it, this draws from
                one of the image's own.
        """
        ...


@runtime_checkable
class Trainable(Protocol):
    """A method with weights. The loop owns order, seeds, budget, precision and saving.

    It may have more attributes, all optional (read them with ``averages``, ``memory`` and ``notes`` below):

    * ``averages``: network -> decay of the exponential moving average of its weights, which the loop keeps,
      validates with and saves in place of the weights;
    * ``memory``: name -> module whose buffers are needed to go on training and for nothing else (pools of
      generated images); in checkpoints, not in weights;
    * ``about``: text by key, saved inside the file of weights;
    * ``notes``: sentences that whoever reads its numbers has to know, as "trained without VGG19 losses"; read
      once training has ended, so what they depend on has to be in ``networks`` or ``memory``.
    """

    #: Everything with weights or buffers; saved and restored under these names.
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]

    def rate(self, progress: float) -> float:
        """Factor on every optimiser's learning rate when ``progress`` in [0, 1) of the budget is spent."""
        ...

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """One update; the scalar losses by name.

        Torch's generator is seeded before each call by (seed, method, step). The batch is paired or
        unpaired as declared. A method of several stages takes them as parts of the budget, by ``progress``;
        see ``benchmark.stages``.
        """
        ...


@dataclass(frozen=True)
class Setting:
    """What a method may know of the run when it is built.

    Args:
        width: factor on the channel counts of its networks; 1 = as published.
        seed: seed of the run.
        per_image_iterations: steps of a method that optimises on each image.
    """

    width: float = 1.0
    seed: int = 0
    per_image_iterations: int = 3000


@dataclass(frozen=True)
class Declaration:
    """A method's name, what it needs, and how to build it.

    Args:
        name: the name on the command line and in tables.
        summary: one line: what it does and where it comes from.
        build: makes the method, ``Trainable`` if it trains; torch's generator is seeded before.
        trains: "paired" (degraded and clean crops of the same place), "unpaired" (of different photographs)
            or "none".
        mask: the mask ``restore`` gets: "none", "oracle" (the truth; tables mark it) or "detected" (by the
            run's detector).
        per_image: optimises on each image, so ``restore`` runs with gradients, on a fixed subset of the test.
        kind: a "detector" has ``detect`` instead of ``restore``.
        tile: largest side restored in one piece; a larger image is cut into overlapping tiles. None leaves
            any size to the method.
        trained_as: name of the method whose weights it takes; it trains none itself, and ``trains`` says
            how that one did.
        in_all: whether ``--methods all`` means it too.
        unavailable: the reason why it cannot run here (weights missing, say), or None.
    """

    name: str
    summary: str
    build: Callable[[Setting], Method | Detector]
    trains: Trains = "none"
    mask: MaskUse = "none"
    per_image: bool = False
    kind: Kind = "restorer"
    tile: int | None = None
    trained_as: str | None = None
    in_all: bool = True
    unavailable: Callable[[], str | None] = lambda: None

    @property
    def weights_of(self) -> str:
        """Name of the method whose training made its weights."""
        return self.trained_as or self.name

    @property
    def module(self) -> str:
        """The module that defines it."""
        return self.build.__module__


def averages(method: object) -> Mapping[str, float]:
    """Network -> decay of its moving average."""
    found: Mapping[str, float] = getattr(method, "averages", {})
    return found


def memory(method: object) -> Mapping[str, nn.Module]:
    """Modules that only training needs."""
    found: Mapping[str, nn.Module] = getattr(method, "memory", {})
    return found


def about(method: object) -> dict[str, str]:
    """What is saved with its weights."""
    return dict(getattr(method, "about", {}))


def notes(method: object) -> tuple[str, ...]:
    """What a reader of its numbers has to know."""
    return tuple(getattr(method, "notes", ()))


def sizes(method: object) -> dict[str, int]:
    """Trainable parameters of each of its networks."""
    networks: Mapping[str, nn.Module] = getattr(method, "networks", {})
    return {name: sum(t.numel() for t in network.parameters()) for name, network in networks.items()}


def published(declaration: Declaration) -> dict[str, int]:
    """Trainable parameters of each network at width 1; no memory is taken for them."""
    with torch.device("meta"):
        return sizes(declaration.build(Setting()))


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
