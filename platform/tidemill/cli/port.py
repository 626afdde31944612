"""The option --port of every verb that listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def port_option(
    help: str = "0: any free port.", default: int | None = None, envvar: str | None = None
) -> Callable[[Any], Any]:
    """Gives a verb the option --port; the function gets `port: int | None`, never a number that is no port."""
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=default,
        envvar=envvar,
        show_default=default is not None,
        help=help,
    )
