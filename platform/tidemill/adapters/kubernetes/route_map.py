"""The ConfigMap that holds a loop's route, which gateways follow (route_watch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.adapters.kubernetes.api import KubernetesApi, Object
from tidemill.adapters.kubernetes.model_deployment import endpoint, metadata
from tidemill.adapters.kubernetes.ownership import is_ours, left_alone
from tidemill.adapters.kubernetes.route_watch import DATA_KEY, PREFIX
from tidemill.adapters.route_document import RouteDocument, dumps, loads, named
from tidemill.loop.errors import NotReady, TidemillError
from tidemill.loop.model import ModelVersion, Route
from tidemill.spec.model_loop import ModelLoop

_PART = {"tidemill.dev/part": "route"}


class RouteMap:
    """`owner`: the ModelLoop that it goes with."""

    def __init__(
        self, loop: ModelLoop, namespace: str, api: KubernetesApi, owner: Mapping[str, Any] | None = None
    ) -> None:
        self._document = loop.model_dump(by_alias=True, mode="json")
        self._loop, self._namespace, self._api, self._owner = loop.metadata.name, namespace, api, owner
        self._name = PREFIX + self._loop

    def read(self) -> RouteDocument | None:
        """None where there is none, or somebody broke it: it is written again."""
        return self._read(self._found())

    def read_exact(self, prepared: Mapping[str, ModelVersion]) -> RouteDocument | None:
        """None, too, where it is not what we would write for its route, with the versions as they were `prepared`."""
        found = self._found()
        stored = self._read(found)
        if found is None or stored is None or stored.route is None:
            return stored
        versions = {**stored.versions, **{n: v for n, v in prepared.items() if n in stored.versions}}
        mine = self._wanted(stored.route, {name: versions[name] for name in named(stored.route)})
        labels = found["metadata"].get("labels") or {}
        same = found["data"] == mine["data"] and mine["metadata"]["labels"].items() <= labels.items()
        return stored if same else None

    def write(self, route: Route, versions: Mapping[str, ModelVersion]) -> None:
        """Raises NotReady where one of that name is another's."""
        found = self._found()
        if found is not None and not is_ours(found, self._loop, self._owner):
            raise NotReady(left_alone([("ConfigMap", found)], self._loop))
        self._api.apply(self._wanted(route, versions))

    def delete(self) -> None:
        found = self._found()
        if found is not None and is_ours(found, self._loop, self._owner):
            self._api.delete("v1", "ConfigMap", self._namespace, self._name)

    def _found(self) -> Object | None:
        return self._api.get("v1", "ConfigMap", self._namespace, self._name)

    def _read(self, found: Object | None) -> RouteDocument | None:
        if found is None:
            return None
        try:
            return loads((found.get("data") or {}).get(DATA_KEY, ""), f"ConfigMap {self._name}")
        except TidemillError:
            return None

    def _wanted(self, route: Route, versions: Mapping[str, ModelVersion]) -> Object:
        endpoints = {name: endpoint(self._loop, name, self._namespace) for name in versions}
        document = RouteDocument(route, versions, endpoints, self._document)
        meta = metadata(self._name, self._namespace, {**_PART, "tidemill.dev/loop": self._loop}, self._owner)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {DATA_KEY: dumps(document)}}
