"""Writes to a ModelLoop: its status and our finalizer. What it holds besides is its author's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidemill.adapters.kubernetes.api import ApiError

from .merge_patch import patch_to
from .wanted import FINALIZER, VERSION, Owner, Wanted

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi

_KIND = "ModelLoop"


class LoopObjects:
    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self._api.get(VERSION, _KIND, namespace, name)

    def rollouts(self, namespace: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.list(VERSION, "ModelRollout", namespace, f"tidemill.dev/loop={name}")[
            "items"
        ]
        return found

    def write(self, owner: Owner, before: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any] | None:
        """The object as it is then; None where it says so already, and nothing is written. When the last tick was is
        told with whatever else changes: a status that changes at each tick would be a write for each loop and minute,
        and say nothing."""
        patch = patch_to({key: value for key, value in before.items() if key != "lastTick"}, status)
        if not patch:
            return None
        patch["lastTick"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return self._api.merge(VERSION, _KIND, owner.namespace, owner.name, {"status": patch}, part="status")

    def hold(self, wanted: Wanted) -> None:
        """Sees that the object is not gone before what its loop has running elsewhere has ended."""
        if FINALIZER not in wanted.finalizers:
            self._finalizers(wanted, lambda present: [*present, FINALIZER])

    def let_go(self, wanted: Wanted) -> None:
        if FINALIZER in wanted.finalizers:
            self._finalizers(wanted, lambda present: [name for name in present if name != FINALIZER])

    def _finalizers(self, wanted: Wanted, change: Any) -> None:
        """A list is written as a whole: only where nobody else has changed the object meanwhile."""
        owner, metadata = wanted.owner, wanted.metadata
        for last in (False, True):
            present = list(metadata.get("finalizers") or [])
            wished = change([name for name in present if name != FINALIZER])
            if wished == present or (metadata.get("deletionTimestamp") and FINALIZER in wished):
                return
            patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": wished}}
            try:
                self._api.merge(VERSION, _KIND, owner.namespace, owner.name, patch)
                return
            except ApiError as error:
                if error.status == 404:
                    return
                if error.status != 409 or last:
                    raise
            found = self.get(owner.namespace, owner.name)
            if found is None or found["metadata"]["uid"] != owner.uid:
                return
            metadata = found["metadata"]
