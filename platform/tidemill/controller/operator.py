"""The operator: kopf watches ModelLoops and ModelRollouts; a queue has each loop looked at soon after a change, and now
and then.

Level-triggered: a change only wakes its loop; what is to be done is found out from the present state. kopf's own
handling of objects (finalizers, daemons, notes in annotations) is not used: a thousand daemons that mostly sleep cost
more than a queue, and what we promise of deletion is ours to keep.
"""

from __future__ import annotations

import logging
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidemill.adapters.kubernetes.api import ApiError
from tidemill.loop.errors import TidemillError

from .keeper import Keeper, Tell
from .loop_object import LoopObjects
from .queue import Key, Queue
from .reasons import ConditionReason
from .status import failed_status
from .wanted import WOKEN, Seen, Wanted, key_of

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi

_RETRY = 5.0
_ASK = 600.0  # seconds after which a loop is asked for by name: a watch that broke may have missed that it went

_log = logging.getLogger(__name__)


class Operator:
    """`every`: seconds over which the loops of a controller that has just started are spread."""

    def __init__(self, keeper: Keeper, api: KubernetesApi, queue: Queue, every: float, tell: Tell) -> None:
        self._keeper, self._queue, self._every, self._tell = keeper, queue, every, tell
        self._objects, self._seen = LoopObjects(api), Seen()
        self._asked: dict[Key, float] = {}

    # what the watches tell

    def saw_loop(self, body: Any, gone: bool) -> None:
        key = key_of(body)
        if gone:
            self._forget(key)
            return
        new, changed = self._seen.loop(body)
        if new and _stands(body):
            spread = self._every * (1 + hash(str(body["metadata"]["uid"])) % 1000) / 1000
            self._queue.later(key, 0.0 if _was_woken(body) else spread)
        elif changed:
            self._queue.wake(key)

    def saw_rollout(self, body: Any, gone: bool) -> None:
        key, changed = self._seen.rollout(body, gone)
        if changed and self._seen.wanted(key) is not None:
            self._queue.wake(key)

    # what a worker does

    def step(self, key: Key) -> float | None:
        """Looks at one loop. In how many seconds to look again; None: when it is woken."""
        try:
            self._ask(key)
            wanted = self._seen.wanted(key)
            again = None if wanted is None else self._look(wanted)
            # Loops that were made together need not be looked at together for ever.
            return None if again is None else again * random.uniform(0.9, 1.1)
        except ApiError as error:
            if error.status == 404:  # it was deleted meanwhile, and the watch will say so
                return _RETRY
            _log.error("%s/%s: %s", *key, error)
            wanted = self._seen.wanted(key)
            if wanted is not None:  # an event may be all that can still be written
                self._tell(wanted.owner, "tick.failed", str(error))
            return self._every
        except TidemillError as error:
            _log.warning("%s/%s: %s", *key, error)
            return _RETRY

    def _look(self, wanted: Wanted) -> float | None:
        owner = wanted.owner
        if not wanted.is_deleted:
            self._objects.hold(wanted)  # before anything is made that would have to be released
        done = self._keeper.keep(wanted)
        if done.error:
            _log.warning("%s/%s: %s", owner.namespace, owner.name, done.error)
        if done.released:
            self._objects.let_go(wanted)
        elif done.status is not None:
            written = self._objects.write(owner, wanted.status, done.status)
            if written is not None:
                # The next look must not take what stood there before for what stands there.
                self._see_own(written)
        return done.again

    def _see_own(self, written: Any) -> None:
        """What we wrote, as the API server answered it; with whatever else was changed there meanwhile."""
        _, changed = self._seen.loop(written)
        if changed:
            self._queue.wake(key_of(written))

    def slow(self, key: Key, seconds: float) -> None:
        """Of a tick that hangs: the others go on; this one is told of."""
        wanted = self._seen.wanted(key)
        if wanted is None:
            return
        message = (
            f"This tick has run for {seconds:.0f} s and is not done: something that it asks (the object store, MLflow, "
            "Kubeflow, the state store) does not answer. The other loops go on."
        )
        self._tell(wanted.owner, "tick.slow", message)
        status = failed_status(ConditionReason.TICK_SLOW, message, wanted.generation, wanted.status, datetime.now(UTC))
        try:
            self._objects.write(wanted.owner, wanted.status, status)
        except TidemillError as error:
            _log.warning("%s/%s: %s", *key, error)

    def _ask(self, key: Key) -> None:
        now = time.monotonic()
        if now - self._asked.setdefault(key, now) < _ASK:
            return
        self._asked[key] = now
        found = self._objects.get(*key)
        if found is None:
            self._forget(key)
            return
        self._seen.loop(found)
        wanted = self._seen.wanted(key)
        if wanted is not None and wanted.rollouts:
            there = {item["metadata"]["uid"] for item in self._objects.rollouts(*key)}
            for item in wanted.rollouts.values():
                if item["metadata"]["uid"] not in there:
                    self._seen.rollout(item, gone=True)

    def _forget(self, key: Key) -> None:
        uid = self._seen.loop_is_gone(key)
        self._queue.forget(key)
        self._asked.pop(key, None)
        if uid is not None:
            self._keeper.forget(uid)


def _stands(body: Any) -> bool:
    """Whether a loop that this process sees for the first time was kept by another one before and has nothing to do:
    then there is no hurry. Else a thousand ticks at once would keep a change waiting when a controller starts."""
    metadata, status = body["metadata"], body.get("status") or {}
    turn = status.get("turn") or {}
    return (
        status.get("observedGeneration") == metadata.get("generation")
        and not metadata.get("deletionTimestamp")
        and not status.get("rollout")
        and turn.get("status") != "running"
    )


def _was_woken(body: Any) -> bool:
    """Whether somebody woke it after its status was written last: the tick that was to follow may have been killed.
    That may have been long ago, with ticks since that changed nothing; so it is due, and goes before no change."""
    woken = (body["metadata"].get("annotations") or {}).get(WOKEN)
    if woken is None:
        return False
    try:
        return datetime.fromisoformat(woken) > datetime.fromisoformat(str((body.get("status") or {}).get("lastTick")))
    except (ValueError, TypeError):  # whatever it says, it was said
        return True
