"""The page of a study, in which outputs have tokens, and its key, which alone says whose outputs they are."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

from benchmark import study_page
from benchmark.data import Pixels
from benchmark.report import inlined
from benchmark.store import Store
from benchmark.study import Study
from benchmark.study_answers import KEY_FORMAT
from benchmark.study_page import Shown
from degradekit import atomicfiles, imagefiles, manifest
from degradekit.errors import OptionError, OutputFolderError

#: Longest side of an image in the page; larger ones are shrunk.
SIDE_PX = 1024
#: A study of more decoded bytes is shown as JPEG, all of its images alike.
LOSSLESS_BYTES = 96 << 20
QUALITY = 95


def write(study: Study, page: Path) -> Path:
    """Write the page, and beside it the key, whose path is returned.

    The tokens are hashes that include a secret number, which is in the key only. Written again where the key
    of the same study is, both stay the same, so that answers to the first page fit.

    Raises:
        OptionError: ``page`` does not end in .html.
        OutputFolderError: there is something else, or the key of another study.
        DataError: an image is damaged, or of another size than the degraded one.
    """
    if page.suffix != ".html":
        raise OptionError(f"--out ends in .html, got '{page.name}'")
    path = page.with_name(f"{page.stem}-key.json")
    content = _content(study)
    salt = _salt(page, path, content)
    name = _token(salt, content)
    trials, shown = {}, []
    lossless = sum(study.degraded(stem).size for stem in study.stems) * (len(study.methods) + 1)
    for stem in study.stems:
        trial = _token(salt, name, stem)
        outputs = {_token(salt, name, stem, method): method for method in study.methods}
        trials[trial] = {"photograph": stem, "outputs": outputs}
        images = {token: study.output(method, stem) for token, method in sorted(outputs.items())}
        coded = {
            token: _coded(pixels, lossless <= LOSSLESS_BYTES)
            for token, pixels in {"": study.degraded(stem), **images}.items()
        }
        height, width = inlined.shrunk(study.degraded(stem), SIDE_PX).shape[:2]
        shown.append(Shown(trial, width, height, coded.pop(""), coded))
    key = {
        "format": KEY_FORMAT,
        "study": name,
        "salt": salt,
        "content": content,
        "run": study.store.folder.resolve().name,
        "photographs": study.where,
        "oracle": [method for method in study.methods if _about(study.store, method).get("mask") == "oracle"],
        "trials": trials,
    }
    text = study_page.render(name, sorted(shown, key=lambda one: one.trial))
    # A page without its key would be of no use to anybody.
    atomicfiles.write_json(path, key)
    atomicfiles.write_text(page, text)
    return path


def _about(store: Store, method: str) -> dict[str, Any]:
    path = store.method(method) / "method.json"
    return dict(manifest.read_json(path)) if path.is_file() else {}


def _content(study: Study) -> str:
    """A hash of everything the page shows."""
    pixels = {
        stem: [imagefiles.pixel_hash(study.degraded(stem))]
        + [imagefiles.pixel_hash(study.output(method, stem)) for method in study.methods]
        for stem in study.stems
    }
    return atomicfiles.fingerprint([study.where, study.methods, pixels])


def _salt(page: Path, path: Path, content: str) -> str:
    """The secret number of the key that is there already, or a new one."""
    if path.exists():
        there = manifest.read_json(path)
        if isinstance(there, dict) and there.get("content") == content:
            return str(there["salt"])
        raise OutputFolderError(
            f"{path}: is another study's key, without which its answers are lost; name another --out"
        )
    if page.exists():
        raise OutputFolderError(f"{page}: is there already, and no study with its key; name another --out")
    return secrets.token_hex(16)


def _token(*parts: str) -> str:
    return hashlib.sha256(atomicfiles.canonical_json(parts).encode()).hexdigest()[:16]


def _coded(pixels: Pixels, lossless: bool) -> str:
    pixels = inlined.shrunk(pixels, SIDE_PX)
    if lossless:
        return inlined.data_uri(imagefiles.encode_png(pixels), "png")
    return inlined.data_uri(imagefiles.encode_jpeg(pixels, QUALITY), "jpeg")
