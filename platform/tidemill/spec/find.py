"""Which file is meant: a ModelLoop's own, or the one in a folder."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import Problem, SpecError, shown

_KIND = re.compile(r"^kind:\s*['\"]?ModelLoop\b", re.MULTILINE)


def find_loop(path: Path) -> Path:
    """`path` itself, or the only file with a ModelLoop in the folder that it names. Raises SpecError otherwise."""
    try:
        if not path.is_dir():
            return path
        files = sorted(entry for entry in path.iterdir() if entry.suffix in (".yaml", ".yml") and entry.is_file())
    except OSError as error:
        raise SpecError([_unreadable(path, error)]) from error
    loops, closed = [], []
    for file in files:
        try:
            if _KIND.search(file.read_text(encoding="utf-8", errors="replace")):
                loops.append(file)
        except OSError as error:
            closed.append(_unreadable(file, error))
    if len(loops) == 1:
        return loops[0]
    if loops:
        message = f"this folder holds {len(loops)} ModelLoops: {', '.join(file.name for file in loops)}"
        raise SpecError([Problem(shown(path), None, "", message, "Name one of them.")])
    if closed:  # one of them may be it
        raise SpecError(closed)
    hint = "Name a ModelLoop's file, or make a project with `tidemill init DIR`."
    raise SpecError([Problem(shown(path), None, "", "no file in this folder holds a ModelLoop", hint)])


def _unreadable(path: Path, error: OSError) -> Problem:
    return Problem(shown(path), None, "", f"cannot be read: {error.strerror}")
