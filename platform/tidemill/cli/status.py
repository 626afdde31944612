"""`tidemill status`: where a loop stands."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from .output import emit, output_option
from .project import Project, project_argument


@click.command()
@project_argument
@output_option
def command(project: Project, output: str) -> None:
    """Show who serves, what is tried, what waits, and how the model does."""
    from .wiring import open_context, open_server

    server = open_server(project)
    if server is not None:
        emit(server.status(), output, partial(_render, first="`tidemill train` asks for the first one now"))
        return
    from tidemill.adapters.system_clock import SystemClock
    from tidemill.loop.status import status

    clock = SystemClock()
    emit(status(open_context(project), clock.now()), output, _render)


def _render(data: dict[str, Any], first: str = "`tidemill run --once` trains the first one") -> str:
    lines = [f"{data['loop']}"]
    champion = data["champion"]
    if champion is None:
        lines.append(f"  champion    none yet; {first}")
    else:
        corrected = champion["calibrator"]
        repair = f", corrected ({corrected['intercept']:+.3f}, slope {corrected['slope']:.3f})" if corrected else ""
        lines.append(
            f"  champion    version {champion['version']} since {champion['since'][:16]} ({champion['reason']}){repair}"
        )
    rollout = data["rollout"]
    if rollout is not None:
        where = f"version {rollout['challenger']}, {rollout['step']}, {rollout['status']}"
        lines.append(f"  rollout     {where}: {rollout['message']}")
    turn = data["turn"]
    if turn is not None:
        lines.append(f"  last turn   {turn['id']} {turn['status']} ({turn['reason']}): {turn['message']}")
    data_line = data["partitions"]
    lines.append(
        f"  data        {data_line['admitted']} partitions admitted ({data_line['rows']:,} rows), "
        f"{data_line['quarantined']} quarantined"
    )
    outcomes = data["outcomes"]
    lines.append(
        f"  outcomes    {outcomes['known']:,} labels, {outcomes['joined']:,} joined to predictions in closed days"
    )
    if data["last_tick"]:
        lines.append(f"  last tick   {data['last_tick'][:16]}")
    if data["signals"]:
        lines.append("  signals     " + "; ".join(signal["message"] for signal in data["signals"]))
    if data["last_days"]:
        lines.append(
            "  last days   "
            + ", ".join(f"{day['day']} loss {day['loss']:.4f} (n {day['n']})" for day in data["last_days"])
        )
    return "\n".join(lines)
