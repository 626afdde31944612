"""What the user's code is: every module of the project that the entry points import, directly or not."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from .ids import digest_of


def code_digest(project: Path, entry_points: Iterable[str | None]) -> str:
    """Changed code makes another turn.

    Imports are read from the source, those inside functions too, so that nothing of the user's runs here. What is
    imported by a name that the code computes is not found, nor are data files: neither is part of the digest. Installed
    packages are not part of it either, even where they lie in the project's folder (a .venv).
    """
    files = modules_of(project, {entry.partition(":")[0] for entry in entry_points if entry is not None})
    return digest_of({name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()})


def modules_of(project: Path, roots: Iterable[str]) -> dict[str, Path]:
    """File by module name, of the modules in the project's folder that `roots` and whatever they import name."""
    found: dict[str, Path] = {}
    left = sorted(roots)
    while left:
        name = left.pop()
        for prefix in _prefixes(name):
            path = None if prefix in found else _file_of(project, prefix)
            if path is not None:
                found[prefix] = path
                left += _imports(path, prefix)
    return found


def _prefixes(name: str) -> Iterator[str]:
    """A package is imported before what is in it."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _file_of(project: Path, name: str) -> Path | None:
    base = project.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


def _imports(path: Path, name: str) -> Iterator[str]:
    """Names of modules, and of what may be modules, that a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # it says so itself, once it is imported
        return
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            yield from (".".join(filter(None, (base, alias.name))) for alias in node.names)


def _base(node: ast.ImportFrom, package: str) -> str:
    """The module that `from ... import` names, from the dots before it on."""
    if not node.level:
        return node.module or ""
    above = package.split(".")
    kept = above[: len(above) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])
