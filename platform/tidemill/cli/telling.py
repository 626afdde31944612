"""Says what happens to a loop as it happens, a line each: for a person, or as JSON for a program."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from .output import print_line


class Telling:
    """No line is worth failing a tick for: where it cannot be written the loop goes on. `gone` is the error where
    whoever read has gone (`tidemill run | head`)."""

    def __init__(self, output: str) -> None:
        self._json = output == "json"
        self.gone: BrokenPipeError | None = None

    def __call__(self, loop: str, at: datetime, event: str, message: str) -> None:
        self._say({"at": at, "loop": loop, "event": event, "message": message})

    def aside(self, loop: str, at: datetime, event: str, message: str, **more: Any) -> None:
        """What is no event of the loop's ledger: on stderr for a person; a line like any other for a program, which
        also gets what there is `more`."""
        self._say({"at": at, "loop": loop, "event": event, "message": message, **more}, err=True)

    def _say(self, line: dict[str, Any], err: bool = False) -> None:
        try:
            if self._json:
                print_line(line)
            else:
                click.echo(_text(line), err=err)
        except BrokenPipeError as error:
            self.gone = error
        except OSError:  # the disk of a log that is full says so by itself
            return


def _text(line: dict[str, Any]) -> str:
    text = f"{line['at']:%Y-%m-%d %H:%M:%S}  {line['event']:<22}  {line['message']}"
    return f"{text}\n{line['trace'].rstrip()}" if line.get("trace") else text
