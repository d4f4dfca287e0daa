"""The public data sets and official weights we know of, as ``datasets.yaml`` lists them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from degradekit.errors import OptionError, unknown


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Args:
        url: where it is.
        size: bytes, or None if unknown.
        sha256: hash of its bytes in hex, or None if nobody has published one.
    """

    url: str
    size: int | None
    sha256: str | None

    @property
    def name(self) -> str:
        """Its name on disk: the last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Weights:
    """An official weight file, and what needs it."""

    name: str
    summary: str
    licence: str
    file: RemoteFile

    @property
    def path(self) -> Path:
        """Where ``torch.hub``, and so torchvision, lpips and pytorch-fid, look for it."""
        return checkpoints() / self.file.name

    @property
    def command(self) -> str:
        """The command that gets it."""
        return f"benchmark weights fetch {self.name}"


@dataclass(frozen=True)
class DataSet:
    """A public data set.

    Args:
        name: its name on the command line.
        summary: what it holds.
        homepage: page of those who made it.
        licence: its terms.
        files: what to fetch.
        unpack: it is one file, an archive.
        photographs: folder of the photographs, below the data set's own.
    """

    name: str
    summary: str
    homepage: str
    licence: str
    files: tuple[RemoteFile, ...]
    unpack: bool
    photographs: str


def checkpoints() -> Path:
    """The folder in which ``torch.hub`` keeps weights; TORCH_HOME moves it. Does not import torch."""
    hub = sys.modules.get("torch.hub")
    if hub is not None:
        return Path(hub.get_dir()) / "checkpoints"
    cache_home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{cache_home}/torch")).expanduser()
    return home / "hub" / "checkpoints"


@cache
def weights() -> Mapping[str, Weights]:
    """All official weights by name."""
    return {
        name: Weights(name, raw["summary"], raw["licence"], _file(raw))
        for name, raw in _catalog()["weights"].items()
    }


@cache
def data() -> Mapping[str, DataSet]:
    """All public data sets by name."""
    return {
        name: DataSet(
            name,
            raw["summary"],
            raw["homepage"],
            raw["licence"],
            tuple(_file(entry) for entry in raw["files"]),
            raw["unpack"],
            raw["photographs"],
        )
        for name, raw in _catalog()["data"].items()
    }


def find_weights(name: str) -> Weights:
    """The weights called ``name``; OptionError if there are none."""
    if name not in weights():
        raise OptionError(unknown("weights", name, weights()))
    return weights()[name]


def missing(name: str) -> str | None:
    """Why the weights called ``name`` cannot be used, with the command that gets them; None if they can.

    A file counts as the official one by name and size; its hash is compared when it is loaded.

    Raises:
        OptionError: we know no such weights.
    """
    entry = find_weights(name)
    if not entry.path.is_file():
        return f"weights missing: {entry.command}"
    size = entry.path.stat().st_size
    if entry.file.size not in (None, size):
        return f"weights damaged ({entry.path} has {size} bytes, not {entry.file.size}): {entry.command}"
    return None


def present() -> dict[str, str]:
    """The official weights that are here: name -> a fingerprint, cheap to take."""
    return {
        name: f"{entry.file.name}:{entry.file.size}:{entry.file.sha256}"
        for name, entry in weights().items()
        if missing(name) is None
    }


def find_data(name: str) -> DataSet:
    """The data set called ``name``; OptionError if there is none."""
    if name not in data():
        raise OptionError(unknown("data set", name, data()))
    return data()[name]


def _file(raw: Mapping[str, Any]) -> RemoteFile:
    return RemoteFile(raw["url"], raw["bytes"], raw["sha256"])


def _catalog() -> dict[str, Any]:
    text = (resources.files("benchmark") / "datasets.yaml").read_text(encoding="utf-8")
    catalog: dict[str, Any] = yaml.safe_load(text)
    return catalog
