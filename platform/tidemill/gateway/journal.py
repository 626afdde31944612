"""Writes what happened to the prediction log. An answer is worth more than its record: a full disk costs the record,
and says so."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any

from tidemill.loop.errors import TemporaryError
from tidemill.loop.ports import PredictionLog

from .metrics import Metrics
from .protocol import Inference
from .records import Failed, Group, Scored, log_failed, log_scored

_log = logging.getLogger(__name__)


class Journal:
    def __init__(self, loop: str, log: PredictionLog, metrics: Metrics) -> None:
        self._loop, self._prediction_log, self._metrics = loop, log, metrics
        self._losing = False
        self._gathered: list[dict[str, Any]] = []
        self._flush: asyncio.Future[None] | None = None

    async def write(self, request: Inference, groups: list[Group], at: datetime) -> None:
        """Returns when the rows are in the log. What ends in the same step of the event loop is written in one system
        call: each one lets go of the GIL, and a busy model thread is slow to give it back.

        A fallback's rows carry the role of the arm that it stood in for: they are no evidence for its own arm."""
        rows: list[dict[str, Any]] = []
        for group in groups:
            self._metrics.answers.labels(self._loop, group.version, group.role, group.answered_by).inc(len(group.rows))
            for failed in group.failed:
                rows += log_failed(request, failed, group.role, group.weight, group.stood_in(failed), at)
                self._count(failed, group.role, failed.status)
            if group.scored is not None:
                part = group.scored
                rows += log_scored(request, part, group.role, group.weight, True, group.stood_in(part), at)
                self._count(part, group.role, "ok")
        await self._gather(rows)

    def write_mirrored(self, request: Inference, part: Scored | Failed, at: datetime) -> None:
        """What nobody saw is a shadow's, whatever its version answers otherwise: no key was drawn for it."""
        if isinstance(part, Scored):
            self._append(log_scored(request, part, "shadow", 0.0, False, False, at))
            self._count(part, "shadow", "ok")
        else:
            self._append(log_failed(request, part, "shadow", 0.0, False, at))
            self._count(part, "shadow", part.status)

    def _gather(self, rows: list[dict[str, Any]]) -> asyncio.Future[None]:
        self._gathered += rows
        if self._flush is None:
            loop = asyncio.get_running_loop()
            self._flush = loop.create_future()
            loop.call_soon(self._commit)
        return asyncio.shield(self._flush)

    def _commit(self) -> None:
        rows, flush = self._gathered, self._flush
        self._gathered, self._flush = [], None
        try:
            self._append(rows)
        finally:
            if flush is not None:
                flush.set_result(None)

    def _append(self, rows: list[dict[str, Any]]) -> None:
        try:
            self._prediction_log.append(rows)
        except TemporaryError as error:
            self._metrics.unlogged.labels(self._loop).inc(len(rows))
            if not self._losing:
                _log.error("predictions of %s are answered but not logged: %s", self._loop, error)
            self._losing = True
            return
        if self._losing:
            _log.warning("predictions of %s are logged again", self._loop)
        self._losing = False

    def _count(self, part: Scored | Failed, role: str, status: str) -> None:
        self._metrics.predictions.labels(self._loop, part.version, role, status).inc(len(part.rows))
