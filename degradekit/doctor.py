"""Checks the installation: versions, packages that overwrite each other, features that are absent."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("degradekit", "benchmark", "baselines", "reference_model")
VERSIONS = (
    "degradekit", "numpy", "opencv-python-headless", "scikit-image", "scipy", "pydantic", "click", "rich",
    "pandas", "matplotlib", "albumentations", "torch", "torchvision", "lpips", "pytorch-fid",
)  # fmt: skip
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``ok`` is False where something has to be mended."""

    subject: str
    text: str
    ok: bool = True


def examine() -> Iterator[Finding]:
    """All findings, the versions first. Imports nothing heavy."""
    yield Finding("python", sys.version.split()[0], sys.version_info >= (3, 11))
    for name in VERSIONS:
        version = _version(name)
        yield Finding(name, version or "not installed", version is not None or name == "torchvision")
    yield from _our_packages()
    yield from _opencv()
    if _version("albumentationsx"):
        yield Finding(
            "albumentationsx",
            "AGPL, and overwrites albumentations; uninstall both, then install ours",
            ok=False,
        )


def _our_packages() -> Iterator[Finding]:
    """Other distributions may ship packages of the same names and overwrite ours without a word."""
    ours = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        where = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if where == ours:
            owners = sorted(set(metadata.packages_distributions().get(name, [])) - {"degradekit"})
            text = f"{ours / name}" + (
                f", but {', '.join(owners)} ships it too; reinstall degradekit" if owners else ""
            )
            yield Finding(name, text, not owners)
        else:
            text = f"comes from {where or 'nowhere'}, not {ours}; reinstall in a fresh environment"
            yield Finding(name, text, ok=False)


def _opencv() -> Iterator[Finding]:
    """The four OpenCV wheels own the same files; the last one unpacked wins, and removing one breaks all."""
    installed = {name: version for name in OPENCV if (version := _version(name))}
    listed = ", ".join(f"{name} {version}" for name, version in installed.items())
    if len(installed) > 1:
        remedy = "uninstall them all, then: pip install opencv-python-headless"
        yield Finding("opencv", f"several wheels overwrite each other ({listed}); {remedy}", ok=False)
    try:
        import cv2

        loaded = cv2.__version__
    except (ImportError, AttributeError) as error:
        yield Finding("opencv", f"cv2 cannot be used ({error}); reinstall opencv-python-headless", ok=False)
        return
    matching = [version for version in installed.values() if version.startswith(loaded)]
    yield Finding(
        "opencv", f"cv2 {loaded} is loaded, from {listed or 'no wheel pip knows of'}", bool(matching)
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
