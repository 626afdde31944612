"""Reads a ModelLoop or a Profile, and says everything that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from .errors import Problem, SpecError, shown
from .explain import explain
from .find import means
from .model_loop import ModelLoop
from .profile import Profile
from .rules import Strict
from .yaml_file import Document, read_documents

API_VERSION = "tidemill.dev/v1alpha1"
M = TypeVar("M", bound=Strict)


def load_loop(path: Path) -> ModelLoop:
    """The ModelLoop of a file. Raises SpecError with all its problems."""
    return _load(path, ModelLoop)


def load_profile(path: Path | None) -> Profile:
    """The Profile of a file, or the local one. Raises SpecError with all its problems."""
    return Profile() if path is None else _load(path, Profile)


def read(path: Path, model: type[M]) -> tuple[M | None, Document, list[Problem]]:
    """The file's document of that kind and what is wrong with its fields; None where anything is. Raises SpecError
    where the file holds no such document."""
    document = find_document(path, model.__name__)
    problems = list(document.problems)
    try:
        # Fields go by the names that the documentation has: never by Python's, which would be accepted by accident.
        value = model.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        return None, document, problems + explain(error, document, model)
    return (None if problems else value), document, problems


def find_document(path: Path, kind: str) -> Document:
    """The only document of that kind. A file with a single document is taken at its word, whatever its kind says
    nearly, so that one wrong letter does not hide every other problem; and of two that are nearly one none is let
    pass unread."""
    documents = [document for document in read_documents(path) if document.value is not None]
    if not documents:
        hint = "`tidemill init DIR` makes a project to start from." if kind == "ModelLoop" else ""
        raise SpecError([Problem(shown(path), None, "", "the file is empty", hint)])
    mappings = [document for document in documents if isinstance(document.value, dict)]
    if not mappings:
        hint = f"It begins with `apiVersion: {API_VERSION}` and `kind: {kind}`."
        raise SpecError([documents[0].problem((), f"this is no {kind}: a {kind} is a mapping", hint)])
    found = [document for document in mappings if means(str(document.value.get("kind")), kind)]
    if len(found) > 1:
        raise SpecError([_several(found, kind)])
    if found and (len(mappings) == 1 or found[0].value["kind"] == kind):
        return found[0]
    if len(mappings) == 1 and mappings[0].value.get("kind") is None:
        return mappings[0]
    raise SpecError([_other_kind(path, mappings, kind)])


def _several(found: list[Document], kind: str) -> Problem:
    named = [f"{_name(document)} (line {document.line(('kind',))})" for document in found]
    message = f"this file holds {len(found)} {kind}s: {', '.join(named)}"
    return found[1].problem(("kind",), message, "Give each a file of its own.")


def _name(document: Document) -> str:
    metadata = document.value.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else "one without a name"


def _other_kind(path: Path, mappings: list[Document], kind: str) -> Problem:
    said = [str(document.value.get("kind", "nothing with a kind")) for document in mappings]
    line = mappings[0].line(("kind",))
    return Problem(shown(path), line, "kind", f"no {kind} here, but {', '.join(said)}", f"Write `kind: {kind}`.")


def _load(path: Path, model: type[M]) -> M:
    value, _, problems = read(path, model)
    if problems or value is None:
        raise SpecError(problems)
    return value
