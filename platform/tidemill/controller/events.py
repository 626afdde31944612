"""What happened to a loop, as Events beside its object: `kubectl describe modelloop` tells the last hour."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidemill.loop.errors import TidemillError

from .wanted import VERSION, Owner

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi

BURST, REFILL = 20.0, 60.0  # events at once, and seconds for each one after that, by loop
SAME = 600.0  # seconds in which the same words are not said again
_LONGEST = 1000  # the API server refuses notes over 1024
_WORD = re.compile(r"[._-]+")
_WARNINGS = ("failed", "aborted", "rejected", "quarantined", "rolled_back", "unready", "invalid", "slow", "moved")

_log = logging.getLogger(__name__)


@dataclass
class _Budget:
    left: float
    counted: float
    words: tuple[str, str] = ("", "")
    said: float = float("-inf")


class Announcer:
    """An event that cannot be posted, or is one too many, is logged and lost: the ledger has it all the same."""

    def __init__(self, api: KubernetesApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._clock = api, clock
        self._budgets: dict[str, _Budget] = {}
        self._lock = threading.Lock()
        self._instance = socket.gethostname()[:128]

    def __call__(self, owner: Owner, event: str, message: str) -> None:
        _log.info("%s/%s %s: %s", owner.namespace, owner.name, event, message)
        if not self._may(owner.uid, event, message):
            return
        about = {
            "apiVersion": VERSION, "kind": "ModelLoop",
            "namespace": owner.namespace, "name": owner.name, "uid": owner.uid,
        }  # fmt: skip
        document = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": owner.namespace, "name": f"{owner.name}.{uuid.uuid4().hex[:16]}"},
            "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "regarding": about,
            "reason": "".join(word.capitalize() for word in _WORD.split(event)),
            "note": message.encode()[:_LONGEST].decode(errors="ignore"),  # it counts bytes
            "type": "Warning" if event.endswith(_WARNINGS) else "Normal",
            "action": event.partition(".")[0].capitalize(),
            "reportingController": "tidemill.dev/controller",
            "reportingInstance": self._instance,
        }
        try:
            self._api.create(document)
        except TidemillError as error:
            _log.warning("an event of %s/%s is not posted: %s", owner.namespace, owner.name, error)

    def _may(self, uid: str, event: str, message: str) -> bool:
        now = self._clock()
        with self._lock:
            budget = self._budgets.setdefault(uid, _Budget(BURST, now))
            budget.left = min(BURST, budget.left + (now - budget.counted) / REFILL)
            budget.counted = now
            if budget.words == (event, message) and now - budget.said < SAME:
                return False
            if budget.left < 1.0:
                return False
            budget.left -= 1.0
            budget.words, budget.said = (event, message), now
            return True
