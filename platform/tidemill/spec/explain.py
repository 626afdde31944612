"""Turns what pydantic says of a document into problems that its author can act on."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .errors import Problem
from .yaml_file import Document, Key, dotted

Details = Any  # pydantic's ErrorDetails, a mapping
_NO_MAPPING = " is not a mapping"
_MAPPINGS = ("model_type", "dict_type")
_NOT_IN_THIS_VERSION = ("multiclass-classification", "regression")


def explain(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """One problem for each thing that is wrong, in the order of the file."""
    by_place: dict[tuple[Key, ...], list[tuple[str | None, Details]]] = {}
    for details in error.errors(include_url=False):
        keys, branch = _place(details, document.value)
        if not _is_no_news(branch, details, model_at(model, keys)):
            by_place.setdefault(keys, []).append((branch, details))
    problems = []
    for keys, found in by_place.items():
        message, hint = _said(keys, found, model)
        at = keys[:-1] if found[0][1]["type"] == "missing" else keys
        problems.append(Problem(document.file, document.line(at), dotted(keys), message, hint))
    return sorted(problems, key=lambda problem: problem.line or 0)


def _is_no_news(branch: str | None, details: Details, here: type[BaseModel] | None) -> bool:
    """A list whose items are wrong is not empty; and a mapping was meant as one, not as the word "off", nor as a text
    where a mapping may stand (`here`) in its place."""
    if details["type"] == "too_short":
        return bool(details["input"])
    name = str(branch)
    a_text = here is not None and name.startswith("function") and here.__name__ not in name
    return (name.startswith("literal") or a_text) and isinstance(details["input"], dict)


def _place(details: Details, value: Any) -> tuple[tuple[Key, ...], str | None]:
    """The path as written, without the names that pydantic gives to the branches of a union; and the branch, if any."""
    keys: list[Key] = []
    branch = None
    loc = details["loc"]
    for position, part in enumerate(loc):
        if _has(value, part):
            value, branch = value[part], None
        elif position < len(loc) - 1 or details["type"] != "missing":
            branch = str(part)
            continue
        keys.append(part)
    return tuple(keys), branch


def _has(value: Any, part: Key) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _said(keys: tuple[Key, ...], found: list[tuple[str | None, Details]], model: type[BaseModel]) -> tuple[str, str]:
    """Message and hint. Where a field takes one of several forms, one sentence with all of them."""
    whole = [details for branch, details in found if not str(branch).startswith("literal")]
    words = [details["ctx"]["expected"].strip("'") for branch, details in found if str(branch).startswith("literal")]
    message, hint = _sentence(keys, whole[0] if whole else found[0][1], model)
    if not whole or not words:
        return message, hint
    if message.endswith(_NO_MAPPING):
        return message.replace(_NO_MAPPING, f" is neither a mapping nor {' nor '.join(words)}"), hint
    if any(details["type"] in _MAPPINGS for details in whole[1:]):
        here = model_at(model, keys)
        words.append(f"a mapping with {', '.join(_aliases(here)) if here else 'fields'}")
    return f"{message}, or {' or '.join(words)}", hint


def _sentence(keys: tuple[Key, ...], details: Details, model: type[BaseModel]) -> tuple[str, str]:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown field", _nearest_field(keys, model)
    if kind == "missing":
        return "this field is missing", _meaning(keys, model)
    if kind == "value_error":
        return str(context["error"]), ""
    if kind == "literal_error":
        return _not_one_of(keys, value, context["expected"])
    if kind in _TYPES:
        return f"{_short(value)} is not {_TYPES[kind][0]}", _TYPES[kind][1]
    if kind in _MAPPINGS:
        return _not_a_mapping(keys, value, model)
    if kind in _BOUNDS:
        bound = next(iter(context.values()))
        return f"{_short(value)} is not {_BOUNDS[kind]} {bound:g}", ""
    if kind == "too_short":
        return "the list is empty", f"Give at least {context['min_length']}, or leave the field out."
    if kind == "too_long":
        return f"the list has {context['actual_length']} items; it may have {context['max_length']}", ""
    if kind == "string_too_long":
        return f"{_short(value)} has {len(value)} characters; it may have {context['max_length']}", ""
    return str(details["msg"]), ""


_TYPES = {
    "int_type": ("a whole number", ""),
    "int_parsing": ("a whole number", ""),
    "int_from_float": ("a whole number", ""),
    "float_type": ("a number", ""),
    "float_parsing": ("a number", ""),
    "finite_number": ("a finite number", ""),
    "bool_type": ("true or false", "Write true or false, without quotes."),
    "bool_parsing": ("true or false", ""),
    "string_type": ("text", "Put it in quotes where text is meant."),
    "string_too_short": ("a name", "Write one, or leave the field out."),
    "tuple_type": ("a list", "Write [a, b], or one `- a` a line."),
    "list_type": ("a list", "Write [a, b], or one `- a` a line."),
}
_BOUNDS = {
    "greater_than": "greater than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}


def _not_one_of(keys: tuple[Key, ...], value: Any, expected: str) -> tuple[str, str]:
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    if keys[-1] == "task" and value in _NOT_IN_THIS_VERSION:
        return f"{value} is not in this version; {words[0]} is", ""
    near = difflib.get_close_matches(str(value), words, n=1)
    said = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
    return f"{_short(value)} is not {said}", f"Did you mean {near[0]}?" if near else f"Write {said}."


def _not_a_mapping(keys: tuple[Key, ...], value: Any, model: type[BaseModel]) -> tuple[str, str]:
    here = model_at(model, keys)
    fields = f"Its fields are {', '.join(_aliases(here))}." if here else ""
    if value is None:
        return "there is nothing here", f"Leave the field out, or give it fields. {fields}".strip()
    return f"{_short(value)}{_NO_MAPPING}", fields


def _nearest_field(keys: tuple[Key, ...], model: type[BaseModel]) -> str:
    here = model_at(model, keys[:-1])
    known = [] if here is None else _aliases(here)
    near = _near(str(keys[-1]), known)
    if near:
        return f"Did you mean {near}?"
    elsewhere = [path for path in _paths(model) if path[-1] == keys[-1]]
    if elsewhere:
        return f"It belongs in {dotted(elsewhere[0][:-1])}."
    return f"The fields here are {', '.join(known)}." if known else ""


def _near(name: str, known: Sequence[str]) -> str | None:
    """The nearest name, where event_time and event-time are as near to eventTime as can be."""
    plain = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), plain, n=1)
    return plain[found[0]] if found else None


def _meaning(keys: tuple[Key, ...], model: type[BaseModel]) -> str:
    here = model_at(model, keys[:-1])
    for field in here.model_fields.values() if here else ():
        if field.alias == keys[-1] and field.description:
            return f"{field.description[0].upper()}{field.description[1:]}."
    return ""


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if value is None:
        return "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def _aliases(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def model_at(model: type[BaseModel], keys: Sequence[Key]) -> type[BaseModel] | None:
    """The model that a path leads to, through lists and unions; None where it leads to a plain value."""
    here: type[BaseModel] | None = model
    for key in keys:
        if isinstance(key, int):
            continue
        fields = {} if here is None else {field.alias: field for field in here.model_fields.values()}
        if key not in fields:
            return None
        here = model_in(fields[key].annotation)
    return here


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `Gate | Literal["off"]` or `tuple[Step, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, Annotated):
        return next((found for part in get_args(annotation) if (found := model_in(part))), None)
    return None


def _paths(model: type[BaseModel], above: tuple[Key, ...] = ()) -> Iterator[tuple[Key, ...]]:
    for name, field in model.model_fields.items():
        here = (*above, field.alias or name)
        yield here
        inner = model_in(field.annotation)
        if inner is not None:
            yield from _paths(inner, here)
