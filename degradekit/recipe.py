"""Recipes: ordered steps whose values are numbers or distributions. Parse, check, draw.

Drawing and applying are apart: ``Recipe.draw`` turns names and a seed into plain numbers, and what was drawn
(``degradekit.drawn``) turns a photograph into pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from degradekit import atomicfiles, ops
from degradekit.drawn import Drawn, DrawnStep
from degradekit.errors import DataError, RecipeError, unknown
from degradekit.ops import Op, textures
from degradekit.randomness import Constant, Distribution, Scalar, distribution, seed_of, share_of, stream
from degradekit.scale import Scale

GROUPS = ("one_of", "any_order", "in_order")
KEYS = ("name", "description", "format", "dpi", "severity", "clean", "steps")
#: What may stand in a step beside its op.
MODIFIERS = ("p", "together")
#: Folder of textures -> the op that uses them, and its values where its defaults do not fit.
TEXTURE_FOLDERS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(("scratch", "scratches"), ("scratch_textures", {})),
    **dict.fromkeys(("dust", "dirt", "sprinkles"), ("dust_textures", {"stamps_per_dm2": 1.0})),
    "hair": ("dust_textures", {"stamps_per_dm2": 0.7, "size_mm": 14.0}),
    **dict.fromkeys(("hair-short", "lint"), ("dust_textures", {"stamps_per_dm2": 1.0, "size_mm": 6.0})),
    **dict.fromkeys(("dots", "spots"), ("dust_textures", {"stamps_per_dm2": 1.0, "size_mm": 3.0})),
    **dict.fromkeys(("stain", "stains", "smut"), ("stain_textures", {})),
    "paper": ("paper_textures", {}),
}
#: How far ``severity`` may scale a recipe.
MOST_SEVERE = 20.0
#: The safe loader, in C where PyYAML has it: eight times as fast, which a command's start shows.
LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Chance:
    """Whether a step happens: with probability ``p``, by the stream called ``name``.

    Steps with one ``name`` happen together or not at all.
    """

    name: str
    p: float

    def happens(self, seed: int, names: tuple[str | int, ...]) -> bool:
        """The decision for one sample."""
        return self.p >= 1 or share_of(seed, *names, self.name, "p") < self.p


@dataclass(frozen=True, slots=True)
class Step:
    """One op of a recipe; ``name`` is ``op#occurrence``, the name of its streams."""

    name: str
    op: Op
    values: Mapping[str, Distribution]
    chance: Chance

    def draw(self, seed: int, names: tuple[str | int, ...], severity: float) -> list[DrawnStep]:
        """Nothing, or this step with values drawn and strengths scaled."""
        if not self.chance.happens(seed, names):
            return []
        return self.drawn(
            seed_of(seed, *names, self.name, "apply"),
            severity,
            lambda parameter, values: values.at(share_of(seed, *names, self.name, parameter)),
        )

    def drawn(
        self, seed: int, severity: float, value: Callable[[str, Distribution], Scalar]
    ) -> list[DrawnStep]:
        """This step with the sub-seed ``seed`` and what ``value`` picks from each distribution."""
        # Constants need no random stream, which takes longer to open than all else here.
        values = {
            parameter: values.value if isinstance(values, Constant) else value(parameter, values)
            for parameter, values in self.values.items()
        }
        scaled = values if severity == 1 else self.op.scaled(values, severity)
        return [DrawnStep(self.op.name, seed, scaled)]


