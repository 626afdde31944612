"""Scores what others answered, after the answer: a shadow sees everything and delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from tidemill.loop.model import Arm, Route
from tidemill.loop.ports import Clock

from .answering import pick
from .journal import Journal
from .metrics import Metrics
from .protocol import Inference
from .records import Failed, Group, Rows, Scored, scored
from .refusals import Refused
from .scoring import Model, NotBegun, Overloaded
from .split import mirrored
from .user_code import failure

SECONDS = 30.0  # no caller waits for a mirrored row, but a version that never answers must show in the log


class Mirror:
    """`owed` counts what is still to be scored or logged; everything runs in the gateway's event loop."""

    def __init__(self, loop: str, journal: Journal, clock: Clock, metrics: Metrics) -> None:
        self._loop, self._journal, self._clock, self._metrics = loop, journal, clock, metrics
        self.owed = 0
        self._waiting: list[asyncio.Future[None]] = []

    def later(self, route: Route, models: Mapping[str, Model], request: Inference, groups: list[Group]) -> None:
        """Begins once the present step of the event loop, in which the answer is written, is over."""
        for arm in route.arms:
            if arm.mirror <= 0:
                continue
            rows = [row for group in groups if not group.touched(arm.version) for row in group.rows]
            rows = mirrored(arm, request.keys, rows)
            if rows:
                self._owe(1)
                asyncio.get_running_loop().call_soon(self._start, arm, models[arm.version], request, rows)

    async def drained(self) -> None:
        """Returns when nothing is owed."""
        if self.owed:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]

    def _start(self, arm: Arm, model: Model, request: Inference, rows: Rows) -> None:
        start = perf_counter()
        try:
            cells = pick(model.cells(request.columns), rows, len(request.keys))
            future = model.back.submit(cells, len(rows), SECONDS)
        except Refused as error:
            self._journal.write_mirrored(
                request, Failed(arm.version, rows, "error", str(error), 0.0), self._clock.now()
            )
            self._owe(-1)
        except Overloaded:
            self._metrics.unmirrored.labels(self._loop, arm.version).inc(len(rows))
            self._owe(-1)
        else:
            future.add_done_callback(lambda done: self._finish(arm, request, rows, start, done))

    def _finish(self, arm: Arm, request: Inference, rows: Rows, start: float, done: asyncio.Future[Any]) -> None:
        try:
            milliseconds = (perf_counter() - start) * 1000
            error = done.exception()
            if isinstance(error, (Overloaded, NotBegun)):
                self._metrics.unmirrored.labels(self._loop, arm.version).inc(len(rows))
                return
            part: Scored | Failed
            if error is None:
                part = scored(arm.version, rows, done.result(), arm.calibrator, milliseconds)
            elif isinstance(error, TimeoutError):
                part = Failed(arm.version, rows, "timeout", f"no answer after {SECONDS:g} s", milliseconds)
            else:
                part = Failed(arm.version, rows, "error", str(failure(error)), milliseconds)
            self._journal.write_mirrored(request, part, self._clock.now())
        finally:
            self._owe(-1)

    def _owe(self, more: int) -> None:
        self.owed += more
        if not self.owed:
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiting.clear()
