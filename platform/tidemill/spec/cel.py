"""Snippets of CEL, the language in which the API server checks a custom resource by itself.

Patterns are written so that Python's `re` (with ASCII) and CEL's RE2 read them alike; none holds a quote.
"""

from __future__ import annotations

import json

DURATION = r"\s*([0-9]+([.][0-9]+)?(ms|s|m|h|d|w))+\s*"
PERCENT = r"\s*[0-9]+([.][0-9]+)?\s*%\s*"
_DURATION_PART = r"[0-9]+([.][0-9]+)?[a-z]+"
_MILLISECONDS = {"ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6, "d": 8.64e7, "w": 6.048e8}


def text(value: str) -> str:
    """A text as a CEL literal."""
    return json.dumps(value)


def matches(value: str, pattern: str) -> str:
    """That the whole of a text is of a pattern."""
    return f"{value}.matches(r'^({pattern})$')"


def milliseconds(value: str) -> str:
    """A duration's text as a number. CEL's own durations know neither days nor weeks."""
    sizes = ", ".join(f"'{unit}': {size!r}" for unit, size in _MILLISECONDS.items())
    number, unit = "double(part.find(r'^[0-9.]+'))", "part.find(r'[a-z]+$')"
    return f"{value}.findAll(r'{_DURATION_PART}').map(part, {number} * {{{sizes}}}[{unit}]).sum()"


def share(value: str) -> str:
    """A percentage's text as a number; 1.0 is all."""
    return f"double({value}.find(r'[0-9.]+')) / 100.0"


def shown(value: str) -> str:
    """An int-or-string as Python would show it: texts in quotes."""
    return f'(type({value}) == string ? "\'" + string({value}) + "\'" : string({value}))'
