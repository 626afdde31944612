"""Keeps loops: one tick at a time for each, in a thread of its own; what came of it goes to the object's status.

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

from .status import failed_status, loop_status, paused_status

if TYPE_CHECKING:
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Clock

    from .place import Owner, Place

PAUSED = "tidemill.dev/paused"
_SOON = 5.0  # seconds between ticks while something is under way
_BACK_OFF = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """A ModelLoop as the API server has it."""

    owner: Owner
    generation: int
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """The status to be written, and after how many seconds to look again. `error` is what went wrong, if anything."""

    status: dict[str, Any]
    again: float
    error: str = ""


@dataclass(frozen=True)
class _Kept:
    spec: Mapping[str, Any]
    context: Context


class Keeper:
    """`every` is the number of seconds between two ticks of a loop in which nothing happens; `tell` gets (owner, event,
    message) of whatever happens."""

    def __init__(
        self, place: Place, clock: Clock, every: float, tell: Callable[[Owner, str, str], None] = lambda *_: None
    ) -> None:
        self._place, self._clock, self._every, self._tell = place, clock, every, tell
        self._kept: dict[str, _Kept] = {}
        self._failures: dict[str, int] = {}
        self._lock = threading.Lock()

    def keep(self, wanted: Wanted) -> Done:
        """One tick. Never raises: what goes wrong is a condition, and a later try."""
        now = datetime.now(UTC)  # of conditions; the loop may live in another time
        if wanted.annotations.get(PAUSED, "").lower() == "true":
            return Done(paused_status(wanted.generation, wanted.status, now), self._every)
        key = wanted.owner.uid
        try:
            done = self._tick(wanted, now)
        except LeaseHeld as error:
            return Done({}, _SOON, str(error))
        except TemporaryError as error:
            return self._failed(wanted, "TemporaryError", str(error), now)
        except TidemillError as error:
            return self._failed(wanted, type(error).__name__, str(error), now)
        except Exception as error:
            _log.exception("the tick of %s/%s failed", wanted.owner.namespace, wanted.owner.name)
            message = f"{type(error).__name__}: {error}. The controller's log has the trace; this is a bug."
            return self._failed(wanted, "InternalError", message, now)
        self._failures.pop(key, None)
        return done

    def release(self, wanted: Wanted) -> None:
        """What a loop has running elsewhere ends; what is in the cluster goes with its object. History stays: the
        registered versions, the ledger and the predictions."""
        from tidemill.loop.turns import running_turn

        context = self.context(wanted)
        with context.state.lease(context.name):
            turn = running_turn(context)
            if turn is not None:
                context.ports.pipelines.cancel(turn["id"])
            about = context.state.get(context.name, "loop", "self")
            if about is not None:
                deleted = {**about, "deleted_at": datetime.now(UTC).isoformat()}
                context.state.put(context.name, "loop", "self", deleted)
        with self._lock:
            self._kept.pop(wanted.owner.uid, None)
            self._failures.pop(wanted.owner.uid, None)

    def context(self, wanted: Wanted) -> Context:
        """The loop's, made anew where its spec has changed."""
        with self._lock:
            kept = self._kept.get(wanted.owner.uid)
            if kept is None or kept.spec != wanted.spec:
                kept = _Kept(wanted.spec, self._open(wanted))
                self._kept[wanted.owner.uid] = kept
            return kept.context

    def _tick(self, wanted: Wanted, now: datetime) -> Done:
        from tidemill.loop.heartbeat import beat
        from tidemill.loop.tick import tick

        context, rollouts = self.context(wanted), self._place.rollouts(wanted.owner)
        with context.state.lease(context.name):
            present = rollouts.present()
            rollouts.ask(context.state, present, self._clock.now())
            report = tick(context, self._clock.now())
            beat(context.state, context.name, now)
            rollouts.show(context, present)
            status = loop_status(context, report, wanted.generation, wanted.status, now)
        busy = report.turn is not None or status["rollout"] is not None or status["champion"] is None
        unready = any(event.event in ("serving.waiting", "champion.unready") for event in report.waiting)
        return Done(status, _SOON if busy or unready else self._every)

    def _open(self, wanted: Wanted) -> Context:
        from tidemill.adapters.notifiers import CallNotifier
        from tidemill.spec.model_loop import ModelLoop

        document = {
            "apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop",
            "metadata": {"name": wanted.owner.name}, "spec": wanted.spec,
        }  # fmt: skip
        owner = wanted.owner
        loop = ModelLoop.model_validate(document)
        notifier = CallNotifier(lambda _, __, event, message: self._tell(owner, event, message))
        return self._place.context(loop, owner, notifier)

    def _failed(self, wanted: Wanted, reason: str, message: str, now: datetime) -> Done:
        failures = self._failures[wanted.owner.uid] = self._failures.get(wanted.owner.uid, 0) + 1
        again = _BACK_OFF[min(failures, len(_BACK_OFF)) - 1]
        return Done(failed_status(reason, message, wanted.generation, wanted.status, now), again, message)
