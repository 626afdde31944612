"""Reads an object as the API server hands it out: with much beside what a person wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from .errors import SpecError
from .explain import explain
from .rules import Strict
from .yaml_file import Document

M = TypeVar("M", bound=Strict)
# Notes of kubectl and of Tidemill itself: they come and go, and say nothing of what is wanted.
_NOT_WRITTEN = ("kubectl.kubernetes.io/", "tidemill.dev/")


def from_cluster(found: Mapping[str, Any], model: type[M]) -> M:
    """The ModelLoop (without its status) or the ModelRollout. Raises SpecError with the sentences of `tidemill
    validate`: the API server cannot know all that is wrong, and may hold what an older release let in."""
    document = {**{key: found[key] for key in ("apiVersion", "kind", "spec") if key in found}, "metadata": _own(found)}
    if "status" in model.model_fields and found.get("status"):
        document["status"] = found["status"]
    try:
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        node = yaml.compose(yaml.safe_dump(document))
        assert node is not None, "the document is a mapping"
        name = f"{model.__name__.lower()}/{document['metadata'].get('name')}"
        problems = explain(error, Document(Path(name), document, node), model)
        raise SpecError([replace(problem, file=name, line=None) for problem in problems]) from error


def _own(found: Mapping[str, Any]) -> dict[str, Any]:
    metadata = found.get("metadata", {})
    kept = {key: metadata[key] for key in ("name", "labels", "annotations") if metadata.get(key)}
    if "annotations" in kept:
        annotations = kept["annotations"].items()
        kept["annotations"] = {key: text for key, text in annotations if not key.startswith(_NOT_WRITTEN)}
    return kept
