"""The value of a request's column as the log has it: outcomes with the same one are one piece of evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .protocol import Inference


def placed(request: Inference, column: str | None) -> Inference:
    """The request with the units of its rows. None of them where it has no such column."""
    values = None if column is None else request.columns.get(column)
    return request if values is None else replace(request, units=units(values))


def units(values: Iterable[Any]) -> list[str | None]:
    """As text. A number is the same one whether it is sent as whole or as real: 3 and 3.0."""
    return [_unit(value) for value in values]


def _unit(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
