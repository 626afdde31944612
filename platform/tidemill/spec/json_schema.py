"""The JSON schema of the files, for editors and for whoever generates them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from .explain import model_in
from .model_loop import ModelLoop
from .profile import Profile

KINDS: dict[str, type[BaseModel]] = {"ModelLoop": ModelLoop, "Profile": Profile}


def json_schema(kind: str) -> dict[str, Any]:
    """JSON schema, draft 2020-12, of `ModelLoop` or `Profile`, by the names that files use."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://tidemill.dev/v1alpha1/{kind}.json",
    }
    return {**head, **schema_of(KINDS[kind])}


def schema_of(root: type[BaseModel]) -> dict[str, Any]:
    """The same of any model of ours, without the head."""
    schema = root.model_json_schema(by_alias=True, mode="validation")
    for model in models(root):
        described = schema if model is root else schema["$defs"][model.__name__]
        for field in model.model_fields.values():
            _tidy(described["properties"][field.alias], field)
    return schema


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and those that it holds, each once, in the order of its fields."""
    return list(dict.fromkeys(_models(root)))


def as_written(field: FieldInfo) -> Any:
    """A field's default as a file would say it: `7d`, not a number of seconds."""
    form: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    default = field.get_default(call_default_factory=True, validated_data={})
    return TypeAdapter(form).dump_python(default, mode="json", by_alias=True, exclude_none=True)


def _models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield root
    for field in root.model_fields.values():
        inner = model_in(field.annotation)
        if inner is not None:
            yield from _models(inner)


def _tidy(described: dict[str, Any], field: FieldInfo) -> None:
    described.pop("title", None)  # made of the field's name, and wrongly
    if described.get("default") is not None:
        described["default"] = as_written(field)
