"""Where clean photographs come from: files, folders, the built-in ones, procedural dead leaves."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from degradekit import deadleaves, imagefiles, manifest
from degradekit.errors import DataError, OptionError, readable
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
    """A photograph in a file. ``key`` is its name in data sets, ``group`` the scene it shows.

    ``shared``: the file belongs to an installed package, so data sets copy it and never link to it.
    """

    key: str
    group: str
    #: Absolute path. Text, as there may be a million of them, and a Path takes three times the memory.
    place: str
    licence: str = "unknown"
    shared: bool = False

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.place)

    @property
    def origin(self) -> str:
        """Where ``by_origin`` finds it again."""
        if self.shared:
            return self.key
        # One line of text, whatever the name holds.
        return self.place if self.place == readable(self.place) else json.dumps(self.place)

    @property
    def extent(self) -> int:
        """Bytes on disk; tells a replaced file from the one that was there. -1 if there is none."""
        try:
            return os.stat(self.place).st_size  # noqa: PTH116 - see place
        except OSError:
            return -1

    @property
    def stamp(self) -> tuple[int, ...]:
        """Changes when the file is replaced; DataError if it is not there."""
        try:
            state = os.stat(self.place)  # noqa: PTH116 - see place
        except OSError as error:
            raise DataError(f"{self.place}: {error.strerror or error}") from error
        return state.st_size, state.st_mtime_ns, state.st_ino

    def read(self) -> Bitmap:
        """Decode it; DataError if that fails."""
        return imagefiles.read(self.path)

    def load(self) -> tuple[Bitmap, bytes]:
        """Its pixels and the bytes they were decoded from; DataError as ``read``."""
        data = imagefiles.read_bytes(self.path)
        return imagefiles.decode(data, str(self.path)), data


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
        """Where ``by_origin`` finds it again."""
        return self.key

    @property
    def licence(self) -> str:
        """Nobody's: it is made by a program."""
        return "CC0"

    @property
    def extent(self) -> int:
        """The series' version: pictures change only with it."""
        return deadleaves.VERSION

    @property
    def stamp(self) -> tuple[int, ...]:
        """Never changes."""
        return ()

    def read(self) -> Bitmap:
        """Make the picture."""
        return Bitmap(deadleaves.render(self.index))

    def load(self) -> tuple[Bitmap, bytes]:
        """The picture, and no bytes, as no file has it."""
        return self.read(), b""


Source = FileSource | DeadLeavesSource


def find(specs: Sequence[str]) -> list[Source]:
    """All photographs ``specs`` name, sorted by key; with no spec the built-in ones.

    A spec is a file, a folder (searched through all levels, but for data sets of ours in it), ``builtin`` or
    ``dead-leaves:N``. A key is the path below the folder that was named, or a file's own name; where two
    would be equal, both take more of their path. So keys do not depend on the order of ``specs``, nor on
    where the folder lies or links in it lead to.

    Raises:
        DataError: a file or folder is missing, or a folder holds no photograph.
        OptionError: ``dead-leaves:N`` with an N that is no count.
    """
    found: list[Source] = []
    files: dict[str, tuple[str, int]] = {}
    for spec in specs or [BUILTIN]:
        if spec == BUILTIN:
            found.extend(_builtin())
        elif spec == DEAD_LEAVES or spec.startswith(f"{DEAD_LEAVES}:"):
            found.extend(_dead_leaves(spec))
        else:
            for path, length in _listed(Path(spec)):
                # A file that is there twice, by a link or two specs, is one photograph.
                place = os.path.realpath(path)
                named = (place if path == place else path, length)
                files[place] = min(named, files.get(place, named), key=lambda name: (-name[1], name[0]))
    taken = {source.key for source in found}
    unique = {source.key: source for source in found}
    for place, key in _unique_keys(files, taken).items():
        unique[key] = FileSource(key, key, place)
    return [unique[key] for key in sorted(unique)]


def by_origin(key: str, origin: str | None) -> Source:
    """The source called ``key`` that had this ``origin`` when a data set was made.

    Raises:
        DataError: there is no origin, or nothing of that name there.
    """
    if origin is None:
        raise DataError(f"{key}: the data set does not say where this photograph was")
    if origin.startswith(f"{BUILTIN}/"):
        found = {source.key: source for source in _builtin()}
        if key not in found:
            raise DataError(f"{key}: not among the built-in photographs")
        return found[key]
    if origin.startswith('"'):
        return FileSource(key, key, json.loads(origin))
    number = origin.removeprefix(f"{DEAD_LEAVES}/")
    if number != origin and number.isdecimal():
        return DeadLeavesSource(int(number))
    return FileSource(key, key, origin)


