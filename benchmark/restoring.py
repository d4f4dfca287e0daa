"""Loop 1: a method and degraded images to restored images on disk, uint8, one PNG per test pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from benchmark.data import Inputs, Pixels, as_batch, as_pixels
from benchmark.method import Declaration, Method
from degradekit import atomicfiles, imagefiles
from degradekit.randomness import seed_of


def restore_folder(
    method: Method,
    declaration: Declaration,
    inputs: Inputs,
    out: Path,
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> None:
    """Restore every degraded image into ``out``/STEM.png, skipping those already there.

    Raises:
        ValueError: the method gave an image of another shape, or one that is not finite.
    """
    for index, stem in enumerate(inputs.stems):
        on_progress(index, len(inputs))
        path = out / f"{stem}.png"
        if not path.exists():
            mask = inputs.mask(index) if declaration.needs_mask else None
            restored = restore(method, declaration, inputs.degraded(index), mask, seed=seed, stem=stem)
            atomicfiles.write_bytes(path, imagefiles.encode_png(restored))
    on_progress(len(inputs), len(inputs))


def restore(
    method: Method, declaration: Declaration, degraded: Pixels, mask: Pixels | None, *, seed: int, stem: str
) -> Pixels:
    """One image: uint8 (H, W, 3) and the uint8 (H, W) mask if declared, to uint8 (H, W, 3)."""
    torch.manual_seed(seed_of(seed, "restore", declaration.name, stem))
    device = _device(method)
    image = as_batch(degraded).to(device)
    lost = None if mask is None else as_batch(mask).to(device)
    with torch.set_grad_enabled(declaration.per_image):
        restored = method.restore(image, lost)
    if restored.shape != image.shape:
        raise ValueError(f"restore() gave shape {tuple(restored.shape)} for an image of {tuple(image.shape)}")
    if not torch.isfinite(restored).all():
        raise ValueError(f"restore() gave values that are not finite, on image {stem}")
    return as_pixels(restored)


def _device(method: Method) -> torch.device:
    networks = getattr(method, "networks", {}).values()
    first = next((tensor for network in networks for tensor in network.parameters()), None)
    return torch.device("cpu") if first is None else first.device
