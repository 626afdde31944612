"""A pydantic model as the structural schema that the API server keeps a custom resource to.

What a schema can say (types, words, bounds) it says; the rest stands as CEL rules, with the sentences of `rules`. No
default is filled in but where a field asks for it: an object that is read back is the one that was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
from pydantic import AwareDatetime, BaseModel, StringConstraints

from .annotations import first, is_model, is_union, marks, marks_in
from .cel_rules import check_validations, form_validation, model_validations
from .described import described
from .json_schema import as_written
from .rules import FILLED, LIST_BY_TYPE, Check, Form, Strict

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
_PLAIN: dict[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
    str: {"type": "string"},
    AwareDatetime: {"type": "string", "format": "date-time"},
}
_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}


def structural(model: type[BaseModel]) -> Schema:
    """The schema of a model's own fields and, inside them, of all below."""
    schema: Schema = {"type": "object", "properties": {}}
    for name, field in model.model_fields.items():
        own = {"description": described(field), **_of(field.annotation, field.metadata)}
        if FILLED in field.metadata:
            own["default"] = as_written(field)
        schema["properties"][field.alias or name] = own
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    if required:
        schema["required"] = required
    found = model_validations(model.rules, model) if issubclass(model, Strict) else []
    return {**schema, RULES: found} if found else schema


def _of(annotation: Any, metadata: Sequence[Any] = ()) -> Schema:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(arguments[0], [*arguments[1:], *metadata])
    if is_union(annotation):
        return _union([part for part in arguments if part is not type(None)])
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is tuple:
        by_type = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        kind = by_type if LIST_BY_TYPE in metadata else {"x-kubernetes-list-type": "atomic"}
        return {"type": "array", "items": _of(arguments[0]), **kind, **_lengths(metadata, "Items")}
    if origin is dict:
        inside = _ANYTHING if arguments[1] is Any else {"additionalProperties": _of(arguments[1])}
        return {"type": "object", **inside}
    if is_model(annotation):
        return structural(annotation)
    form = first(Form, metadata)
    if form is not None:
        return _text(form, metadata)
    return {**_PLAIN[annotation], **_lengths(metadata, "Length"), **_bounds(metadata)}


def _text(form: Form, metadata: Sequence[Any], words: Sequence[str] = ()) -> Schema:
    kind = {"x-kubernetes-int-or-string": True} if form.may_be_number else {"type": "string"}
    checks = [mark for mark in metadata if isinstance(mark, Check)]
    rules = [form_validation(form, words), *check_validations(form, checks, words)]
    return {**kind, "maxLength": form.longest, RULES: rules}


def _union(parts: list[Any]) -> Schema:
    words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
    others = [part for part in parts if get_origin(part) is not Literal]
    if not others:
        return _of(parts[0])
    models, texts = [part for part in others if is_model(part)], [part for part in others if not is_model(part)]
    if len(models) > 1 or len(texts) > 1 or (len(others) > 1 and not words):
        raise TypeError(f"{parts} have no structural schema: write one type, and words beside it")
    if not words:
        return _of(others[0])
    found = [mark for text in texts for mark in marks_in(text)]
    forms = [mark for mark in found if isinstance(mark, Form)]
    assert forms or not texts, "words stand beside texts that have a form"
    if models:
        return _mapping_or_word(models[0], words, forms[-1] if forms else None)
    return _text(forms[0], found, words)


# Each is asked of its own type only.
_NO_NUMBER_OR_LIST: Schema = {"minimum": 1, "maximum": 0, "minItems": 1, "maxItems": 0}


def _mapping_or_word(model: type[BaseModel], words: list[str], form: Form | None = None) -> Schema:
    """Two types in one field: there the API server asks no CEL rule and prunes nothing. So the schema says which fields
    a mapping may have, and that all else is a text of the form, where there is one, or one of the words, or false: YAML
    1.1, and so kubectl, reads off so."""
    off = "off" in words
    no_other: Schema = {**_NO_NUMBER_OR_LIST, "pattern": "a^", "not": {"enum": [True] if off else [True, False]}}
    names = [field.alias or name for name, field in model.model_fields.items()]
    properties = structural(model)["properties"]
    for name, field in zip(names, model.model_fields.values(), strict=True):
        for own in (mark for mark in marks(field) if isinstance(mark, Form)):  # the last counts
            properties[name] = {"description": properties[name]["description"], "type": "string", **_pattern(own)}
    either: list[Schema] = [{"enum": [*words, False] if off else words}]
    if form is not None:
        no_text = {**_NO_NUMBER_OR_LIST, "minProperties": 1, "maxProperties": 0, "not": {"enum": [True, False]}}
        either.append({**no_text, **_pattern(form)})
    either += ({**no_other, **way} for way in _ways(model, names))
    return {**_ANYTHING, "anyOf": either, "properties": properties}


def _ways(model: type[BaseModel], names: list[str]) -> list[Schema]:
    """The ways to choose from the fields of a mapping: without one that is unknown."""
    if all(field.is_required() for field in model.model_fields.values()):
        return [{"required": names, "maxProperties": len(names)}]
    assert len(names) == 2, "from two fields there are four ways to choose:"
    return [
        {"maxProperties": 0},
        *({"required": [name], "maxProperties": 1} for name in names),
        {"required": names, "maxProperties": 2},
    ]


def _pattern(form: Form) -> Schema:
    return {"maxLength": form.longest, "pattern": f"^({form.pattern})$"}


def _lengths(metadata: Sequence[Any], of: str) -> Schema:
    found: Schema = {}
    for mark in metadata:
        if isinstance(mark, (annotated_types.MinLen, StringConstraints)) and mark.min_length:
            found[f"min{of}"] = mark.min_length
        if isinstance(mark, (annotated_types.MaxLen, StringConstraints)) and mark.max_length:
            found[f"max{of}"] = mark.max_length
    return found


def _bounds(metadata: Sequence[Any]) -> Schema:
    found: Schema = {}
    for mark in metadata:
        if isinstance(mark, annotated_types.Ge):
            found["minimum"] = mark.ge
        if isinstance(mark, annotated_types.Gt):
            found |= {"minimum": mark.gt, "exclusiveMinimum": True}
        if isinstance(mark, annotated_types.Le):
            found["maximum"] = mark.le
        if isinstance(mark, annotated_types.Lt):
            found |= {"maximum": mark.lt, "exclusiveMaximum": True}
    return found
