"""`tidemill history`: the ledger, who served when and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .output import emit, output_option
from .project import Project, project_argument

if TYPE_CHECKING:
    Read = Callable[[Sequence[str], int | None], list[dict[str, Any]]]


@click.command()
@project_argument
@click.option("--last", type=click.IntRange(min=1), help="Only the last N lines.")
@click.option("--event", "events", multiple=True, help="Only events of this name or prefix, such as champion.")
@output_option
def command(project: Project, last: int | None, events: tuple[str, ...], output: str) -> None:
    """List everything that happened to the loop, oldest first."""
    from .wiring import open_server

    server = open_server(project)
    read: Read = _here(project) if server is None else server.history
    emit(read(events, last), output, lambda lines: _render(lines) if lines else _nothing(read, events))


def _here(project: Project) -> Read:
    from .wiring import open_state

    state = open_state(project)

    def read(events: Sequence[str], last: int | None) -> list[dict[str, Any]]:
        lines = state.ledger(project.loop.metadata.name)
        if events:
            lines = [line for line in lines if line["event"].startswith(tuple(events))]
        return lines[-last:] if last else lines

    return read


def _render(lines: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{line['at'][:16].replace('T', ' ')}  {line['event']:<22} {line['reason']:<20} {line['message']}"
        for line in lines
    )


def _nothing(read: Read, events: Sequence[str]) -> str:
    """Whether nothing happened, or nothing of that name: then which names there are."""
    there = sorted({line["event"] for line in read((), None)}) if events else []
    if not there:
        return (
            "Nothing has happened yet: the loop begins with its first tick (`tidemill run --once`, or a controller's)."
        )
    begun = tuple(f"{event.partition('.')[0]}." for event in events)
    near = [event for event in there if event.startswith(begun)]
    names = near or dict.fromkeys(event.partition(".")[0] for event in there)
    return f"No event begins with {' or '.join(map(repr, events))}; there are: {', '.join(names)}."
