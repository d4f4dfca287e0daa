"""A fingerprint of the code behind a result, so that changed code redoes its work and nothing else."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

#: Not followed: what these do to a result is hashed by itself (pairs, configuration, metric conventions).
OUTSIDE = ("benchmark", "benchmark.metrics", "benchmark.profile", "benchmark.restoring")


def fingerprint(*modules: str) -> str:
    """SHA-256 (hex) of ``modules`` and of what they import from their own packages and from ``benchmark``.

    Comments, docstrings and layout do not count.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(modules)):
        digest.update(f"{name}\n{_code(name)}\n".encode())
    return digest.hexdigest()


def _closure(modules: tuple[str, ...]) -> set[str]:
    packages = {module.partition(".")[0] for module in modules} | {"benchmark"}
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        followed = name in modules or (name.partition(".")[0] in packages and name not in OUTSIDE)
        if followed and name not in found and _path(name):
            found.add(name)
            waiting.extend(_imports(name))
    return found


@cache
def _imports(module: str) -> frozenset[str]:
    """Every dotted name that an import statement anywhere in ``module`` may load."""
    names: set[str] = set()
    path = _path(module)
    package = module if path and path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            origin = ".".join(
                [*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])]
            )
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return frozenset(names)


@cache
def _code(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            if text and isinstance(first.value.value, str):  # type: ignore[union-attr]
                node.body = node.body[1:]
    return ast.unparse(tree)


def _tree(module: str) -> ast.Module:
    path = _path(module)
    return ast.parse(path.read_text(encoding="utf-8") if path else "")


@cache
def _path(module: str) -> Path | None:
    """Where the source of ``module`` is, without importing anything; None for what is no Python module."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for location in spec.submodule_search_locations or ():
        place = Path(location, *rest)
        for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None
