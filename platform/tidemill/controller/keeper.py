"""Keeps loops: one tick of one loop, what came of it, and when to look again.

Nothing is remembered here that matters: a controller that is killed and started again asks the state store and the API
server, and goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import LeaseHeld, TemporaryError, TidemillError
from tidemill.spec.errors import SpecError

from .conditions import Fact
from .status import RECONCILED, failed_status, loop_status, paused_status
from .wanted import FORCE_DELETE, PAUSED, VERSION, Owner, Wanted

if TYPE_CHECKING:
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Clock
    from tidemill.loop.tick import TickReport

    from .place import Place

SOON = 5.0  # seconds between ticks while something is under way
BACK_OFF = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
_UNDER_WAY = ("serving.waiting", "champion.unready")

_log = logging.getLogger(__name__)
Tell = Callable[[Owner, str, str], None]


@dataclass(frozen=True)
class Done:
    """The status as it should be (None: as it is), and after how many seconds to look again (None: when something
    changes). `error` is what went wrong, if anything; `released`: the object may go."""

    status: dict[str, Any] | None
    again: float | None
    error: str = ""
    released: bool = False


@dataclass(frozen=True)
class _Kept:
    spec: Mapping[str, Any]
    context: Context


class Keeper:
    """`every` is the number of seconds between two ticks of a loop in which nothing happens; `tell` gets (owner, event,
    message) of whatever happens."""

    def __init__(self, place: Place, clock: Clock, every: float, tell: Tell = lambda *_: None) -> None:
        self._place, self._clock, self._every, self._tell = place, clock, every, tell
        self._kept: dict[str, _Kept] = {}
        self._failures: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def keep(self, wanted: Wanted) -> Done:
        """One tick. Never raises: what goes wrong is a condition, and a later try."""
        now = datetime.now(UTC)  # of conditions; the loop may live in another time
        if wanted.is_deleted:
            return self._release(wanted, now)
        if wanted.says(PAUSED):
            return Done(paused_status(wanted.generation, wanted.status, now), None)
        try:
            done = self._tick(wanted, now)
        except LeaseHeld as error:
            return Done(None, SOON, str(error))
        except Exception as error:
            return self._failed(wanted, error, now)
        if not done.error:
            self._failures.pop(wanted.owner.uid, None)
        return done

    def forget(self, uid: str) -> None:
        with self._lock:
            self._kept.pop(uid, None)
            self._failures.pop(uid, None)

    def _tick(self, wanted: Wanted, now: datetime) -> Done:
        from tidemill.loop.heartbeat import beat
        from tidemill.loop.tick import tick

        context, rollouts = self._context(wanted), self._place.rollouts(wanted.owner)
        reconciled = RECONCILED
        with context.state.lease(context.name):
            rollouts.hear(context.state, wanted.rollouts, self._clock.now())
            report = tick(context, self._clock.now())
            beat(context.state, context.name, now)
            try:
                rollouts.show(context, wanted.rollouts, now)
            except TidemillError as error:  # the loop itself went on
                reconciled = Fact("Reconciled", "False", "RolloutNotShown", str(error))
            status = loop_status(context, report, wanted.generation, wanted.status, now, reconciled)
        if reconciled is not RECONCILED:
            return Done(status, self._pause(wanted, reconciled.message), reconciled.message)
        return Done(status, SOON if _is_busy(report, status) else self._every)

    def _release(self, wanted: Wanted, now: datetime) -> Done:
        from .release import release

        owner, force = wanted.owner, wanted.says(FORCE_DELETE)
        try:
            release(self._place.state(owner), owner.name, lambda spec: self._reopened(wanted, spec), now)
        except Exception as error:
            if force:
                self._tell(owner, "loop.release.failed", f"Let go by force, though: {error}")
                return Done(None, None, str(error), released=True)
            message = (
                f"It is not released yet: {error} It is tried again. To let it go at once, with whatever still runs "
                f"for it: kubectl annotate modelloop {owner.name} -n {owner.namespace} {FORCE_DELETE}=true"
            )
            _log.debug("the release of %s/%s failed", owner.namespace, owner.name, exc_info=True)
            again = self._pause(wanted, message, "loop.release.failed")
            status = failed_status("ReleaseFailed", message, wanted.generation, wanted.status, now)
            return Done(status, again, message)
        self.forget(owner.uid)
        return Done(None, None, released=True)

    def _context(self, wanted: Wanted) -> Context:
        """The loop's, made anew where its spec has changed."""
        uid = wanted.owner.uid
        with self._lock:
            kept = self._kept.get(uid)
        if kept is None or kept.spec != wanted.spec:
            kept = _Kept(wanted.spec, self._open(wanted.owner, _document(wanted)))
            with self._lock:
                self._kept[uid] = kept
        return kept.context

    def _reopened(self, wanted: Wanted, loop: Mapping[str, Any] | None) -> Context:
        return self._open(wanted.owner, _document(wanted) if loop is None else loop)

    def _open(self, owner: Owner, document: Mapping[str, Any]) -> Context:
        from tidemill.adapters.notifiers import CallNotifier
        from tidemill.spec.from_cluster import from_cluster
        from tidemill.spec.model_loop import ModelLoop

        loop = from_cluster(document, ModelLoop)
        notifier = CallNotifier(lambda _, __, event, message: self._tell(owner, event, message))
        return self._place.context(loop, owner, notifier)

    def _failed(self, wanted: Wanted, error: Exception, now: datetime) -> Done:
        owner, message = wanted.owner, str(error)
        if isinstance(error, SpecError):
            # Only another spec helps; the object's next change wakes it.
            self._told_before(wanted, message) or self._tell(owner, "spec.invalid", message)
            return Done(failed_status("InvalidSpec", message, wanted.generation, wanted.status, now), None, message)
        reason = _reason(error)
        if reason == "InternalError":
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


def _document(wanted: Wanted) -> dict[str, Any]:
    """Its name alone of the metadata: labels and notes that others keep there are no part of what is wanted."""
    name = wanted.owner.name
    return {"apiVersion": VERSION, "kind": "ModelLoop", "metadata": {"name": name}, "spec": wanted.spec}


def _is_busy(report: TickReport, status: Mapping[str, Any]) -> bool:
    """While a turn or a rollout runs, or a champion waits to answer. A loop without one waits for data like any."""
    waits = status.get("champion") is not None and any(event.event in _UNDER_WAY for event in report.waiting)
    return report.turn is not None or status.get("rollout") is not None or waits


def _reason(error: Exception) -> str:
    from tidemill.adapters.kubernetes.api import ApiError

    kinds: tuple[tuple[type[Exception], str], ...] = (
        (TemporaryError, "Unavailable"),
        (ApiError, "Refused"),
        (TidemillError, "Failed"),
    )
    return next((reason for kind, reason in kinds if isinstance(error, kind)), "InternalError")
