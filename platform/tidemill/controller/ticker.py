"""One tick of one loop on a cluster, and its release: what is done for a ModelLoop, wherever that runs.

Nothing is remembered here that matters: whoever is killed and started again asks the state store and the API server,
and goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import TidemillError

from .reconciled import RECONCILED, reconciled
from .status import loop_status
from .wanted import VERSION, Owner, Wanted

if TYPE_CHECKING:
    from tidemill.loop.context import Context
    from tidemill.loop.ports import Clock
    from tidemill.loop.tick import TickReport

    from .place import Place

_UNDER_WAY = ("serving.waiting", "champion.unready")

Tell = Callable[[Owner, str, str], None]


@dataclass(frozen=True)
class Ticked:
    """The status as it should be; whether something is under way, so that another tick should follow soon; what could
    not be done or shown, though the rest of the loop went on."""

    status: dict[str, Any]
    busy: bool
    error: str = ""


@dataclass(frozen=True)
class _Kept:
    spec: Mapping[str, Any]
    context: Context


class Ticker:
    """`tell` gets (owner, event, message) of whatever happens."""

    def __init__(self, place: Place, clock: Clock, tell: Tell) -> None:
        self._place, self._clock, self._tell = place, clock, tell
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def tick(self, wanted: Wanted, now: datetime) -> Ticked:
        """Raises what keeps all of it from being done. `now` is of conditions; the loop may live in another time."""
        from tidemill.loop.heartbeat import beat
        from tidemill.loop.tick import tick

        context, rollouts = self._context(wanted), self._place.rollouts(wanted.owner)
        not_shown = ""
        with context.state.lease(context.name):
            rollouts.hear(context.state, wanted.rollouts, self._clock.now())
            report = tick(context, self._clock.now())
            beat(context.state, context.name, now)
            try:
                rollouts.show(context, wanted.rollouts, now)
            except TidemillError as error:  # the loop itself went on
                not_shown = str(error)
            failures = getattr(report, "failures", ())
            done = reconciled(failures, not_shown)
            status = loop_status(context, report, wanted.generation, wanted.status, now, done, failures)
        return Ticked(status, _is_busy(report, status), "" if done is RECONCILED else done.message)

    def look_after(self, wanted: Wanted, now: datetime) -> None:
        """Says that the loop was looked at, where there is nothing that may be done for it."""
        from tidemill.loop.heartbeat import beat

        beat(self._place.state(wanted.owner), wanted.owner.name, now)

    def release(self, wanted: Wanted, now: datetime) -> None:
        """Ends what the loop has running elsewhere. Raises whatever keeps it from that."""
        from .release import release

        owner = wanted.owner
        release(self._place.state(owner), owner.name, lambda spec: self._reopened(wanted, spec), now)

    def forget(self, uid: str) -> None:
        with self._lock:
            self._kept.pop(uid, None)

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


def _document(wanted: Wanted) -> dict[str, Any]:
    """Its name alone of the metadata: labels and notes that others keep there are no part of what is wanted."""
    name = wanted.owner.name
    return {"apiVersion": VERSION, "kind": "ModelLoop", "metadata": {"name": name}, "spec": wanted.spec}


def _is_busy(report: TickReport, status: Mapping[str, Any]) -> bool:
    """While a turn or a rollout runs, or a champion waits to answer. A loop without one waits for data like any."""
    waits = status.get("champion") is not None and any(event.event in _UNDER_WAY for event in report.waiting)
    return report.turn is not None or status.get("rollout") is not None or waits
