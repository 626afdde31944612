"""`tidemill plan`: what the next tick would do and why, doing nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from .output import emit, output_option
from .project import Project, lives_here, project_argument


@click.command()
@project_argument
@output_option
def command(project: Project, output: str) -> None:
    """Show what the next tick would do and why, without doing it."""
    from tidemill.adapters.system_clock import SystemClock
    from tidemill.loop.plan import plan

    from .wiring import open_context

    lives_here(project, "plan")
    clock = SystemClock()
    report = plan(open_context(project), clock.now())
    emit(tick_data(report), output, _render)


def tick_data(report: Any) -> dict[str, Any]:
    """A TickReport as JSON data."""
    return {
        "at": report.at.isoformat(),
        "events": [_event(event) for event in report.events],
        "waiting": [_event(event) for event in report.waiting],
        "failures": [asdict(failure) | {"since": failure.since.isoformat()} for failure in report.failures],
    }


def _event(event: Any) -> dict[str, Any]:
    return {
        "event": event.event,
        "reason": str(event.reason),
        "message": event.message,
        "evidence": event.evidence,
    }


def _render(data: dict[str, Any]) -> str:
    lines = []
    if data["events"]:
        lines.append("The next tick would record:")
        lines += [f"  {event['event']:<24} {event['reason']:<20} {event['message']}" for event in data["events"]]
    else:
        lines.append("The next tick would change nothing.")
    if data["waiting"]:
        lines.append("Waiting:")
        lines += [f"  {event['event']:<24} {event['reason']:<20} {event['message']}" for event in data["waiting"]]
    lines += [f"FAILS: {failure['step']}: {failure['message']}" for failure in data["failures"]]
    return "\n".join(lines)
