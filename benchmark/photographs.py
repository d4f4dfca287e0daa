"""Methods of a finished run, applied to photographs of any size: restored, or searched for damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import checkpoints, restoring, tiling, training
from benchmark import method as methods
from benchmark.method import Declaration, Detector, Method, Setting, Trainable
from benchmark.store import Store
from degradekit.errors import DataError, OptionError
from degradekit.randomness import seed_of

#: Neighbouring tiles share this much.
OVERLAP_PX = 64

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Applied:
    """A method with its weights, ready for use.

    ``tile`` is the largest side worked on in one piece; None leaves any size to the method.
    """

    declaration: Declaration
    method: Any
    seed: int
    device: torch.device
    tile: int | None = None

    def restore(
        self, image: NDArray[np.float32], mask: NDArray[np.float32] | None, name: str, report: Progress
    ) -> NDArray[np.float32]:
        """The restored image.

        Args:
            image: float32 sRGB (H, W, 3) in [0, 1].
            mask: float32 (H, W), 1 = lost, if the method takes one.
            name: of the photograph; with the run's seed it decides what a method draws.
            report: gets (tiles done, tiles in all).
        """
        torch.manual_seed(seed_of(self.seed, "restore", self.declaration.name, name))
        method: Method = self.method
        lost = None if mask is None else _tensor(mask[..., None])
        with torch.set_grad_enabled(self.declaration.per_image):
            restored = self._tiled(method.restore, _tensor(image), lost, report)
        return np.ascontiguousarray(restored[0].permute(1, 2, 0).clamp(0, 1).numpy())

    def detect(self, image: NDArray[np.float32], report: Progress) -> NDArray[np.float32]:
        """Probability that the picture is lost, (H, W), of a float32 sRGB image (H, W, 3) in [0, 1]."""
        detector: Detector = self.method
        with torch.no_grad():
            found = self._tiled(lambda part, _: detector.detect(part), _tensor(image), None, report)
        return np.ascontiguousarray(found[0, 0].clamp(0, 1).numpy())

    def _tiled(
        self,
        function: Callable[[Tensor, Tensor | None], Tensor],
        image: Tensor,
        mask: Tensor | None,
        report: Progress,
    ) -> Tensor:
        sides = image.shape[-2:]
        # Up to this side nothing is cut.
        tile = self.tile or max(sides)
        total = 1
        if max(sides) > tile:
            for side in sides:
                total *= len(tiling.starts(side, min(side, tile), OVERLAP_PX))
        done = 0

        def one(part: Tensor, lost: Tensor | None) -> Tensor:
            nonlocal done
            result = function(part.to(self.device), None if lost is None else lost.to(self.device))
            if not torch.isfinite(result).all():
                raise ValueError("gave values that are not finite")
            done += 1
            report(done, total)
            return result.detach().float().cpu()

        report(0, total)
        if total == 1:
            return one(image, mask)
        return tiling.tiled(one, image, mask, side=tile, overlap=OVERLAP_PX)


def load(run: Path, name: str, tile: int | None = None) -> Applied:
    """The method ``name`` as the run in the folder ``run`` trained it.

    Args:
        run: folder of a run.
        name: of a method; one that trains nothing needs no results in the run.
        tile: largest side in pixels that is worked on in one piece; None = as the method declares, which
            may leave any size to it.

    Raises:
        DataError: there is no run, or this method's weights are not in it.
        OptionError: no such method, or it cannot run here, or ``tile`` is too small.
    """
    store = Store(run)
    profile = store.profile()
    declaration = methods.find(name)
    if reason := declaration.unavailable():
        raise OptionError(f"{name} cannot run here: {reason}")
    side = tile or declaration.tile
    if side is not None and side < 2 * OVERLAP_PX:
        raise OptionError(f"a tile has {2 * OVERLAP_PX} pixels a side at least, as tiles overlap; got {side}")
    device = training.prepare(profile.train)
    setting = Setting(profile.width, profile.method_seed, profile.train.per_image_iterations)
    method = training.build(declaration, setting, device)
    if isinstance(method, Trainable):
        weights = store.method(declaration.weights_of) / training.WEIGHTS
        if not weights.is_file():
            raise DataError(
                f"{run}: {declaration.weights_of} was not trained there (trained: {_trained(store)}); "
                f"'benchmark run --methods {declaration.weights_of} --out {run}' trains it"
            )
        checkpoints.load_weights(method, weights)
    return Applied(declaration, method, profile.method_seed, restoring.device_of(method), side)


def detector_of(run: Path, tile: int | None = None, name: str | None = None) -> Applied:
    """The detector ``name`` of the run; without a name the one it was asked to use, else the first trained.

    Raises:
        DataError: there is no run, or no detector in it.
        OptionError: ``name`` is no detector.
    """
    store = Store(run)
    profile = store.profile()
    if name is not None:
        if methods.find(name).kind != "detector":
            raise OptionError(f"--detector: '{name}' restores, it detects nothing")
        return load(run, name, tile)
    detectors = [one for one in methods.discover().values() if one.kind == "detector"]
    for declaration in sorted(detectors, key=lambda one: (one.name != profile.detector, one.name)):
        if (store.method(declaration.weights_of) / training.WEIGHTS).is_file():
            return load(run, declaration.name, tile)
    known = ", ".join(one.name for one in detectors)
    raise DataError(f"{run}: no detector was trained there ({known}); trained: {_trained(store)}")


def wants_mask(declaration: Declaration, given: bool) -> Literal["none", "given", "detected"]:
    """Where the mask of a photograph comes from: its truth is known to nobody but the user.

    Raises:
        OptionError: a mask is given to a method that takes none.
    """
    if declaration.mask == "none":
        if given:
            raise OptionError(f"{declaration.name} takes no mask; leave --mask out")
        return "none"
    return "given" if given else "detected"


def _trained(store: Store) -> str:
    found = sorted(path.parent.name for path in (store.folder / "methods").glob(f"*/{training.WEIGHTS}"))
    return ", ".join(found) or "none"


def _tensor(pixels: NDArray[np.float32]) -> Tensor:
    """float32 (H, W, C) to (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
