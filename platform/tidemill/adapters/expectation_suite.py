"""What Great Expectations does not take of a suite, found before there is data to judge by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tidemill.loop.errors import TidemillError

from .great_expectations import library


def suite_problems(file: Path) -> list[tuple[str, str]] | None:
    """(what is wrong, the nearest right thing) of a suite's expectations, one by one: the library leaves out what it
    does not know, and stops at the first that it cannot read. None where it is not installed."""
    try:
        library()
    except TidemillError:
        return None
    expectations = json.loads(file.read_text(encoding="utf-8"))["expectations"]
    return [
        (f"expectation {number}: {message}", hint)
        for number, expectation in enumerate(expectations, 1)
        for message, hint in _problems(expectation)
    ]


def _problems(expectation: Any) -> Iterator[tuple[str, str]]:
    import great_expectations as gx

    if not (isinstance(expectation, dict) and "type" in expectation and isinstance(expectation.get("kwargs"), dict)):
        yield "it has no type, or no kwargs", 'It looks like {"type": ..., "kwargs": {...}}.'
        return
    kind = str(expectation["type"])
    try:
        suite = gx.ExpectationSuite(name="checked", expectations=[expectation])
    except (ValueError, TypeError) as error:
        yield f"{kind}: {_said(error)}", _nearest_field(kind, error)
        return
    if not suite.expectations:
        yield _left_out(kind)


def _left_out(kind: str) -> tuple[str, str]:
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    if kind in known:
        return f"{kind}: something beside its kwargs is wrong", "Leave out what is neither type nor kwargs."
    near = get_close_matches(kind, known, n=1)
    return f"Great Expectations knows no {kind}", f"Did you mean {near[0]}?" if near else ""


def _said(error: Exception) -> str:
    """Each field once: where several types are allowed, the library says of every one that it is not given."""
    if not hasattr(error, "errors"):
        return str(error)
    said: dict[str, str] = {}
    for found in error.errors():
        said.setdefault(".".join(map(str, found["loc"])), found["msg"])
    return "; ".join(message if field == "__root__" else f"{field}: {message}" for field, message in said.items())


def _nearest_field(kind: str, error: Exception) -> str:
    from great_expectations.expectations.registry import get_expectation_impl

    unknown = [str(e["loc"][-1]) for e in getattr(error, "errors", list)() if e["type"] == "value_error.extra"]
    known = list(get_expectation_impl(kind).__fields__)
    near = [name for field in unknown for name in get_close_matches(field, known, n=1)]
    return f"Did you mean {', '.join(near)}?" if near else ""
