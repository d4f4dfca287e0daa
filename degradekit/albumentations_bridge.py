"""albumentations both ways: its transforms as steps of a recipe, a recipe as one of its transforms.

Imported on demand only: albumentations takes a second to import, and asks the network for newer versions
unless told not to.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A

from degradekit import atomicfiles, recipe
from degradekit.errors import RecipeError, unknown
from degradekit.levels import Plane, as_float, quantise
from degradekit.ops import Op, Parameter
from degradekit.photo import Photo
from degradekit.randomness import Scalar

PREFIX = "A."
ARGUMENTS = "arguments"


@lru_cache(maxsize=256)
def as_op(name: str) -> Op:
    """The op ``A.Name``: albumentations' transform ``Name``, always applied, drawing from our stream.

    Its arguments are written in the recipe as albumentations takes them; it draws within their ranges
    itself, from a seed of the sample's own stream. Spatial transforms move the masks along.

    Raises:
        RecipeError: albumentations has no such transform.
    """
    _transform_class(name)

    def apply(photo: Photo, rng: Generator, *, arguments: str) -> Photo:
        return _apply(name, arguments, photo, int(rng.integers(2**31)))

    return Op(
        name=name,
        family="albumentations",
        function=apply,
        parameters={ARGUMENTS: Parameter(ARGUMENTS, "{}", None, text="the transform's arguments as JSON")},
        masks=(),
        neutral={},
        exact=False,
        moves=issubclass(_transform_class(name), A.DualTransform),
        summary=f"albumentations' {name.removeprefix(PREFIX)}.",
        reader=lambda content: _read(name, content),
    )


def _transform_class(name: str) -> Any:
    found = getattr(A, name.removeprefix(PREFIX), None)
    if not (isinstance(found, type) and issubclass(found, A.BasicTransform)):
        known = [
            key
            for key, item in vars(A).items()
            if isinstance(item, type) and issubclass(item, A.BasicTransform)
        ]
        raise RecipeError(unknown("albumentations transform", name.removeprefix(PREFIX), known))
    return found


def _read(name: str, content: Any) -> dict[str, Scalar]:
    content = {} if content is None else content
    if not isinstance(content, Mapping):
        raise RecipeError(f"{name}: arguments are a mapping, got {content!r}")
    if "p" in content:
        raise RecipeError(f"{name}: p stands beside the step, not in its arguments, got p: {content['p']!r}")
    try:
        arguments = atomicfiles.canonical_json(dict(content))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{name}: arguments are numbers, words and lists: {error}") from error
    _build(name, arguments)
    return {ARGUMENTS: arguments}


@lru_cache(maxsize=256)
def _build(name: str, arguments: str) -> Any:
    """The transform; RecipeError where albumentations would only warn of a misspelt argument."""
    # Their schemas want tuples where YAML and JSON have lists.
    values = {key: _tuples(value) for key, value in json.loads(arguments).items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _transform_class(name)(**{**values, "p": 1.0})
    except (ValueError, TypeError, UserWarning) as error:
        reason = " ".join(str(error).split("For further information")[0].split())
        raise RecipeError(f"{name}: {reason}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _apply(name: str, arguments: str, photo: Photo, seed: int) -> Photo:
    transform = _build(name, arguments)
    planes = [*photo.masks.values(), *([] if photo.alpha is None else [photo.alpha])]
    transform.set_random_seed(seed)
    data: dict[str, Any] = {"image": photo.image.copy()}
    if planes and isinstance(transform, A.DualTransform):
        data["masks"] = np.stack(planes)
    try:
        result = transform(**data)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise RecipeError(f"{name}: cannot be applied to {photo.width}x{photo.height} px: {error}") from error
    image = np.asarray(result["image"], dtype=np.float32)
    if image.shape != photo.image.shape:
        raise RecipeError(f"{name}: changes the picture's size, which the clean image cannot follow")
    moved = iter([photo.image, *planes] if "masks" not in data else [photo.image, *result["masks"]])
    next(moved)

    def follow(plane: Plane) -> Plane:
        return image if plane.ndim == 3 else np.asarray(next(moved), dtype=np.float32)

    return photo.moved(follow)


class Degrade(A.ImageOnlyTransform):  # type: ignore[misc]
    """A whole recipe as one albumentations transform.

    ``A.Compose([A.RandomCrop(256, 256), degradekit.albumentations_bridge.Degrade("old-photo")], seed=7)``.
    Takes uint8 or float32 RGB of any size and gives the same type. Draws are seeded by albumentations, so
    they repeat as its own do. The call's result has the masks under ``defect_masks``: class -> float32
    (H, W); several of one ``Compose`` add to the same masks, one that is not applied leaves them alone.

    What crops, resizes or moves the picture must come before it: albumentations does not take
    ``defect_masks`` along.

    Args:
        recipe: name of a shipped recipe, or a YAML file.
        severity: factor on the recipe's own severity, up to 20 in all; 1 leaves the recipe as it is.
        p: probability that it is applied.

    Raises:
        RecipeError: there is no such recipe, or it is not valid.
    """

    class InitSchema(A.BasicTransform.InitSchema):  # type: ignore[misc]
        """Types of the arguments."""

        recipe: str
        severity: float

    def __init__(self, recipe: str = "old-photo", severity: float = 1.0, p: float = 1.0) -> None:
        """See the class."""
        super().__init__(p=p)
        self.recipe = recipe
        self.severity = severity
        self._loaded = _load(recipe, severity)
        self._earlier: dict[str, Any] = {}
        self._masks: dict[str, Any] = {}

    def get_params(self) -> dict[str, Any]:
        """The seed of this call."""
        return {"seed": int(self.random_generator.integers(2**62))}

    def apply(self, img: Any, seed: int, **params: Any) -> Any:
        """The degraded image, of the type of ``img``.

        Raises:
            RecipeError: the picture was resized since an earlier ``Degrade``.
        """
        image = as_float(img) if img.dtype == np.uint8 else np.array(img, dtype=np.float32)
        height, width = image.shape[:2]
        drawn = self._loaded.draw(seed, "albumentations", 0, self._loaded.scale.px_per_mm(height, width))
        for name, mask in self._earlier.items():
            if mask.shape != (height, width):
                raise RecipeError(
                    "what crops or resizes the picture comes before every Degrade: "
                    f"defect_masks has {name} of {mask.shape[1]}x{mask.shape[0]} px, got {width}x{height} px"
                )
        photo = drawn.apply(Photo(image, drawn.px_per_mm, self._earlier))
        self._masks = dict(photo.masks)
        return quantise(photo.image) if img.dtype == np.uint8 else photo.image.copy()

    def apply_with_params(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As albumentations' own, which calls it when the transform is applied; joins ``defect_masks``."""
        self._masks = self._earlier = kwargs.get("defect_masks") or {}
        result = super().apply_with_params(params, *args, **kwargs)
        return {**result, "defect_masks": self._masks}

    def __call__(self, *args: Any, force_apply: bool = False, **kwargs: Any) -> Any:
        """As albumentations' own, with ``defect_masks`` in the result even if it is not applied."""
        return {"defect_masks": {}, **super().__call__(*args, force_apply=force_apply, **kwargs)}


def _load(name: str, severity: float) -> recipe.Recipe:
    return recipe.load(name).scaled_by(severity)
