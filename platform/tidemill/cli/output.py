"""What a verb prints: text for a person, JSON for a program, from the same data."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import click

# Kept where the whole command line can see it, so that an error is told in the form that was asked for.
_META = "tidemill.output"


def _remember(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    ctx.meta[_META] = value
    return value


output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    is_eager=True,
    callback=_remember,
    help="Text for a person, JSON for a program.",
)


def emit(data: Any, output: str, render: Callable[[Any], Any]) -> None:
    """Prints `data` as JSON, or what `render(data)` makes of it: a string, or anything that rich can draw."""
    if output == "json":
        click.echo(_json(data))
        return
    rendered = render(data)
    if isinstance(rendered, str):
        click.echo(rendered)
        return
    from rich.console import Console

    Console(highlight=False).print(rendered)


def _json(data: Any) -> str:
    try:
        return json.dumps(data, indent=2, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:  # JSON has no NaN: what is not a number is null
        parsed = json.loads(json.dumps(data, default=_plain), parse_constant=lambda _: None)
        return json.dumps(parsed, indent=2, ensure_ascii=False)


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
