"""Where clean photographs come from: files, folders, the built-in ones, procedural dead leaves."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from degradekit import deadleaves, imagefiles
from degradekit.errors import DataError, OptionError
from degradekit.imagefiles import Bitmap

BUILTIN = "builtin"
DEAD_LEAVES = "dead-leaves"
#: Real colour photographs inside scikit-image's wheel: file -> (scene, licence). Two views of one scene
#: share a group, so that no split can part them. Licences as scikit-image's own documentation states them.
BUILTIN_PHOTOGRAPHS = {
    "astronaut.png": ("astronaut", "public domain (NASA)"),
    "chelsea.png": ("chelsea", "CC0"),
    "coffee.png": ("coffee", "CC0"),
    "motorcycle_left.png": ("motorcycle", "Middlebury 2014 stereo set, licence not stated"),
    "motorcycle_right.png": ("motorcycle", "Middlebury 2014 stereo set, licence not stated"),
    "rocket.jpg": ("rocket", "public domain (SpaceX)"),
}


@dataclass(frozen=True, slots=True)
class FileSource:
    """A photograph in a file. ``key`` is its name in data sets, ``group`` the scene it shows."""

    key: str
    group: str
    path: Path
    licence: str = "unknown"

    @property
    def origin(self) -> str:
        """Where it is, for messages."""
        return str(self.path)

    @property
    def extent(self) -> int:
        """Bytes on disk; tells a replaced file from the one that was there."""
        return self.path.stat().st_size

    def read(self) -> Bitmap:
        """Decode it; DataError if that fails."""
        return imagefiles.read(self.path)


@dataclass(frozen=True, slots=True)
class DeadLeavesSource:
    """Picture number ``index`` of the endless procedural series."""

    index: int

    @property
    def key(self) -> str:
        """Its name in data sets."""
        return f"{DEAD_LEAVES}/{self.index:05d}"

    @property
    def group(self) -> str:
        """Every picture is a scene of its own."""
        return self.key

    @property
    def origin(self) -> str:
        """Where it comes from, for messages."""
        return self.key

    @property
    def licence(self) -> str:
        """Nobody's: it is made by a program."""
        return "CC0"

    @property
    def extent(self) -> int:
        """The series' version: pictures change only with it."""
        return deadleaves.VERSION

    def read(self) -> Bitmap:
        """Make the picture."""
        return Bitmap(deadleaves.render(self.index))


Source = FileSource | DeadLeavesSource


def find(specs: Sequence[str]) -> list[Source]:
    """All photographs ``specs`` name, sorted by key; with no spec the built-in ones.

    A spec is a file, a folder (searched through all levels), ``builtin`` or ``dead-leaves:N``. A key is the
    path below the folder that was named, or a file's own name; where two would be equal, both take more of
    their path. So keys do not depend on the order of ``specs`` nor on where the folder lies.

    Raises:
        DataError: a file or folder is missing, or a folder holds no photograph.
        OptionError: ``dead-leaves:N`` with an N that is no count.
    """
    found: list[Source] = []
    files: dict[Path, tuple[str, ...]] = {}
    for spec in specs or [BUILTIN]:
        if spec == BUILTIN:
            found.extend(_builtin())
        elif spec == DEAD_LEAVES or spec.startswith(f"{DEAD_LEAVES}:"):
            found.extend(_dead_leaves(spec))
        else:
            files.update(_listed(Path(spec)))
    taken = {source.key for source in found}
    unique = {source.key: source for source in found}
    for path, key in _unique_keys(files, taken).items():
        unique[key] = FileSource(key, key, path)
    return [unique[key] for key in sorted(unique)]


def stems(keys: Iterable[str]) -> dict[str, str]:
    """Key -> file name stem: without the ending, with no dot; equal stems keep their endings."""
    keys = list(keys)
    bare = {key: re.sub(r"\.[^./]*$", "", key).replace(".", "_") for key in keys}
    count = Counter(stem.lower() for stem in bare.values())
    chosen = {key: stem if count[stem.lower()] == 1 else key.replace(".", "_") for key, stem in bare.items()}
    clashes = [stem for stem, number in Counter(chosen.values()).items() if number > 1]
    if clashes:
        both = [key for key in keys if chosen[key] == clashes[0]]
        raise DataError(f"{' and '.join(both)}: both would be written as '{clashes[0]}'; rename one")
    return chosen


def _builtin() -> list[FileSource]:
    spec = importlib.util.find_spec("skimage")  # Finds the folder without importing the package.
    if spec is None or not spec.submodule_search_locations:
        raise DataError("built-in photographs come with scikit-image, which is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    missing = [name for name in BUILTIN_PHOTOGRAPHS if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder / missing[0]}: missing from the installed scikit-image")
    return [
        FileSource(f"{BUILTIN}/{name}", f"{BUILTIN}/{scene}", folder / name, licence)
        for name, (scene, licence) in BUILTIN_PHOTOGRAPHS.items()
    ]


def _dead_leaves(spec: str) -> list[DeadLeavesSource]:
    count = spec.partition(":")[2]
    if not re.fullmatch(r"[1-9]\d{0,6}", count):
        raise OptionError(f"{DEAD_LEAVES}:N takes a whole number N in [1, 9999999], got '{spec}'")
    return [DeadLeavesSource(index) for index in range(int(count))]


def _listed(spec: Path) -> dict[Path, tuple[str, ...]]:
    """Absolute path -> the parts of its key."""
    if spec.is_dir():
        inside = sorted(
            path
            for path in spec.rglob("*")
            if path.suffix.lower() in imagefiles.SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(spec).parts)
        )
        if not inside:
            endings = " ".join(sorted(imagefiles.SUFFIXES))
            raise DataError(f"{spec}: the folder holds no photograph ({endings})")
        return {path.resolve(): path.relative_to(spec).parts for path in inside}
    if not spec.exists():
        raise DataError(f"{spec}: no such file or folder (and neither '{BUILTIN}' nor '{DEAD_LEAVES}:N')")
    return {spec.resolve(): (spec.name,)}


def _unique_keys(files: dict[Path, tuple[str, ...]], taken: set[str]) -> dict[Path, str]:
    """Path -> key, each lengthened by leading folders until no two are equal."""
    length = {path: len(parts) for path, parts in files.items()}
    while True:
        keys = {path: "/".join(path.parts[-length[path] :]).lstrip("/") for path in files}
        count = Counter(keys.values())
        clashing = [
            path
            for path, key in keys.items()
            if (count[key] > 1 or key in taken) and length[path] < len(path.parts)
        ]
        if not clashing:
            return keys
        for path in clashing:
            length[path] += 1
