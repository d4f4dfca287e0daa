"""Profiles: the data, budget and metrics of a run, from a YAML file and overrides, checked key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from degradekit import recipe
from degradekit.errors import OptionError, unknown
from degradekit.recipe import Recipe

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Checked):
    """Which photographs, how they are split, and what is done to them.

    Args:
        train: sources of training and validation photographs: files, folders, ``builtin``, ``dead-leaves:N``.
        test: sources of test photographs; empty takes them out of ``train``.
        held_out: key patterns of the scenes taken out if ``test`` is empty; with none, ``test_frac`` of them.
        test_frac: share of the scenes tested on when neither of the above is given.
        val_frac: share of the remaining scenes kept for validation.
        recipe: name or path of the degradation recipe.
        dpi: resolution at which the photographs are taken to be scanned, in place of the size that the recipe
            gives them: what is trained on should be as fine as what is restored later.
        size: side in pixels of the square cut out of each training photograph; null keeps it whole.
        test_size: the same for test photographs.
        copies: degraded variants of each training photograph.
        test_copies: the same for test photographs.
        real: sources of real old photographs, which have no clean counterpart; methods that can learn from
            such do.
        labelled: folder of real photographs with hand-made masks of their defects, ``images/STEM`` and
            ``masks/STEM``; detectors are fine-tuned on them.
    """

    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    test_frac: Fraction = 0.2
    val_frac: Fraction = 0.05
    recipe: str = "old-photo"
    dpi: Annotated[float, Field(ge=1, le=20_000)] | None = None
    size: Annotated[int, Field(ge=16)] | None = None
    test_size: Annotated[int, Field(ge=16)] | None = None
    copies: Count = 1
    test_copies: Count = 1
    real: tuple[str, ...] = ()
    labelled: str | None = None

    def damage(self) -> Recipe:
        """The recipe that ``recipe`` and ``dpi`` name.

        Raises:
            RecipeError: there is none, or it has a mistake.
        """
        named = recipe.load(self.recipe)
        return named if self.dpi is None else named.at_dpi(self.dpi)


class Train(_Checked):
    """The budget every trained method gets, and how it is computed.

    The budget is one of ``iterations``, ``images`` and ``seconds``. With the last, results depend on the
    machine's speed and cannot be reproduced bit for bit.

    Args:
        iterations: steps.
        images: crops seen; divided by ``batch`` it gives the steps.
        seconds: time spent on steps.
        batch: crops per step, over all processes.
        crop: side of a crop in pixels.
        every: steps between two checkpoints, each with a line of losses and validation PSNR.
        select: which weights are tested: those of the "last" step, or of the checkpoint with the "best"
            validation PSNR.
        accumulate: parts a batch is cut into to save memory; gradients are averaged over them.
        precision: "bfloat16" and "float16" compute forward passes in it where torch deems it safe.
        threads: CPU threads torch uses; numbers are bit-exact for one thread count only.
        device: "auto" takes a CUDA device if there is one.
        per_image_iterations: steps on each image for methods that optimise on it.
        per_image_limit: such methods restore only so many test images, spread over the photographs; null:
            all.
        per_image_batch: they optimise on so many images of one size at a time, or on fewer where half of
            the device's memory holds no more; null: one on a CPU, as many as fit on a graphics card. Beside
            others an image becomes the same but for rounding.
    """

    iterations: Count | None = None
    images: Count | None = None
    seconds: Count | None = None
    batch: Count
    crop: Annotated[int, Field(ge=16)]
    every: Count
    select: Literal["last", "best"] = "last"
    accumulate: Count = 1
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    threads: Count = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"
    per_image_iterations: Count = 3000
    per_image_limit: Count | None = None
    per_image_batch: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Train:
        given = [key for key in BUDGETS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"train takes one of {', '.join(BUDGETS)}; got {' and '.join(given) or 'none'}")
        if self.batch % self.accumulate:
            raise ValueError(
                f"train.batch ({self.batch}) is no multiple of train.accumulate ({self.accumulate})"
            )
        if self.images is not None and self.images < self.batch:
            raise ValueError(f"train.images ({self.images}) is less than train.batch ({self.batch})")
        return self

    @property
    def steps(self) -> int | None:
        """Steps of the budget; None when it is counted in seconds."""
        return self.images // self.batch if self.images is not None else self.iterations

    @property
    def budget(self) -> str:
        """The budget in words."""
        if self.seconds is not None:
            return f"{self.seconds:,} s of steps"
        return f"{self.steps:,} steps"


BUDGETS = ("iterations", "images", "seconds")


class Profile(_Checked):
    """Everything a run's numbers depend on, besides code and photographs.

    Args:
        name: name of the profile it began as.
        summary: one line on what it is for.
        data: photographs and degradations.
        train: budget.
        width: factor on every network's channel counts; 1 = as published.
        metrics: names of the metrics, in table order.
        seed: seed of everything that is drawn.
        training_seed: seed of what methods draw (initial weights, order of crops, noise); null: ``seed``.
            Splits and degradations are always drawn from ``seed``.
        detector: name of the method that finds damage for those that ask for a detected mask.
    """

    name: str
    summary: str
    data: Data
    train: Train
    width: Annotated[float, Field(gt=0, le=4)] = 1.0
    metrics: Annotated[tuple[str, ...], Field(min_length=1)] = ("psnr", "ssim")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    training_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    detector: str = "scratch_detector"

    @property
    def method_seed(self) -> int:
        """Seed of what methods draw."""
        return self.seed if self.training_seed is None else self.training_seed

    @model_validator(mode="after")
    def _check(self) -> Profile:
        if self.data.size is not None and self.data.size < self.train.crop:
            raise ValueError(f"data.size ({self.data.size}) is smaller than train.crop ({self.train.crop})")
        return self

    def as_published(self) -> bool:
        """Whether networks and budget are those of the ``paper`` profile."""
        paper = load("paper")
        return self.width == paper.width and all(
            getattr(self.train, key) == getattr(paper.train, key) for key in ("iterations", "batch", "crop")
        )


def names() -> tuple[str, ...]:
    """Names of the shipped profiles, sorted."""
    folder = resources.files("benchmark") / "profiles"
    files = [entry.name for entry in folder.iterdir()]
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def load(
    name: str, *, implied: Sequence[str] = (), file: Path | None = None, overrides: Sequence[str] = ()
) -> Profile:
    """The profile called ``name``, changed by what is ``implied``, then by a YAML file, then by overrides.

    Both ``implied`` and ``overrides`` are of the form ``a.b=value``.

    Raises:
        OptionError: an unknown profile or key, a value out of bounds, or a file that is no mapping.
    """
    if name not in names():
        raise OptionError(unknown("profile", name, names()))
    text = (resources.files("benchmark") / "profiles" / f"{name}.yaml").read_text()
    raw = {"name": name, **_mapping(text, f"profile {name}")}
    for change in implied:
        raw = _merged(raw, _nested(change))
    if file is not None:
        try:
            raw = _merged(raw, _mapping(file.read_text(), str(file)))
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"--config {file}: cannot be read ({error})") from error
    for change in overrides:
        raw = _merged(raw, _nested(change))
    try:
        return Profile.model_validate(raw)
    except ValidationError as error:
        raise OptionError(_explain(error)) from None


def budget(text: str) -> list[str]:
    """``iters=N``, ``images=N`` or ``time=SECONDS`` as overrides for ``load``.

    Raises:
        OptionError: it is none of these.
    """
    unit, equals, value = text.partition("=")
    keys = {"iters": "iterations", "images": "images", "time": "seconds"}
    if unit not in keys or not equals:
        raise OptionError(f"--budget takes iters=N, images=N or time=SECONDS, got '{text}'")
    return [f"train.{key}={value if key == keys[unit] else 'null'}" for key in BUDGETS]


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OptionError(f"{where}: no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise OptionError(f"{where}: expected keys and values, got {type(raw).__name__}")
    return raw


def _nested(override: str) -> dict[str, Any]:
    path, equals, value = override.partition("=")
    if not (equals and all(path.split("."))):
        raise OptionError(f"-o takes key=value or section.key=value, got '{override}'")
    try:
        nested: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise OptionError(f"-o {path}: '{value}' is no YAML value") from error
    for key in reversed(path.split(".")):
        nested = {key: nested}
    result: dict[str, Any] = nested
    return result


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _explain(error: ValidationError) -> str:
    """The first broken rule in a line: key, value, rule; for an unknown key the nearest known one."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        model: Any = Profile
        for part in parts[:-1]:
            model = model.model_fields[part].annotation
        prefix = "".join(f"{part}." for part in parts[:-1])
        return unknown("configuration key", ".".join(parts), [prefix + key for key in model.model_fields])
    if first["type"] == "missing":
        return f"the configuration lacks {'.'.join(parts)}"
    if not parts:
        return str(first["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(parts)}: {first['msg']}, got {first['input']!r}"
