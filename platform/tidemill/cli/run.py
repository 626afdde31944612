"""`tidemill run`: the loop's daemon on one machine, with the data plane inside."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from .every import seconds
from .keeping import Keeping
from .output import emit, output_option
from .plan import tick_data
from .port import port_option
from .project import Project, lives_here, project_argument
from .telling import Telling

if TYPE_CHECKING:
    from tidemill.loop.ports import Clock
    from tidemill.loop.tick import TickReport


@click.command()
@project_argument
@click.option("--once", is_flag=True, help="Tick until nothing is left to do now, then end.")
@click.option("--every", default="60s", show_default=True, help="Time between two ticks, such as 30s or 5m.")
@port_option("Port of the data plane; the profile's by default. 0: any free one.")
@output_option
def command(project: Project, once: bool, every: str, port: int | None, output: str) -> None:
    """Keep the model right: tick again and again, and answer requests.

    A tick that fails is told and tried again, while requests are answered. With --output json what happens is a line of
    JSON each; with --once it is one document.
    """
    from tidemill.adapters.system_clock import SystemClock

    from .wiring import open_context, open_gateway

    lives_here(project, "run")
    pause = seconds(every)
    clock, telling = SystemClock(), Telling(output)
    gateway = open_gateway(project, clock, port=port)
    context = open_context(project, gateway, None if once and output == "json" else telling)
    with context.state.lease(context.name), _serving(gateway, context.ports.serving, once):
        if once:
            reports = _ticks(context, clock, settle=True)
            data = {"loop": context.name, "ticks": [tick_data(report) for report in reports]}
            emit(data, output, _render)
            if reports[-1].failures:
                raise SystemExit(1)
            return
        message = f"{context.name} answers at {gateway.url}/v2/models/{context.name}/infer"
        telling.aside(context.name, clock.now(), "gateway.started", message)
        _forever(context, clock, pause, telling)


def _forever(context: Any, clock: Clock, pause: float, telling: Telling) -> None:
    """Ticks until it is asked to stop: a tick that fails is never a reason to die, since requests are answered here."""
    stop = threading.Event()
    keeping = Keeping(context.name, clock, pause, telling)
    wait = keeping.attempt(partial(_ticks, context, clock, settle=True))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while telling.gone is None and not stop.wait(wait):
        wait = keeping.attempt(partial(_ticks, context, clock))
    if telling.gone is not None:
        raise telling.gone


def _ticks(context: Any, clock: Clock, settle: bool = False) -> list[TickReport]:
    """One tick; with `settle` as many as follow from it. Says that the loop was looked after."""
    from tidemill.loop import tick
    from tidemill.loop.heartbeat import beat

    now = clock.now()
    reports = tick.settle(context, now) if settle else [tick.tick(context, now)]
    beat(context.state, context.name, clock.now())
    return reports


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
    lines += [f"  FAILED: {failure['step']}: {failure['message']}" for failure in ticks[-1]["failures"]]
    return "\n".join(lines)