@dataclass(frozen=True, slots=True)
class Group:
    """``one_of`` its members, equally likely, or all of them: in ``any_order`` or ``in_order``."""

    name: str
    kind: str
    members: tuple[Step | Group, ...]
    chance: Chance

    def draw(self, seed: int, names: tuple[str | int, ...], severity: float) -> list[DrawnStep]:
        """The members chosen, in the order chosen, with values drawn."""
        if not self.chance.happens(seed, names):
            return []
        chosen = self.members
        if self.kind == "one_of":
            chosen = (self.members[int(share_of(seed, *names, self.name, "order") * len(self.members))],)
        elif self.kind == "any_order":
            order = stream(seed, *names, self.name, "order").permutation(len(self.members))
            chosen = tuple(self.members[index] for index in order)
        return [step for member in chosen for step in member.draw(seed, names, severity)]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe. ``raw`` is the mapping it came from; two recipes are the same if that is.

    ``severity`` scales every strength away from no damage (0) past the recipe as written (1). ``clean`` are
    steps that make the photograph what restoration should give back: a monochrome print's clean image is
    monochrome. ``severity`` does not touch them.
    """

    name: str
    description: str
    scale: Scale
    severity: float
    clean: tuple[Step | Group, ...]
    steps: tuple[Step | Group, ...]
    raw: Mapping[str, Any]

    def draw_clean(self, seed: int, key: str, variant: int, px_per_mm: float) -> Drawn:
        """Draw the steps that make the clean image, for one sample."""
        steps = tuple(drawn for step in self.clean for drawn in step.draw(seed, (key, variant), 1.0))
        return Drawn(self.name, px_per_mm, steps)

    def draw(self, seed: int, key: str, variant: int, px_per_mm: float) -> Drawn:
        """Draw every value for one sample; a function of the arguments alone."""
        names = (key, variant)
        steps = tuple(drawn for step in self.steps for drawn in step.draw(seed, names, self.severity))
        return Drawn(self.name, px_per_mm, steps)

    def draw_evenly(self, seed: int, key: str, count: int) -> list[tuple[DrawnStep, ...]]:
        """The steps of ``count`` samples whose values are spread evenly over their distributions.

        A Latin hypercube: each value of a step outside any group, and whether the step happens, comes once
        from every one of ``count`` equal shares of its distribution. So a few samples have the median and
        the spread that many random ones would. What is in groups is drawn as ever.
        """

        def share(number: int, *names: str) -> float:
            rng = stream(seed, key, "evenly", *names)
            places, within = rng.permutation(count), rng.random(count)
            return float(places[number] + within[number]) / count

        def one(step: Step | Group, number: int) -> list[DrawnStep]:
            names = (key, number)
            if isinstance(step, Group):
                return step.draw(seed, names, self.severity)
            if share(number, step.name, "p") >= step.chance.p:
                return []
            own = seed_of(seed, *names, step.name, "apply")
            return step.drawn(
                own, self.severity, lambda parameter, values: values.at(share(number, step.name, parameter))
            )

        return [tuple(drawn for step in self.steps for drawn in one(step, number)) for number in range(count)]

    def at_severity(self, severity: float) -> Recipe:
        """The same recipe with another severity.

        Raises:
            RecipeError: it is not in [0, 20].
        """
        return parse({**self.raw, "severity": severity}, self.name)

    def scaled_by(self, factor: float) -> Recipe:
        """The same recipe with its severity times ``factor``, 20 at most; 1 leaves it as it is.

        Raises:
            RecipeError: ``factor`` is not in [0, 20].
        """
        return self.at_severity(min(_severity(factor) * self.severity, MOST_SEVERE))

    def at_dpi(self, dpi: float) -> Recipe:
        """The same damage, in millimetres, to photographs scanned at ``dpi``, whatever format they have.

        Raises:
            RecipeError: it is not in [1, 20000].
        """
        return parse({**{key: self.raw[key] for key in self.raw if key != "format"}, "dpi": dpi}, self.name)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe's content."""
        return atomicfiles.fingerprint(self.raw)

    @property
    def classes(self) -> tuple[str, ...]:
        """The defect classes its ops can mask, sorted."""
        return tuple(sorted({name for step in _leaves(self.steps) for name in step.op.masks}))


