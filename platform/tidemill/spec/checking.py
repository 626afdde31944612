"""Everything that can be known to be wrong with a project before it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .entry_points import check_entries
from .errors import Problem
from .forms import glob_of, image_digest, parse_entry_point
from .loading import read
from .model_loop import ModelLoop, ModelLoopSpec
from .yaml_file import Document, Key

# Of an expectation suite's file: (what is wrong, the nearest right thing) for each fault; None where nobody can tell.
SuiteCheck = Callable[[Path], list[tuple[str, str]] | None]
# Of a loop and its folder: (field, what is wrong, the nearest right thing) for each name that its data does not have.
ColumnCheck = Callable[[ModelLoopSpec, Path], Iterable[tuple[tuple[str, ...], str, str]]]


@dataclass(frozen=True)
class Findings:
    """`problems` keep a project from running; `warnings` do not. `loop` is None where its file has a problem."""

    loop: ModelLoop | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def check_loop(
    path: Path, imports: bool = True, suite: SuiteCheck = lambda _: [], columns: ColumnCheck = lambda *_: ()
) -> Findings:
    """Checks a ModelLoop's file and, beside it, what it names: entry points (imported, unless `imports` is False),
    expectations (each by `suite`, which knows the library; only asked where the loop names some), data (its columns
    by `columns`: a warning, since the last day may be the one that is wrong). What can be checked is, even where other
    fields are wrong. Raises SpecError where the file holds no ModelLoop."""
    loop, document, problems = read(path, ModelLoop)
    folder = path.resolve().parent
    if imports:
        problems += check_entries(dict(_entries(document)), folder, document)
    wrong, unchecked = _expectations(document, folder, suite)
    by_line = sorted([*problems, *wrong], key=lambda problem: problem.line or 0)
    unknown = () if loop is None else (document.problem(*finding) for finding in columns(loop.spec, folder))
    return Findings(loop, tuple(by_line), (*unchecked, *_image(document), *_source(document, folder), *unknown))


def _at(value: Any, *keys: Key) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _entries(document: Document) -> Iterator[tuple[str, str]]:
    """The entry points that are well formed; the others have a problem already."""
    for field in ("trainer", "baseline", "features"):
        entry = _at(document.value, "spec", "model", field)
        try:
            yield field, parse_entry_point(entry)
        except ValueError:
            continue


def _expectations(document: Document, folder: Path, check: SuiteCheck) -> tuple[list[Problem], list[Problem]]:
    """Problems and warnings."""
    keys = ("spec", "data", "expectations")
    name = _at(document.value, *keys)
    if not isinstance(name, str):
        return [], []
    file = folder / name
    try:
        suite = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        near = [entry.name for entry in sorted(folder.glob("*.json"))]
        hint = f"The JSON files beside the loop are {', '.join(near)}." if near else "Leave it out to expect nothing."
        return [document.problem(keys, f"{name} cannot be read: {error.strerror}", hint)], []
    except ValueError as error:
        hint = "A Great Expectations suite is written as JSON."
        return [document.problem(keys, f"{name} is no JSON: {error}", hint)], []
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        hint = 'It looks like {"name": ..., "expectations": [{"type": ..., "kwargs": {...}}]}.'
        return [document.problem(keys, f"{name} is no Great Expectations suite", hint)], []
    found = check(file)
    if found is None:
        hint = "Install it with `pip install tidemill[pipelines]`."
        unchecked = f"what {name} expects is not checked: Great Expectations is not installed"
        return [], [document.problem(keys, unchecked, hint)]
    return [document.problem(keys, f"{name}, {message}", hint) for message, hint in found], []


def _image(document: Document) -> Iterator[Problem]:
    """A tag can name another image tomorrow: then a turn is taken for one that ran before."""
    keys = ("spec", "model", "image")
    image = _at(document.value, *keys)
    if isinstance(image, str) and image and image_digest(image) is None:
        hint = "Name it by digest (name@sha256:...), which your registry shows when you push it."
        yield document.problem(keys, f"{image} can become another image, and the loop would not notice new code", hint)


def _source(document: Document, folder: Path) -> Iterator[Problem]:
    """Data may come later: that there is none yet is worth a word, not a refusal."""
    for format in ("parquet", "csv"):
        pattern = _at(document.value, "spec", "data", "source", format)
        if not isinstance(pattern, str) or not pattern:
            continue
        wanted = glob_of(pattern, format)
        if not Path(pattern).is_absolute() and not any(folder.glob(wanted)):
            keys = ("spec", "data", "source", format)
            hint = f"A partition is a file such as 2026-01-31.{format}; the day is in its name."
            yield document.problem(keys, f"nothing matches {wanted} yet", hint)
