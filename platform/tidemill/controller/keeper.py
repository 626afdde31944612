"""Keeps loops: what came of one look at a loop, and when to look again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from tidemill.loop.errors import LeaseHeld, TemporaryError, TidemillError
from tidemill.spec.errors import SpecError

from .reasons import ConditionReason
from .status import failed_status, paused_status
from .ticker import Tell as Tell
from .ticker import Ticked
from .wanted import FORCE_DELETE, PAUSED, Wanted

SOON = 5.0  # seconds between ticks while something is under way
# No longer: what helps (a bucket that answers again, a file that was mended) is nothing that wakes a loop.
BACK_OFF = (5.0, 10.0, 20.0, 30.0)

_log = logging.getLogger(__name__)


class Ticks(Protocol):
    """Ticker has it; so has whoever lets another process do it."""

    def tick(self, wanted: Wanted, now: datetime) -> Ticked: ...

    def look_after(self, wanted: Wanted, now: datetime) -> None: ...

    def release(self, wanted: Wanted, now: datetime) -> None: ...

    def forget(self, uid: str) -> None: ...


@dataclass(frozen=True)
class Done:
    """The status as it should be (None: as it is), and after how many seconds to look again (None: when something
    changes). `error` is what went wrong, if anything; `released`: the object may go."""

    status: dict[str, Any] | None
    again: float | None
    error: str = ""
    released: bool = False


class Keeper:
    """`every` is the number of seconds between two ticks of a loop in which nothing happens; `tell` gets (owner, event,
    message) of what goes wrong."""

    def __init__(self, ticks: Ticks, every: float, tell: Tell = lambda *_: None) -> None:
        self._ticks, self._every, self._tell = ticks, every, tell
        self._failures: dict[str, tuple[int, str]] = {}

    def keep(self, wanted: Wanted) -> Done:
        """One tick. Never raises: what goes wrong is a condition, and a later try."""
        now = datetime.now(UTC)
        if wanted.is_deleted:
            return self._release(wanted, now)
        if wanted.says(PAUSED):
            status = paused_status(wanted.generation, wanted.status, now)
            return Done(status, self._look_after(wanted, now))
        try:
            ticked = self._ticks.tick(wanted, now)
        except LeaseHeld as error:
            return Done(None, SOON, str(error))
        except Exception as error:
            return self._failed(wanted, error, now)
        if ticked.error:
            return Done(ticked.status, self._pause(wanted, ticked.error), ticked.error)
        self._failures.pop(wanted.owner.uid, None)
        return Done(ticked.status, SOON if ticked.busy else self._every)

    def forget(self, uid: str) -> None:
        self._ticks.forget(uid)
        self._failures.pop(uid, None)

    def _look_after(self, wanted: Wanted, now: datetime) -> float:
        """A loop that nothing may be done for, as its author wants it, is looked at as often as any: else it could not
        be told from one whose controller is gone. In how many seconds to look again."""
        try:
            self._ticks.look_after(wanted, now)
        except TidemillError as error:
            _log.warning("%s/%s: %s", wanted.owner.namespace, wanted.owner.name, error)
        return self._every

    def _release(self, wanted: Wanted, now: datetime) -> Done:
        owner = wanted.owner
        try:
            self._ticks.release(wanted, now)
        except Exception as error:
            if wanted.says(FORCE_DELETE):
                self._tell(owner, "loop.release.failed", f"Let go by force, though: {error}")
                return Done(None, None, str(error), released=True)
            message = (
                f"It is not released yet: {error} It is tried again. To let it go at once, with whatever still runs "
                f"for it: kubectl annotate modelloop {owner.name} -n {owner.namespace} {FORCE_DELETE}=true"
            )
            _log.debug("the release of %s/%s failed", owner.namespace, owner.name, exc_info=True)
            again = self._pause(wanted, message, "loop.release.failed")
            status = failed_status(ConditionReason.RELEASE_FAILED, message, wanted.generation, wanted.status, now)
            return Done(status, again, message)
        self.forget(owner.uid)
        return Done(None, None, released=True)

    def _failed(self, wanted: Wanted, error: Exception, now: datetime) -> Done:
        owner, message = wanted.owner, str(error)
        if isinstance(error, SpecError):
            # Only another spec helps, and the object's next change wakes it.
            told = self._told_before(wanted, message)
            if not told:
                self._tell(owner, "spec.invalid", message)
            status = failed_status(ConditionReason.INVALID_SPEC, message, wanted.generation, wanted.status, now)
            return Done(status, self._look_after(wanted, now), "" if told else message)
        reason = _reason(error)
        if reason is ConditionReason.INTERNAL_ERROR:
            _log.error("the tick of %s/%s failed", owner.namespace, owner.name, exc_info=error)
            message = f"{type(error).__name__}: {error}. The controller's log has the trace; this is a bug."
        again = self._pause(wanted, message)
        return Done(failed_status(reason, message, wanted.generation, wanted.status, now), again, message)

    def _pause(self, wanted: Wanted, message: str, event: str = "tick.failed") -> float:
        """Longer each time; the event is told once for as long as the message stays."""
        if not self._told_before(wanted, message):
            self._tell(wanted.owner, event, message)
        return BACK_OFF[min(self._failures[wanted.owner.uid][0], len(BACK_OFF)) - 1]

    def _told_before(self, wanted: Wanted, message: str) -> bool:
        count, last = self._failures.get(wanted.owner.uid, (0, ""))
        self._failures[wanted.owner.uid] = (count + 1, message)
        return last == message


def _reason(error: Exception) -> ConditionReason:
    from tidemill.adapters.kubernetes.api import ApiError

    kinds: tuple[tuple[type[Exception], ConditionReason], ...] = (
        (TemporaryError, ConditionReason.UNAVAILABLE),
        (ApiError, ConditionReason.REFUSED),
        (TidemillError, ConditionReason.FAILED),
    )
    return next((reason for kind, reason in kinds if isinstance(error, kind)), ConditionReason.INTERNAL_ERROR)