def shipped() -> dict[str, Path]:
    """Name -> file of every recipe that comes with the package."""
    folder = Path(str(resources.files("degradekit") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name_or_path: str) -> Recipe:
    """A shipped recipe by name, or one from a YAML file.

    Raises:
        RecipeError: no such name or file, or the recipe is not valid; the message says where and why.
    """
    known = shipped()
    path = known.get(name_or_path) or Path(name_or_path)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        raise RecipeError(unknown("recipe", name_or_path, known))
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    try:
        return parse(raw, default_name=path.stem, folder=path.parent)
    except RecipeError as error:
        raise RecipeError(f"{path.name}: {error}") from error


def parse(raw: Any, default_name: str = "recipe", folder: Path | None = None) -> Recipe:
    """Check a recipe's mapping and build it.

    Folders of textures are looked for in ``folder``, then in the working directory.

    Raises:
        RecipeError: the message names the step, the op, the parameter, the value and the rule.
    """
    if not isinstance(raw, dict):
        raise RecipeError(f"a recipe is a mapping with the key steps, got {type(raw).__name__}")
    for key in raw:
        if key not in KEYS:
            raise RecipeError(unknown("key", key, KEYS))
    listed = raw.get("steps")
    if not isinstance(listed, list) or not listed:
        raise RecipeError(f"steps is a list of at least one step, got {listed!r}")
    for key in ("name", "description"):
        if not isinstance(raw.get(key, ""), str):
            raise RecipeError(f"{key} is text, got {raw[key]!r}")
    severity = _severity(raw.get("severity", 1.0))
    before = raw.get("clean", [])
    if not isinstance(before, list):
        raise RecipeError(f"clean is a list of steps, got {before!r}")
    counts: Counter[str] = Counter()
    listed = _pinned(listed, folder or Path())
    steps = tuple(_node(item, f"step {number}", counts) for number, item in enumerate(listed, 1))
    # Counted after the steps, so that adding a clean step leaves the draws of the others alone.
    clean = tuple(_node(item, f"clean step {number}", counts) for number, item in enumerate(before, 1))
    for step in _leaves(clean):
        if step.op.masks or step.op.moves:
            raise RecipeError(
                f"clean: {step.op.name} hides or moves the picture, so it cannot make the clean image"
            )
    return Recipe(
        raw.get("name", default_name),
        raw.get("description", ""),
        Scale(raw.get("format"), raw.get("dpi")),
        severity,
        clean,
        steps,
        {"name": default_name, **raw, "steps": listed},
    )


def with_textures(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with steps added that lay the images of ``folder`` over the photograph.

    ``folder`` holds subfolders named for what they show (``scratches``, ``dust``, ``hair``, ``dirt``,
    ``stain``, ``paper`` and others, see ``TEXTURE_FOLDERS``). The steps come after the last one that hides
    the picture, so before the scan.

    Raises:
        DataError: the folder is missing or a subfolder holds no image.
        RecipeError: no subfolder has a known name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of textures")
    added = [
        {TEXTURE_FOLDERS[sub.name][0]: {"folder": str(sub.resolve()), **TEXTURE_FOLDERS[sub.name][1]}}
        for sub in sorted(folder.iterdir())
        if sub.name in TEXTURE_FOLDERS and sub.is_dir()
    ]
    if not added:
        names = ", ".join(sorted(TEXTURE_FOLDERS))
        raise RecipeError(f"{folder}: holds no folder named for a texture; known names: {names}")
    painting = [
        number for number, step in enumerate(recipe.steps, 1) if any(s.op.masks for s in _leaves((step,)))
    ]
    at = painting[-1] if painting else len(recipe.steps)
    steps = [*recipe.raw["steps"][:at], *added, *recipe.raw["steps"][at:]]
    return parse({**recipe.raw, "steps": steps}, recipe.name)


def _severity(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_SEVERE:
        raise RecipeError(f"severity is a number in [0, {MOST_SEVERE:g}], got {value!r}")
    return float(value)


def _node(item: Any, where: str, counts: Counter[str]) -> Step | Group:
    """One step or group; ``counts`` numbers the occurrences of each name in the order of the file."""
    if isinstance(item, str):
        item = {item: {}}
    if not isinstance(item, dict):
        raise RecipeError(f"{where}: a step is 'op: {{parameters}}', got {item!r}")
    body = {key: value for key, value in item.items() if key not in MODIFIERS}
    if len(body) != 1:
        names = ", ".join(map(str, body)) or "none"
        raise RecipeError(f"{where}: a step has one op beside {' and '.join(MODIFIERS)}, got {names}")
    ((kind, content),) = body.items()
    p = item.get("p", 1.0)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise RecipeError(f"{where} ({kind}): p is a number in [0, 1], got {p!r}")
    name = f"{kind}#{counts[kind]}"
    counts[kind] += 1
    label = item.get("together")
    if label is not None and not isinstance(label, str):
        raise RecipeError(f"{where} ({kind}): together is a name that steps share, got {label!r}")
    chance = Chance(name if label is None else f"together {label}", float(p))
    if kind in GROUPS:
        if not isinstance(content, list) or not content:
            raise RecipeError(f"{where} ({kind}): a list of at least one step, got {content!r}")
        members = tuple(
            _node(member, f"{where}.{number}", counts) for number, member in enumerate(content, 1)
        )
        return Group(name, kind, members, chance)
    try:
        return Step(name, ops.find(kind), _values(ops.find(kind), content), chance)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error


def _pinned(steps: Any, base: Path) -> Any:
    """The steps with the whole path of every folder of textures, and its content beside it.

    So a run whose images were changed is another run, and a replay notices. A path is taken from ``base`` if
    it leads to a folder there, else from the working directory.
    """
    if not isinstance(steps, list):
        return steps

    def pinned(kind: Any, content: Any) -> Any:
        if kind in GROUPS:
            return _pinned(content, base)
        known = ops.OPS[kind].parameters if kind in ops.OPS else {}
        if "content" not in known or not isinstance(content, dict):
            return content
        folder = content.get("folder")
        if not folder or not isinstance(folder, str):
            return content
        if not Path(folder).is_absolute():
            folder = str(((base if (base / folder).is_dir() else Path()) / folder).resolve())
        found = content.get("content") or textures.content_of(folder)
        return {**content, "folder": folder, "content": found}

    return [
        {kind: pinned(kind, content) for kind, content in step.items()} if isinstance(step, dict) else step
        for step in steps
    ]


def _values(op: Op, content: Any) -> dict[str, Distribution]:
    """Every parameter of ``op``: as the recipe says, else its default, so the record is complete."""
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise RecipeError(f"{op.name}: parameters are a mapping, got {content!r}")
    if op.reader is not None:
        return {name: Constant(value) for name, value in op.reader(content).items()}
    values: dict[str, Distribution] = {
        name: Constant(parameter.default) for name, parameter in op.parameters.items()
    }
    for name, value in content.items():
        if name not in op.parameters:
            raise RecipeError(f"{op.name}: {unknown('parameter', name, op.parameters)}")
        try:
            values[name] = distribution(value)
        except RecipeError as error:
            raise RecipeError(f"{op.name}: {name}: {error}") from error
        op.check(name, values[name])
    return values


def _leaves(nodes: tuple[Step | Group, ...]) -> list[Step]:
    return [leaf for node in nodes for leaf in ([node] if isinstance(node, Step) else _leaves(node.members))]
