"""Loop 1: a method and degraded images to files on disk, one PNG per pair.

A restorer's are uint8 RGB; a detector's are uint16 gray, 65535 = surely damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data import Pixels, as_batch, as_pixels
from benchmark.method import Declaration, Detector, Iterative, Method, Trainable
from benchmark.tiling import tiled
from degradekit import atomicfiles, imagefiles
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
) -> None:
    """Restore every degraded image, or those of ``stems``, into ``out``/STEM.png; files that are there stay.

    Progress is in images, or in iterations if the method is ``Iterative``.

    Raises:
        ValueError: the method gave an image of another shape, or one that is not finite.
    """
    chosen = set(inputs.stems if stems is None else stems)
    waiting = [index for index, stem in enumerate(inputs.stems) if stem in chosen]
    steps = method.iterations if isinstance(method, Iterative) else 1
    for done, index in enumerate(waiting):
        on_progress(done * steps, len(waiting) * steps)
        if isinstance(method, Iterative):
            method.on_iteration = _counting_on(on_progress, done * steps, len(waiting) * steps)
        stem = inputs.stems[index]
        path = out / f"{stem}.png"
        if not path.exists():
            mask = inputs.mask(index) if declaration.mask != "none" else None
            restored = restore(method, declaration, inputs.degraded(index), mask, seed=seed, stem=stem)
            atomicfiles.write_bytes(path, imagefiles.encode_png(restored))
    on_progress(len(waiting) * steps, len(waiting) * steps)


def _counting_on(
    on_progress: Callable[[int, int], None], before: int, total: int
) -> Callable[[int, int], None]:
    """Reports the steps of one image as those of a whole folder."""
    return lambda done, of_image: on_progress(before + done, total)


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
        return imagefiles.quantise(made[0, 0].numpy(), 16).astype(np.uint16, copy=False)
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
    torch.manual_seed(seed_of(seed, "restore", declaration.weights_of, stem))
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
    channels = 1 if declaration.kind == "detector" else 3
    if made.shape != (1, channels, *image.shape[2:]):
        what = "detect" if declaration.kind == "detector" else "restore"
        raise ValueError(f"{what}() gave shape {tuple(made.shape)} for an image of {tuple(image.shape)}")
    if not torch.isfinite(made).all():
        raise ValueError(f"{declaration.name} gave values that are not finite, on image {stem}")
    return made.detach().float().cpu()


def device_of(method: object) -> torch.device:
    """Where the method's weights are."""
    networks = getattr(method, "networks", {}).values()
    first = next((tensor for network in networks for tensor in network.parameters()), None)
    return torch.device("cpu") if first is None else first.device
