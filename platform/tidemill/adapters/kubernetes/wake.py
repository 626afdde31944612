"""Wakes the controller for a loop: an annotation on its ModelLoop changes, which the controller watches."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.loop.errors import TidemillError

ANNOTATION = "tidemill.dev/woken-at"
_log = logging.getLogger(__name__)


class KubernetesWake:
    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def __call__(self, namespace: str, name: str) -> bool:
        """False where it could not be said: what is recorded is acted on all the same, by the next tick."""
        patch = {"metadata": {"annotations": {ANNOTATION: datetime.now(UTC).isoformat()}}}
        try:
            await asyncio.to_thread(self._api.merge, "tidemill.dev/v1alpha1", "ModelLoop", namespace, name, patch)
        except TidemillError as error:
            _log.warning("loop %s/%s was not woken: %s", namespace, name, error)
            return False
        return True


async def no_wake(namespace: str, name: str) -> bool:
    """On a laptop: the daemon looks by itself."""
    return False