def stems(keys: Iterable[str], flat: bool = False) -> dict[str, str]:
    """Key -> file name stem: without the ending, with no dot; equal stems keep their endings.

    ``flat`` stems have no folders, whitespace or commas.

    Raises:
        DataError: two keys would get the same stem.
    """
    keys = list(keys)
    count = Counter(_stem(key, flat).lower() for key in keys)
    chosen = {
        key: stem if count[stem.lower()] == 1 else _stem(f"{key}.", flat)
        for key in keys
        for stem in [_stem(key, flat)]
    }
    if len(set(chosen.values())) < len(keys):
        same = next(stem for stem, number in Counter(chosen.values()).items() if number > 1)
        both = [key for key in keys if chosen[key] == same]
        raise DataError(f"{' and '.join(both)}: both would be written as '{same}'; rename one")
    return chosen


def _stem(key: str, flat: bool) -> str:
    """The key without its ending, with no dot; ``flat``: with no folder, whitespace or comma either."""
    name = re.sub(r"\.[^./]*$", "", re.sub(r"[\s,]", "_", key.replace("/", "__")) if flat else key)
    return name.replace(".", "_")


def _last_parts(path: str, count: int) -> str:
    """The last parts of an absolute path, joined by slashes."""
    return readable("/".join(path.rsplit(os.sep, count)[-count:]).lstrip("/"))


def _builtin() -> list[FileSource]:
    spec = importlib.util.find_spec("skimage")  # Finds the folder without importing the package.
    if spec is None or not spec.submodule_search_locations:
        raise DataError("built-in photographs come with scikit-image, which is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    missing = [name for name in BUILTIN_PHOTOGRAPHS if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder / missing[0]}: missing from the installed scikit-image")
    return [
        FileSource(f"{BUILTIN}/{name}", f"{BUILTIN}/{scene}", str(folder / name), licence, shared=True)
        for name, (scene, licence) in BUILTIN_PHOTOGRAPHS.items()
    ]


def _dead_leaves(spec: str) -> list[DeadLeavesSource]:
    count = spec.partition(":")[2]
    if not re.fullmatch(r"[1-9]\d{0,6}", count):
        raise OptionError(f"{DEAD_LEAVES}:N takes a whole number N in [1, 9999999], got '{spec}'")
    return [DeadLeavesSource(index) for index in range(int(count))]


def _listed(spec: Path) -> list[tuple[str, int]]:
    """Absolute paths, and how many of the last parts of each are its key."""
    if spec.is_dir():
        try:
            inside = sorted(_photographs(str(spec), ()))
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from error
        if not inside:
            endings = " ".join(sorted(imagefiles.SUFFIXES))
            raise DataError(f"{spec}: the folder holds no photograph ({endings})")
        folder = os.path.abspath(spec)  # noqa: PTH100 - which would follow links
        return [(os.path.join(folder, *parts), len(parts)) for parts in inside]  # noqa: PTH118
    if not spec.exists():
        raise DataError(f"{spec}: no such file or folder (and neither '{BUILTIN}' nor '{DEAD_LEAVES}:N')")
    return [(os.path.abspath(spec), 1)]  # noqa: PTH100


def _photographs(folder: str, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The parts of every photograph's path below ``folder``; names that begin with a dot are hidden."""
    # With text and not with Paths, which keep every name there was in memory.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if manifest.is_data_set(entry.path):
                    continue
                yield from _photographs(entry.path, (*above, entry.name))
            elif f".{entry.name.rpartition('.')[2].lower()}" in imagefiles.SUFFIXES and _is_file(entry):
                yield (*above, entry.name)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file or a link that leads to none, which is listed with what cannot be read."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110
    except OSError:  # Links that lead to each other.
        return True


def _unique_keys(files: Mapping[str, tuple[str, int]], taken: set[str]) -> dict[str, str]:
    """Place -> key, each lengthened by leading folders until no two are equal.

    ``files``: place -> the path by which it was found, and how many of the last parts of that are its key.
    """
    length = {place: count for place, (_, count) in files.items()}
    while True:
        keys = {place: _last_parts(path, length[place]) for place, (path, _) in files.items()}
        count = Counter(keys.values())
        clashing = [
            place
            for place, key in keys.items()
            if (count[key] > 1 or key in taken) and length[place] <= files[place][0].count(os.sep)
        ]
        if not clashing:
            same = next((key for key in keys.values() if count[key] > 1), None)
            if same is not None:
                raise DataError(f"two photographs would be called '{same}'; rename one")
            return keys
        for place in clashing:
            length[place] += 1
