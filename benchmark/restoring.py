"""Loop 1: a method and degraded images to files on disk, one PNG per pair.

A restorer's are uint8 RGB; a detector's are uint16 gray, 65535 = surely damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import grouping
from benchmark.data import Pixels, as_batch, as_pixels
from benchmark.method import Batching, Declaration, Detector, Iterative, Method, Trainable
from benchmark.tiling import tiled
from degradekit import atomicfiles, imagefiles
from degradekit.levels import quantise
from degradekit.randomness import seed_of

Made: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


class Images(Protocol):
    """What ``restore_folder`` reads: the degraded images of pairs, or others."""

    stems: list[str]

    def __len__(self) -> int: ...

    def degraded(self, index: int) -> Pixels:
        """Pixels to restore, uint8 (H, W, 3)."""
        ...

    def mask(self, index: int) -> Pixels:
        """Where they are damaged, uint8 (H, W), 255 = lost."""
        ...


def restore_folder(
    method: Method | Detector | Trainable,
    declaration: Declaration,
    inputs: Images,
    out: Path,
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
    stems: Iterable[str] | None = None,
    at_most: int | None = None,
) -> None:
    """Restore every degraded image, or those of ``stems``, into ``out``/STEM.png; files that are there stay.

    Progress is in images, or in iterations if the method is ``Iterative``. One that is ``Batching`` restores
    groups of images, of ``at_most`` so many; see ``benchmark.grouping``.

    Raises:
        ValueError: the method gave an image of another shape, or one that is not finite.
    """
    chosen = set(inputs.stems if stems is None else stems)
    waiting = [index for index, stem in enumerate(inputs.stems) if stem in chosen]
    steps = method.iterations if isinstance(method, Iterative) else 1
    total = len(waiting) * steps
    done = 0
    for group in _groups(method, declaration, inputs, waiting, at_most):
        on_progress(done, total)
        if isinstance(method, Iterative):
            method.on_iteration = _counting_on(on_progress, done, len(group), total)
        paths = [out / f"{inputs.stems[index]}.png" for index in group]
        # A group of which some are missing is made again as a whole, as it was.
        if not all(path.exists() for path in paths):
            restored = _restore_group(method, declaration, inputs, group, seed)
            for path, made in zip(paths, restored, strict=True):
                if not path.exists():
                    atomicfiles.write_bytes(path, imagefiles.encode_png(made))
        done += len(group) * steps
    on_progress(total, total)


def _groups(
    method: object, declaration: Declaration, inputs: Images, waiting: Sequence[int], at_most: int | None
) -> list[tuple[int, ...]]:
    if not isinstance(method, Batching):
        return [(index,) for index in waiting]
    sizes = {index: inputs.degraded(index).shape[:2] for index in waiting}
    return grouping.groups(method, declaration, sizes, device_of(method), at_most)


def _counting_on(
    on_progress: Callable[[int, int], None], before: int, images: int, total: int
) -> Callable[[int, int], None]:
    """Reports the steps of a group of images as those of a whole folder."""
    return lambda done, of_image: on_progress(before + done * images, total)


def _restore_group(
    method: Method | Detector | Trainable,
    declaration: Declaration,
    inputs: Images,
    group: Sequence[int],
    seed: int,
) -> list[Made]:
    images = [inputs.degraded(index) for index in group]
    masks = [inputs.mask(index) if declaration.mask != "none" else None for index in group]
    stems = [inputs.stems[index] for index in group]
    if len(group) == 1:
        return [restore(method, declaration, images[0], masks[0], seed=seed, stem=stems[0])]
    assert isinstance(method, Batching)
    lost = [as_batch(mask) for mask in masks if mask is not None]
    together = torch.cat([as_batch(image) for image in images])
    made = apply_many(
        method, declaration, together, torch.cat(lost) if lost else None, seed=seed, stems=stems
    )
    return [as_pixels(one) for one in made.split(1)]


def restore(
    method: Method | Detector | Trainable,
    declaration: Declaration,
    degraded: Pixels,
    mask: Pixels | None,
    *,
    seed: int,
    stem: str,
) -> Made:
    """One image: uint8 (H, W, 3) and the uint8 (H, W) mask if declared, to what is written of it."""
    lost = None if mask is None else as_batch(mask)
    made = apply(method, declaration, as_batch(degraded), lost, seed=seed, stem=stem)
    if declaration.kind == "detector":
        return quantise(made[0, 0].numpy(), 16).astype(np.uint16, copy=False)
    return as_pixels(made)


def apply(
    method: Method | Detector | Trainable,
    declaration: Declaration,
    image: Tensor,
    mask: Tensor | None,
    *,
    seed: int,
    stem: str,
) -> Tensor:
    """What ``method`` makes of ``image`` (1, 3, H, W): a restored image, or probabilities (1, 1, H, W).

    On the method's device, without gradients unless it needs them, in tiles if it declares so. Torch's
    generator is seeded by (seed, name, ``stem``).

    Returns:
        Float32 on the CPU, in [0, 1] but for overshoot.

    Raises:
        ValueError: it gave an image of another shape, or one that is not finite.
    """
    torch.manual_seed(_seed(declaration, seed, stem))
    device = device_of(method)

    def piece(part: Tensor, lost: Tensor | None) -> Tensor:
        part = part.to(device)
        if isinstance(method, Detector):
            return method.detect(part)
        assert isinstance(method, Method)
        return method.restore(part, None if lost is None else lost.to(device))

    with torch.set_grad_enabled(declaration.per_image):
        if declaration.tile is None:
            made = piece(image, mask)
        else:
            made = tiled(piece, image, mask, side=declaration.tile)
    return _checked(made, declaration, image, [stem])


def apply_many(
    method: Batching,
    declaration: Declaration,
    images: Tensor,
    masks: Tensor | None,
    *,
    seed: int,
    stems: Sequence[str],
) -> Tensor:
    """What ``apply`` makes of each of several images (B, 3, H, W), no larger than a tile, but for rounding.

    Raises:
        ValueError: as of ``apply``.
    """
    device = device_of(method)
    seeds = [_seed(declaration, seed, stem) for stem in stems]
    lost = None if masks is None else masks.to(device)
    with torch.set_grad_enabled(declaration.per_image):
        made = method.restore_many(images.to(device), lost, seeds)
    return _checked(made, declaration, images, stems)


def _seed(declaration: Declaration, seed: int, stem: str) -> int:
    return seed_of(seed, "restore", declaration.weights_of, stem)


def _checked(made: Tensor, declaration: Declaration, images: Tensor, stems: Sequence[str]) -> Tensor:
    channels = 1 if declaration.kind == "detector" else 3
    if made.shape != (len(images), channels, *images.shape[2:]):
        what = "detect" if declaration.kind == "detector" else "restore"
        raise ValueError(f"{what}() gave shape {tuple(made.shape)} for an image of {tuple(images.shape)}")
    for one, stem in zip(made, stems, strict=True):
        if not torch.isfinite(one).all():
            raise ValueError(f"{declaration.name} gave values that are not finite, on image {stem}")
    return made.detach().float().cpu()


def device_of(method: object) -> torch.device:
    """Where the method's weights are."""
    networks = getattr(method, "networks", {}).values()
    first = next((tensor for network in networks for tensor in network.parameters()), None)
    return torch.device("cpu") if first is None else first.device
