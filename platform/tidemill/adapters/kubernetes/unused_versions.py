"""Versions that nothing names any more: marked in the cluster itself, and deleted after a grace.

No gateway loses a version that it still asks, and a process that is killed in between forgets nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from tidemill.adapters.kubernetes.api import KubernetesApi, Object
from tidemill.adapters.kubernetes.model_deployment import object_name, selector
from tidemill.adapters.kubernetes.ownership import is_ours

UNUSED = "tidemill.dev/unused-since"  # annotation of a Deployment that nothing names
_KINDS = (("autoscaling/v2", "HorizontalPodAutoscaler"), ("policy/v1", "PodDisruptionBudget"), ("v1", "Service"))


class UnusedVersions:
    """Of one loop in its namespace."""

    def __init__(self, api: KubernetesApi, namespace: str, loop: str, owner: Mapping[str, Any] | None) -> None:
        self._api, self._namespace, self._loop, self._owner = api, namespace, loop, owner

    def sweep(self, named: Collection[str], now: datetime, grace: timedelta) -> None:
        """Marks all but the versions that are `named`, and deletes what was marked long enough ago."""
        names = {object_name(self._loop, version) for version in named}
        for deployment in self._deployments():
            name, since = deployment["metadata"]["name"], _since(deployment)
            if name in names:
                self.keep(deployment)
            elif since is None:
                self._mark(name, now.isoformat())
            elif now - datetime.fromisoformat(since) >= grace:
                self._delete(name)

    def keep(self, deployment: Object) -> None:
        if _since(deployment) is not None:
            self._mark(deployment["metadata"]["name"], None)

    def delete_all(self) -> None:
        """The versions that are used, too."""
        for deployment in self._deployments():
            self._delete(deployment["metadata"]["name"])

    def _deployments(self) -> list[Object]:
        wanted = {**selector(self._loop), "app.kubernetes.io/managed-by": "tidemill"}
        query = ",".join(f"{name}={value}" for name, value in wanted.items())
        found: list[Object] = self._api.list("apps/v1", "Deployment", self._namespace, query)["items"]
        return found

    def _mark(self, name: str, since: str | None) -> None:
        patch = {"metadata": {"annotations": {UNUSED: since}}}
        self._api.merge("apps/v1", "Deployment", self._namespace, name, patch)

    def _delete(self, name: str) -> None:
        for version, kind in _KINDS:
            found = self._api.get(version, kind, self._namespace, name)
            if found is not None and is_ours(found, self._loop, self._owner):
                self._api.delete(version, kind, self._namespace, name)
        # Last: while it is there, a killed process finds the rest again.
        self._api.delete("apps/v1", "Deployment", self._namespace, name)


def _since(deployment: Object) -> str | None:
    said: str | None = (deployment["metadata"].get("annotations") or {}).get(UNUSED)
    return said
