"""Which file is meant: a ModelLoop's own, or the one in a folder."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from .errors import Problem, SpecError, shown

_KIND = re.compile(r"^kind:\s*['\"]?(\w+)", re.MULTILINE)
_OURS = re.compile(r"^apiVersion:\s*['\"]?tidemill\.dev/", re.MULTILINE)
_OTHERS = {"Profile", "ModelRollout"}


def means(said: str, kind: str) -> bool:
    """Whether a word is a kind, but for a letter or two."""
    return bool(difflib.get_close_matches(said.lower(), [kind.lower()], cutoff=0.8))


def find_loop(path: Path) -> Path:
    """`path` itself, or the only file with a ModelLoop in the folder that it names; else the only one that is meant to
    be one, so that reading it tells what is wrong with it. Raises SpecError otherwise."""
    try:
        if not path.is_dir():
            return path
        files = sorted(entry for entry in path.iterdir() if entry.suffix in (".yaml", ".yml") and entry.is_file())
    except OSError as error:
        raise SpecError([_unreadable(path, error)]) from error
    texts, closed = _texts(files)
    loops = [file for file, text in texts.items() if "ModelLoop" in _KIND.findall(text)]
    if not loops:
        near = [file for file, text in texts.items() if _is_meant(text)]
        loops = near if len(near) == 1 else []
    if len(loops) == 1:
        return loops[0]
    if loops:
        message = f"this folder holds {len(loops)} ModelLoops: {', '.join(file.name for file in loops)}"
        raise SpecError([Problem(shown(path), None, "", message, "Name one of them.")])
    if closed:  # one of them may be it
        raise SpecError(closed)
    hint = "Name a ModelLoop's file, or make a project with `tidemill init DIR`."
    raise SpecError([Problem(shown(path), None, "", "no file in this folder holds a ModelLoop", hint)])


def _texts(files: Sequence[Path]) -> tuple[dict[Path, str], list[Problem]]:
    """What is in each file, and which cannot be read."""
    texts, closed = {}, []
    for file in files:
        try:
            texts[file] = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            closed.append(_unreadable(file, error))
    return texts, closed


def _unreadable(path: Path, error: OSError) -> Problem:
    return Problem(shown(path), None, "", f"cannot be read: {error.strerror}")


def _is_meant(text: str) -> bool:
    kinds = _KIND.findall(text)
    if any(means(kind, "ModelLoop") for kind in kinds):
        return True
    return _OURS.search(text) is not None and not _OTHERS.intersection(kinds)
