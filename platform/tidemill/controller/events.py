"""What happened to a loop, as Events beside its object: `kubectl describe modelloop` tells the last hour."""

from __future__ import annotations

import logging
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidemill.loop.errors import TidemillError

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes_api import KubernetesApi

    from .place import Owner

_LONGEST = 1000  # the API server refuses notes over 1024
_WORD = re.compile(r"[._-]+")
_WARNINGS = ("failed", "aborted", "rejected", "quarantined", "rolled_back", "unready")

_log = logging.getLogger(__name__)


class Announcer:
    """An event that cannot be posted is logged and lost: the ledger has it all the same."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def __call__(self, owner: Owner, event: str, message: str) -> None:
        _log.info("%s/%s %s: %s", owner.namespace, owner.name, event, message)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        about = {
            "apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop",
            "namespace": owner.namespace, "name": owner.name, "uid": owner.uid,
        }  # fmt: skip
        document = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": owner.namespace, "name": f"{owner.name}.{uuid.uuid4().hex[:16]}"},
            "eventTime": now,
            "regarding": about,
            "reason": "".join(word.capitalize() for word in _WORD.split(event)),
            "note": message[:_LONGEST],
            "type": "Warning" if event.endswith(_WARNINGS) else "Normal",
            "action": event.partition(".")[0].capitalize(),
            "reportingController": "tidemill.dev/controller",
            "reportingInstance": "controller",
        }
        try:
            self._api.create(document)
        except TidemillError as error:
            _log.warning("an event of %s/%s is not posted: %s", owner.namespace, owner.name, error)
