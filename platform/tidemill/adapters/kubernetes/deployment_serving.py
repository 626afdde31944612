"""The Serving port on a cluster: a Deployment and its Service for each version, a ConfigMap for the route.

Everything is said by server-side apply, again and again: what somebody deletes or edits comes back at the next
`prepare` or `set_route`. What serves no more is marked in the cluster itself and deleted after a grace, so that no
gateway loses a version that it still asks.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from tidemill.adapters.kubernetes.api import ApiError, KubernetesApi, Object
from tidemill.adapters.kubernetes.model_deployment import (
    ModelServing,
    endpoint,
    metadata,
    model_objects,
    object_name,
    selector,
)
from tidemill.adapters.kubernetes.pod_reasons import is_rolled_out, why_not_ready
from tidemill.adapters.kubernetes.route_watch import DATA_KEY, PREFIX
from tidemill.adapters.route_document import RouteDocument, dumps, loads, named
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NotReady, TidemillError
from tidemill.loop.ids import digest_of
from tidemill.loop.model import ModelVersion, Readiness, Route
from tidemill.loop.ports import Clock
from tidemill.spec.model_loop import ModelLoop

GRACE = timedelta(minutes=5)
UNUSED = "tidemill.dev/unused-since"  # annotation of a Deployment that nothing names
_PART = {"tidemill.dev/part": "route"}
_AGAIN = timedelta(minutes=1)  # what was applied is applied again after this, in case somebody changed it
_KINDS = (("autoscaling/v2", "HorizontalPodAutoscaler"), ("policy/v1", "PodDisruptionBudget"), ("v1", "Service"))
_LATELY = timedelta(seconds=5)
_SECONDS = 2.0


def answers(endpoint: str, loop: str, version: str) -> str | None:
    """None where the version is ready there, else what is heard instead."""
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"/v2/models/{quote(loop)}/versions/{quote(version)}/ready")
        response = connection.getresponse()
        response.read()
        return None if response.status == 200 else f"it answers {response.status}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


@dataclass
class Memory:
    """What one loop's adapters pass on from tick to tick, so that not everything is applied each time. Losing it costs
    requests and nothing else."""

    applied: dict[str, tuple[str, int, datetime]] = field(default_factory=dict)  # version: digest, generation, when
    swept: datetime | None = None
    routed: tuple[datetime, set[str]] | None = None  # versions of the cluster's route, when it was read


class DeploymentServing:
    """One loop in its namespace. `owner`: the ModelLoop's apiVersion, kind, name and uid; all that is made goes with
    it. `ask` is how an endpoint is asked whether it is ready."""

    def __init__(
        self,
        loop: ModelLoop,
        namespace: str,
        serving: ModelServing,
        api: KubernetesApi,
        clock: Clock,
        owner: Mapping[str, Any] | None = None,
        grace: timedelta = GRACE,
        ask: Callable[[str, str, str], str | None] = answers,
        memory: Memory | None = None,
    ) -> None:
        self._document = loop.model_dump(by_alias=True, mode="json")
        self._loop, self._namespace, self._serving = loop.metadata.name, namespace, serving
        self._api, self._clock, self._owner, self._grace, self._ask = api, clock, owner, grace, ask
        self._prepared: dict[str, ModelVersion] = {}
        self._memory = memory or Memory()
        self._named_at: dict[str, datetime] = {}

    def prepare(self, version: ModelVersion) -> Readiness:
        """Ready when its Pods are there in their present form and its endpoint answers; else in the Pods' own
        words why not. Raises TemporaryError where the API server is away."""
        self._prepared[version.version] = version
        self._named_at[version.version] = self._clock.now()
        deployment, refused = self._ensure(version)
        self._sweep()
        serves = version.version in self._routed()
        if deployment is None or (refused is not None and not serves):
            return Readiness(False, str(refused), Reason.NOT_READY)
        if not is_rolled_out(deployment, serves):
            return why_not_ready(deployment, self._pods(version))
        where = endpoint(self._loop, version.version, self._namespace)
        heard = self._ask(where, self._loop, version.version)
        if heard is None:
            return Readiness(True)
        self._memory.applied.pop(version.version, None)
        self._ensure(version)  # its Service may be gone
        # Gateways reach what serves already, or fall back by themselves: that we do not is no reason to take it away.
        said = f"Deployment {deployment['metadata']['name']}: nothing at {where} yet: {heard}."
        return Readiness(serves, said, None if serves else Reason.NOT_READY)

    def set_route(self, route: Route) -> None:
        stored = self._stored()
        known = {**({} if stored is None else stored.versions), **self._prepared}
        for name in named(route):
            if name not in known:
                raise NotReady(
                    f"Version {name} of {self._loop} is in a route but was never prepared. Prepare it first."
                )
            readiness = self.prepare(known[name])
            if not readiness.ready:
                raise NotReady(f"Version {name} of {self._loop} cannot take traffic: {readiness.message}")
        self._api.apply(self._config_map(route, {name: known[name] for name in named(route)}))
        self._memory.routed = None

    def route(self, loop: str) -> Route | None:
        """What the cluster says, read from it; None where there is none, or it is not as we wrote it: then it is to be
        written again."""
        if loop != self._loop:
            return None
        stored = self._stored(strict=True)
        return None if stored is None else stored.route

    def release(self) -> None:
        """Deletes the route and every version of the loop, for a loop that has no owner to go with."""
        self._api.delete("v1", "ConfigMap", self._namespace, PREFIX + self._loop)
        for deployment in self._deployments():
            self._delete(deployment["metadata"]["name"])

    def _ensure(self, version: ModelVersion) -> tuple[Object | None, ApiError | None]:
        """The Deployment as it is now, and what the API server refused of what we want it to be."""
        name, now = object_name(self._loop, version.version), self._clock.now()
        objects = model_objects(self._loop, self._namespace, version, self._serving, self._owner)
        digest = digest_of(objects)
        current = self._api.get("apps/v1", "Deployment", self._namespace, name)
        done = self._memory.applied.get(version.version)
        if current is None or done is None or done[0] != digest or now - done[2] > _AGAIN or (
            current["metadata"]["generation"] != done[1]
        ):  # fmt: skip
            try:
                for document in objects:
                    answer = self._api.apply(document)
                    current = answer if document["kind"] == "Deployment" else current
            except ApiError as error:  # a quota, a policy, a field that this cluster does not know
                return current, error
            assert current is not None, "a Deployment is among the objects"
            self._memory.applied[version.version] = (digest, current["metadata"]["generation"], now)
        if current["spec"].get("replicas", 1) < self._serving.least:  # an autoscaler leaves none at none
            where = ("apps/v1", "Deployment", self._namespace, name)
            current = self._api.merge(*where, {"spec": {"replicas": self._serving.least}})
        if UNUSED in (current["metadata"].get("annotations") or {}):
            self._mark(name, None)
        return current, None

    def _routed(self) -> set[str]:
        """The versions that the cluster's route names, as of the last few seconds."""
        now = self._clock.now()
        if self._memory.routed is None or not self._memory.routed[1] or abs(now - self._memory.routed[0]) > _LATELY:
            stored = self._stored()
            route = None if stored is None else stored.route
            self._memory.routed = (now, set() if route is None else set(named(route)))
        return self._memory.routed[1]

    def _pods(self, version: ModelVersion) -> list[Object]:
        wanted = ",".join(f"{name}={value}" for name, value in selector(self._loop, version.version).items())
        pods: list[Object] = self._api.list("v1", "Pod", self._namespace, wanted)["items"]
        return pods

    def _stored(self, strict: bool = False) -> RouteDocument | None:
        """`strict`: None where it is not exactly what we would write for its route."""
        found = self._api.get("v1", "ConfigMap", self._namespace, PREFIX + self._loop)
        if found is None:
            return None
        try:
            stored = loads((found.get("data") or {}).get(DATA_KEY, ""), f"ConfigMap {PREFIX}{self._loop}")
        except TidemillError:
            return None  # somebody broke it: it is written again
        if not strict or stored.route is None:
            return stored
        versions = {**stored.versions, **{n: v for n, v in self._prepared.items() if n in stored.versions}}
        mine = self._config_map(stored.route, {name: versions[name] for name in named(stored.route)})
        labels = found["metadata"].get("labels") or {}
        same = found["data"] == mine["data"] and mine["metadata"]["labels"].items() <= labels.items()
        return stored if same else None

    def _config_map(self, route: Route, versions: Mapping[str, ModelVersion]) -> Object:
        endpoints = {name: endpoint(self._loop, name, self._namespace) for name in versions}
        document = RouteDocument(route, versions, endpoints, self._document)
        meta = metadata(PREFIX + self._loop, self._namespace, {**_PART, "tidemill.dev/loop": self._loop}, self._owner)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {DATA_KEY: dumps(document)}}

    def _sweep(self) -> None:
        """Marks what nothing names, and deletes what was marked long enough ago."""
        now = self._clock.now()
        if self._memory.swept is not None and now - self._memory.swept < _AGAIN:
            return
        self._memory.swept = now
        keep = self._routed() | {name for name, at in self._named_at.items() if now - at < self._grace}
        names = {object_name(self._loop, version) for version in keep}
        for deployment in self._deployments():
            name = deployment["metadata"]["name"]
            since = (deployment["metadata"].get("annotations") or {}).get(UNUSED)
            if name in names:
                if since is not None:
                    self._mark(name, None)
            elif since is None:
                self._mark(name, now.isoformat())
            elif now - datetime.fromisoformat(since) >= self._grace:
                self._delete(name)

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
            self._api.delete(version, kind, self._namespace, name)
        # Last: while it is there, a killed process finds the rest again.
        self._api.delete("apps/v1", "Deployment", self._namespace, name)
