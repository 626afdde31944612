"""What stands in the annotation of a field."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

T = TypeVar("T")


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation such as `Gate | Literal["off"]` or `tuple[Step, ...]`."""
    if is_model(annotation):
        return [annotation]
    if is_union(annotation) or get_origin(annotation) in (tuple, Annotated):
        return [model for part in get_args(annotation) for model in models_in(part)]
    return []


def marks(field: FieldInfo) -> list[Any]:
    """All metadata of `Annotated` that a field has, also of the parts of a union."""
    return [*field.metadata, *marks_in(field.annotation)]


def marks_in(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
    if is_union(annotation):
        for part in get_args(annotation):
            yield from marks_in(part)


def first(kind: type[T], found: Any) -> T | None:
    return next((mark for mark in found if isinstance(mark, kind)), None)
