"""Steps of a tick that failed: since when, why, and when they are tried again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from .context import Context
from .documents.request import RequestDocument
from .documents.store import read_one
from .documents.tick import FailedStep, FailedSteps
from .errors import TemporaryError, TidemillError

# Between attempts at a step that fails; the first is the next tick. A minute at most: whoever mends a bucket or a file
# waits for no more than that.
BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (0, 10, 20, 40, 60))

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """`step` is the name of the step; `temporary`: something around the loop is away. `since`: the first of the
    failures in a row."""

    step: str
    message: str
    since: datetime
    temporary: bool


class Failures:
    """Those of one tick, and what the ticks before it left. Kept in the state store, so that `status` shows them and a
    process started anew does not begin at once where another one gave up."""

    def __init__(self, context: Context, now: datetime) -> None:
        self._context, self._now = context, now
        stored = read_one(context.state, context.name, FailedSteps, FailedSteps.id)
        self._stored = {} if stored is None else stored.steps
        self._steps = dict(self._stored)
        self._wake = any(request.open for request in context.documents(RequestDocument))

    def rests(self, step: str) -> bool:
        """Whether it failed too short a while ago. What a person asks for wakes every step."""
        failed = self._steps.get(step)
        if failed is None or self._wake:
            return False
        pause = BACK_OFF[min(failed.count, len(BACK_OFF)) - 1]
        return failed.last <= self._now < failed.last + pause

    def add(self, step: str, error: Exception) -> None:
        message = str(error)
        if not isinstance(error, TidemillError):
            message = f"{type(error).__name__}: {error} (the log has the trace)"
            _log.error("the step %s of %s failed", step, self._context.name, exc_info=error)
        before = self._steps.get(step)
        self._steps[step] = FailedStep(
            message=message,
            since=self._now if before is None else before.since,
            last=self._now,
            count=1 if before is None else before.count + 1,
            temporary=isinstance(error, TemporaryError),
        )

    def clear(self, step: str) -> None:
        self._steps.pop(step, None)

    def kept(self) -> tuple[Failure, ...]:
        """All that fail now, stored where that changed."""
        if self._steps != self._stored:
            document = FailedSteps(steps=self._steps)
            self._context.state.put(self._context.name, document.kind, document.id, document.stored())
        return tuple(Failure(name, step.message, step.since, step.temporary) for name, step in self._steps.items())
