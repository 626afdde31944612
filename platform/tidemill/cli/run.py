"""`tidemill run`: the loop's daemon on one machine, with the data plane inside."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from .every import seconds
from .output import emit, output_option
from .plan import tick_data
from .project import Project, lives_here, project_argument


@click.command()
@project_argument
@click.option("--once", is_flag=True, help="Tick until nothing is left to do now, then end.")
@click.option("--every", default="60s", show_default=True, help="Time between two ticks, such as 30s or 5m.")
@click.option("--port", type=int, help="Port of the data plane; the profile's by default.")
@output_option
def command(project: Project, once: bool, every: str, port: int | None, output: str) -> None:
    """Keep the model right: tick again and again, and answer requests."""
    from tidemill.adapters.system_clock import SystemClock
    from tidemill.loop.heartbeat import beat
    from tidemill.loop.tick import settle

    from .wiring import open_context, open_gateway

    lives_here(project, "run")
    pause = seconds(every)
    clock = SystemClock()

    def tell(_loop: str, at: datetime, event: str, message: str) -> None:
        if output == "text":
            click.echo(f"{at:%Y-%m-%d %H:%M:%S}  {event:<22}  {message}")

    gateway = open_gateway(project, clock, port=port)
    context = open_context(project, gateway, tell)
    with context.state.lease(context.name), _serving(gateway, context.ports.serving, once):
        if output == "text" and not once:
            click.echo(
                f"{project.loop.metadata.name} answers at {gateway.url}/v2/models/{context.name}/infer", err=True
            )
        reports = settle(context, clock.now())
        beat(context.state, context.name, clock.now())
        if once:
            data = {"loop": context.name, "ticks": [tick_data(report) for report in reports]}
            emit(data, output, _render)
            return
        _forever(context, clock, pause, tell)


def _forever(context: Any, clock: Any, pause: float, tell: Any) -> None:
    """Ticks until it is asked to stop; what may pass by itself is waited for, never a reason to die."""
    from tidemill.loop.errors import TemporaryError
    from tidemill.loop.heartbeat import beat
    from tidemill.loop.tick import tick

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(pause):
        try:
            tick(context, clock.now())
            beat(context.state, context.name, clock.now())
        except TemporaryError as error:
            click.echo(f"{clock.now():%Y-%m-%d %H:%M:%S}  tick.failed             {error}", err=True)


@contextmanager
def _serving(gateway: Any, serving: Any, once: bool) -> Iterator[None]:
    """Answers from the last route at once, before the first tick; a single tick only prepares versions."""
    if once:
        yield
        return
    serving.restore()
    gateway.start()
    try:
        yield
    finally:
        gateway.stop()


def _render(data: dict[str, Any]) -> str:
    ticks = data["ticks"]
    if not any(tick["events"] for tick in ticks):
        lines = ["Nothing to do now."]
    else:
        lines = [f"{sum(len(tick['events']) for tick in ticks)} things happened; `tidemill history` lists them."]
    lines += [f"  waits: {waiting['message']}" for waiting in ticks[-1]["waiting"]]
    return "\n".join(lines)
