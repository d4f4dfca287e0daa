"""A trained reference model for use in a program of one's own: load it, hand it photographs."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from benchmark import checkpoints
from degradekit.errors import DataError
from reference_model.config import Config
from reference_model.triplet import Triplet

WEIGHTS = "weights.safetensors"
#: Largest value of each type of pixels.
WHITE = {"uint8": 255, "uint16": 65535}


class Restorer:
    """Restores photographs held in arrays.

    Args:
        model: with its weights.
    """

    def __init__(self, model: Triplet) -> None:
        """``config`` is the model's."""
        self.model = model
        self.config: Config = model.config

    def restore(self, photo: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
        """The restored photograph, of the same size and type.

        Large photographs are restored in overlapping tiles, so memory is bounded.

        Args:
            photo: (H, W, 3), sRGB: uint8, uint16, or floating point in [0, 1].
            mask: (H, W), what is lost: bool, uint8 (255 = lost) or floating point in [0, 1]. None: nothing
                is taken for lost.

        Raises:
            ValueError: an array of another shape or type.
        """
        if photo.ndim != 3 or photo.shape[2] != 3 or 0 in photo.shape:
            raise ValueError(f"a photograph is (H, W, 3), got {photo.shape}")
        image = torch.from_numpy(np.ascontiguousarray(_fractions(photo).transpose(2, 0, 1)))[None]
        lost = None
        if mask is not None:
            if mask.shape != photo.shape[:2]:
                raise ValueError(f"the mask is {mask.shape}, the photograph {photo.shape[:2]}")
            lost = torch.from_numpy(np.ascontiguousarray(_fractions(mask)))[None, None]
        device = next(self.model.mapping.parameters()).device
        with torch.inference_mode():
            restored = self.model.restore(image.to(device), None if lost is None else lost.to(device))
        values = restored[0].clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
        white = WHITE.get(photo.dtype.name)
        return values.astype(photo.dtype) if white is None else np.rint(values * white).astype(photo.dtype)


def load(path: str | Path, device: str = "cpu") -> Restorer:
    """The model in a file of weights; its configuration is in there too.

    Args:
        path: ``weights.safetensors`` of a run, or the method's folder that holds it.
        device: where to restore, "cpu" or "cuda".

    Raises:
        DataError: there is no such file, it is damaged, or another method's.
    """
    path = Path(path)
    path = path / WEIGHTS if path.is_dir() else path
    model = Triplet(_config(path))
    checkpoints.load_weights(model, path)
    for network in model.networks.values():
        network.to(device).eval().requires_grad_(False)
    return Restorer(model)


def _config(path: Path) -> Config:
    """The configuration in the header of a safetensors file."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, path.stat().st_size)))
        return Config.model_validate_json(header["__metadata__"]["reference_model"])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (struct.error, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{path}: no weights of the reference model") from error


def _fractions(values: NDArray[Any]) -> NDArray[np.float32]:
    """Floats in [0, 1] of any type of pixels."""
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype.name in WHITE:
        return values.astype(np.float32) / np.float32(WHITE[values.dtype.name])
    if np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32)
    raise ValueError(f"pixels are uint8, uint16 or floating point, got {values.dtype}")
