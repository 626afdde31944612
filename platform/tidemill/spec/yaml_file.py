"""YAML with positions: what a file says, and on which line it says it.

Scalars are read as YAML 1.2 and Kubernetes' own schemas mean them: only `true` and `false` are booleans (so `gate: off`
is the word off), dates stay text, and 1:30 is no number in base sixty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import Problem, SpecError, shown

Key = str | int
_MAX_BYTES = 1_000_000  # a ModelLoop is a page; anything larger is another file


class _Loader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's surprises."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[1] not in ("bool", "timestamp", "int")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False)$"), list("tfTF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


@dataclass(frozen=True)
class Document:
    """One document of a file: its plain value, and where each part of it stands."""

    path: Path
    value: Any
    node: yaml.Node
    problems: tuple[Problem, ...] = ()  # keys that are said twice

    @property
    def file(self) -> str:
        return shown(self.path)

    def line(self, keys: Sequence[Key]) -> int:
        """The line of a field (of its key, for a mapping's), or of its nearest parent that is there. From 1."""
        node, line = self.node, self.node.start_mark.line + 1
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            at, node = found
            line = at.start_mark.line + 1
        return line

    def problem(self, keys: Sequence[Key], message: str, hint: str = "") -> Problem:
        return Problem(self.file, self.line(keys), dotted(keys), message, hint)


def dotted(keys: Sequence[Key]) -> str:
    """`spec.rollout.steps[1].canary`"""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def read_documents(path: Path) -> list[Document]:
    """Every document of a file. Raises SpecError where it cannot be read or is no YAML."""
    text = _text(path)
    documents: list[Document] = []
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node is not None, "check_node said that there is one"
            repeated = tuple(_repeated_keys(path, node, (), set()))
            documents.append(Document(path, loader.construct_document(node), node, repeated))
    except yaml.MarkedYAMLError as error:
        raise SpecError([_no_yaml(path, error)]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecError([Problem(shown(path), None, "", f"not YAML: {error}")]) from error
    return documents


def _no_yaml(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    line = None if mark is None else mark.line + 1
    said = error.problem or error.context or "it cannot be parsed"
    if opened is not None and opened.line + 1 != line:
        said += f" ({error.context}, which begins on line {opened.line + 1})"
    hint = "Indent with spaces, not tabs." if "\\t" in said else ""
    return Problem(shown(path), line, "", f"not YAML: {said}", hint)


def _text(path: Path) -> str:
    def refuse(message: str, hint: str = "") -> SpecError:
        return SpecError([Problem(shown(path), None, "", message, hint)])

    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise refuse("there is no such file", _nearest_file(path)) from error
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from error
    if len(raw) > _MAX_BYTES:
        raise refuse(f"has {len(raw):,} bytes; a ModelLoop or Profile is a page of YAML")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(f"is no UTF-8 text (byte {error.start})") from error


def _nearest_file(path: Path) -> str:
    import difflib

    folder = path.parent
    files = [entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml")] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, files, n=1) or (files if len(files) == 1 else [])
    return f"Did you mean {shown(folder / near[0])}?" if near else ""


def _child(node: yaml.Node, key: Key) -> tuple[yaml.Node, yaml.Node] | None:
    """The node that names a child, and the child."""
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):  # of a field that is said twice the last counts
            if name.value == key:
                return name, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None


def _repeated_keys(path: Path, node: yaml.Node, keys: tuple[Key, ...], seen: set[int]) -> Iterator[Problem]:
    """A problem for each key that a mapping holds a second time."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _repeated_keys(path, child, (*keys, index), seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for name, value in node.value:
            line, here = name.start_mark.line + 1, (*keys, str(name.value))
            if isinstance(name, yaml.ScalarNode) and name.value in lines:
                message = f"this field is on line {lines[name.value]} already"
                yield Problem(shown(path), line, dotted(here), message, "Keep one of the two.")
            elif isinstance(name, yaml.ScalarNode):
                lines[name.value] = line
            yield from _repeated_keys(path, value, here, seen)
