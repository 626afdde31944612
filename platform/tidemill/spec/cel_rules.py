"""The rules of the models, as the API server takes them: `x-kubernetes-validations`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from . import cel
from .annotations import first, marks, models_in
from .rules import Check, Form, Rule

Validation = dict[str, str]


def form_validation(form: Form, words: Sequence[str] = (), value: str = "self") -> Validation:
    """That a text is of a form, or one of some words; said with the text itself."""
    said = _said(form.message, words)
    shown = cel.shown(value) if form.may_be_number else f'"\'" + {value} + "\'"'
    return {
        "rule": _or_one_of(words, value, form.holds(value)),
        "message": f"this {said}",
        "messageExpression": f"{shown} + {cel.text(' ' + said)}",
    }


def check_validations(form: Form, checks: Iterable[Check], words: Sequence[str] = ()) -> list[Validation]:
    """What is asked of a text of that form."""
    malformed = f"!({form.holds('self')})"
    return [
        {
            "rule": _or_one_of(words, "self", f"{malformed} || {check.cel}"),
            "message": _said(check.message, words),
        }
        for check in checks
    ]


def model_validations(rules: Sequence[Rule], model: type[BaseModel]) -> list[Validation]:
    return [{"rule": expanded(rule.cel, model), "message": rule.message} for rule in rules if rule.cel is not None]


def expanded(rule: str, model: type[BaseModel]) -> str:
    """A rule with each `{a.b}` replaced by the number that the text of `self.a.b`, or its default, stands for. Where a
    text is not well formed, the rule holds: another says so.

    The API server refuses rules that might cost too much, and loses sight of a text's length in `orValue`: therefore
    the long way round with `has`.
    """
    guards: dict[str, None] = {}

    def number_of(match: re.Match[str]) -> str:
        value, there, form, default = _field(match.group(1).split("."), model)
        assert form.number is not None, f"{match.group()} has no number"
        number, well_formed = form.number(value), form.holds(value)
        if not there:
            guards[well_formed] = None
            return number
        if not isinstance(default, (timedelta, float)):  # a word, or nothing
            guards[f"{there} && {well_formed}"] = None
            return number
        guards[f"({there} ? {well_formed} : true)"] = None
        return f"({there} ? {number} : {_number(default)})"

    text = re.sub(r"\{([A-Za-z.]+)\}", number_of, rule)
    return f"!({' && '.join(guards)}) || ({text})" if guards else text


def _field(path: list[str], model: type[BaseModel]) -> tuple[str, str, Form, Any]:
    """CEL for a field, CEL for its being there where it need not be, its form, and its default."""
    value, there, here = "self", [], model
    for position, name in enumerate(path):
        value += f".{name}"
        field = next(field for field in here.model_fields.values() if field.alias == name)
        if not field.is_required():
            there.append(f"has({value})")
        if position < len(path) - 1:
            (here,) = models_in(field.annotation)
    form = first(Form, marks(field))
    assert form is not None, f"{value} is no text with a form"
    return value, " && ".join(there), form, None if field.is_required() else field.get_default()


def _number(default: timedelta | float) -> float:
    return default.total_seconds() * 1000 if isinstance(default, timedelta) else default


def _said(message: str, words: Sequence[str]) -> str:
    """As `explain` says it of a field that takes a text or a word."""
    return f"{message}, or {' or '.join(words)}" if words else message


def _or_one_of(words: Sequence[str], value: str, rule: str) -> str:
    return f"{value} in [{', '.join(map(cel.text, words))}] || {rule}" if words else rule
