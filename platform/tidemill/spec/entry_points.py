"""Checks that the user's functions can be imported and called, before anything depends on it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import Problem, shown
from .model_loop import ModelLoop
from .yaml_file import Document

# How the loop calls each of them, and how to write one that can be called so.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "trainer": ((None, None), {"previous": None}, "(X, y, previous=None)"),
    "baseline": ((None, None), {"previous": None}, "(X, y, previous=None)"),
    "features": ((None,), {}, "(frame)"),
}
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def check_entry_points(loop: ModelLoop, project_dir: Path, document: Document | None = None) -> list[Problem]:
    """What is wrong with trainer, baseline and features. Imports them, with `project_dir` first on the path; leaves
    sys.path and sys.modules as they were. `document` gives the lines."""
    model = loop.spec.model
    entries = {"trainer": model.trainer, "baseline": model.baseline, "features": model.features}
    named = {field: entry for field, entry in entries.items() if entry is not None}
    return check_entries(named, project_dir, document)


def check_entries(entries: Mapping[str, str], project_dir: Path, document: Document | None = None) -> list[Problem]:
    """The same for entry points by field of spec.model; each is `module:function`. A module that several of them name
    is imported once, and what it prints goes to stderr: stdout is the caller's."""
    problems = []
    modules = {entry.partition(":")[0] for entry in entries.values()}
    with _importing(project_dir, modules), redirect_stdout(sys.stderr):
        imported = {name: _imported(name) for name in sorted(modules)}
        found = {field: _check(field, entry, imported[entry.partition(":")[0]], project_dir)
                 for field, entry in entries.items()}  # fmt: skip
    for field, wrong in found.items():
        if wrong is not None:
            keys = ("spec", "model", field)
            file, line = (shown(project_dir), None) if document is None else (document.file, document.line(keys))
            problems.append(Problem(file, line, ".".join(keys), *wrong))
    return problems


def _imported(module_name: str) -> ModuleType | BaseException:
    """The module, or what importing it raised."""
    try:
        return importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's module may even call sys.exit
        return error


def _check(field: str, entry: str, module: ModuleType | BaseException, project: Path) -> tuple[str, str] | None:
    """Message and hint, or None where all is well."""
    module_name, _, name = entry.partition(":")
    if isinstance(module, BaseException):
        if _is_absent(module, module_name):
            return f"no module {module_name} in {shown(project)}", _nearest_module(module_name, name, project)
        return _raised(module_name, module, project)
    if not hasattr(module, name):
        return f"{module_name} has no {name}", _nearest_attribute(module, name)
    function = getattr(module, name)
    if not callable(function):
        return f"{entry} is not callable: it is {type(function).__name__}", f"Write `def {name}{CALLS[field][2]}: ...`."
    return _mismatch(field, entry, function)


def _mismatch(field: str, entry: str, function: Any) -> tuple[str, str] | None:
    positional, named, wanted = CALLS[field]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C: only a call can tell
        return None
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        name = entry.partition(":")[2]
        return f"{entry}{signature} cannot be called as {wanted}: {error}", f"Write `def {name}{wanted}: ...`."
    return None


def _is_absent(error: BaseException, module_name: str) -> bool:
    """The module itself is not there; not one that it imports."""
    absent = error.name if isinstance(error, ModuleNotFoundError) else None
    return absent is not None and (module_name == absent or module_name.startswith(absent + "."))


def _raised(module_name: str, error: BaseException, project: Path) -> tuple[str, str]:
    """The error in one line, with the line of the user's own that it came from."""
    where = ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({shown(Path(error.filename))}:{error.lineno})"
    else:
        own = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(project.resolve()) or Path(frame.filename).is_relative_to(project)
        ]
        where = f" ({shown(Path(own[-1].filename))}:{own[-1].lineno})" if own else ""
    text = " ".join(str(error).split())
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = f"Install what it imports, in the environment of {shown(Path(sys.prefix))}."
    return f"importing {module_name} raised {type(error).__name__}: {text}{where}", hint


def _nearest_module(module_name: str, function: str, project: Path) -> str:
    modules = sorted(_modules(project))
    near = difflib.get_close_matches(module_name, modules, n=1)
    if not near:
        last = {name.rpartition(".")[2]: name for name in modules}
        near = [last[name] for name in difflib.get_close_matches(module_name.rpartition(".")[2], last, n=1)]
    if near:
        return f"Did you mean {near[0]}:{function}?"
    return f"The modules there are {', '.join(modules[:6])}." if modules else "That folder holds no Python file."


def _modules(project: Path, depth: int = 3) -> Iterator[str]:
    for path in project.glob("*"):
        if path.name.startswith(".") or path.name in _SKIPPED:
            continue
        if path.suffix == ".py":
            yield path.stem
        elif depth > 1 and path.is_dir():
            inner = (f"{path.name}.{name}" for name in _modules(path, depth - 1))
            yield from (name.removesuffix(".__init__") for name in inner)


def _nearest_attribute(module: ModuleType, name: str) -> str:
    public = [other for other, value in vars(module).items() if not other.startswith("_") and callable(value)]
    near = difflib.get_close_matches(name, public, n=1)
    own = [other for other in public if getattr(vars(module)[other], "__module__", None) == module.__name__]
    if near:
        return f"Did you mean {module.__name__}:{near[0]}?"
    return f"Its functions are {', '.join(own[:6])}." if own else "It defines no function."


@contextmanager
def _importing(project: Path, modules: Collection[str]) -> Iterator[None]:
    """The project first on the path, and no module of their names left from another project, or left behind."""
    tops = {name.partition(".")[0] for name in modules}

    def ours() -> dict[str, ModuleType]:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}

    before, path, write = ours(), list(sys.path), sys.dont_write_bytecode
    for name in before:
        del sys.modules[name]
    sys.path.insert(0, str(project))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for name in ours():
            del sys.modules[name]
        sys.modules.update(before)
        sys.path[:] = path
        sys.dont_write_bytecode = write
