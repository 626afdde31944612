"""`tidemill history`: the ledger, who served when and why."""

from __future__ import annotations

from typing import Any

import click

from .output import emit, output_option
from .project import Project, project_argument


@click.command()
@project_argument
@click.option("--last", type=click.IntRange(min=1), help="Only the last N lines.")
@click.option("--event", "events", multiple=True, help="Only events of this name or prefix, such as champion.")
@output_option
def command(project: Project, last: int | None, events: tuple[str, ...], output: str) -> None:
    """List everything that happened to the loop, oldest first."""
    from .wiring import open_server, open_state

    server = open_server(project)
    if server is not None:
        emit(server.history(events, last), output, _render)
        return
    lines = open_state(project).ledger(project.loop.metadata.name)
    if events:
        lines = [line for line in lines if line["event"].startswith(events)]
    emit(lines[-last:] if last else lines, output, _render)


def _render(lines: list[dict[str, Any]]) -> str:
    if not lines:
        return (
            "Nothing has happened yet: the loop begins with its first tick (`tidemill run --once`, or a controller's)."
        )
    return "\n".join(
        f"{line['at'][:16].replace('T', ' ')}  {line['event']:<22} {line['reason']:<20} {line['message']}"
        for line in lines
    )
