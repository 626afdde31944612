"""What a verb prints: text for a person, JSON for a program, from the same data.

With JSON, stdout is for that alone: what the user's own code prints when it is imported, or a model when it is loaded,
goes to stderr.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

# Kept where the whole command line can see it, so that an error is told in the form that was asked for.
_META = "tidemill.output"
_STDOUT = "tidemill.stdout"


def _remember(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    ctx.meta[_META] = value
    return value


_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    is_eager=True,
    callback=_remember,
    help="Text for a person, JSON for a program.",
)


def output_option(function: F) -> F:
    """Gives a verb the option --output; the function gets `output: str`."""

    @_option
    @functools.wraps(function)
    def wrapper(*args: Any, output: str, **kwargs: Any) -> Any:
        if output == "text":
            return function(*args, output=output, **kwargs)
        click.get_current_context().meta[_STDOUT] = sys.stdout
        with redirect_stdout(sys.stderr):
            return function(*args, output=output, **kwargs)

    return wrapper  # type: ignore[return-value]


def emit(data: Any, output: str, render: Callable[[Any], Any]) -> None:
    """Prints `data` as JSON, or what `render(data)` makes of it: a string, or anything that rich can draw."""
    if output == "json":
        click.echo(_json(data, indent=2), file=_stdout())
        return
    rendered = render(data)
    if isinstance(rendered, str):
        click.echo(rendered)
        return
    from rich.console import Console

    Console(highlight=False).print(rendered)


def print_line(data: Any) -> None:
    """Prints `data` as one line of JSON, at once."""
    click.echo(_json(data), file=_stdout())


def _stdout() -> TextIO | None:
    """The one that programs read; None where nothing else is kept from it."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_STDOUT)


def _json(data: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(data, indent=indent, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:  # JSON has no NaN: what is not a number is null
        parsed = json.loads(json.dumps(data, default=_plain), parse_constant=lambda _: None)
        return json.dumps(parsed, indent=indent, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON has no form for, in the form that the rest of Tidemill writes."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        from tidemill.spec.quantities import format_duration

        return format_duration(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a NumPy scalar
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
