"""The Serving port on a cluster: a Deployment and its Service for each version, a ConfigMap for the route.

Everything is said by server-side apply, again and again: what somebody deletes or edits comes back at the next
`prepare` or `set_route`. What serves no more is marked in the cluster itself and deleted after a grace, so that no
gateway loses a version that it still asks. An object that has such a name and is another's is left as it is, and named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tidemill.adapters.kubernetes.answering import answers
from tidemill.adapters.kubernetes.api import ApiError, KubernetesApi, Object
from tidemill.adapters.kubernetes.model_deployment import (
    ModelServing,
    endpoint,
    model_objects,
    object_name,
    selector,
)
from tidemill.adapters.kubernetes.ownership import is_ours, left_alone
from tidemill.adapters.kubernetes.pod_reasons import can_go_on, is_rolled_out, why_not_ready
from tidemill.adapters.kubernetes.route_map import RouteMap
from tidemill.adapters.kubernetes.unused_versions import UnusedVersions
from tidemill.adapters.route_document import named
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NotReady, TemporaryError, TidemillError
from tidemill.loop.ids import digest_of
from tidemill.loop.model import ModelVersion, Readiness, Route
from tidemill.loop.ports import Clock
from tidemill.spec.model_loop import ModelLoop

GRACE = timedelta(minutes=5)
_AGAIN = timedelta(minutes=1)  # what was applied is applied again after this, in case somebody changed it
_LATELY = timedelta(seconds=5)
# A quota, a policy, a field that this cluster does not know; a webhook for Deployments that does not answer.
_REFUSED = (ApiError, TemporaryError)


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
        self._loop, self._namespace, self._serving = loop.metadata.name, namespace, serving
        self._api, self._clock, self._owner, self._grace, self._ask = api, clock, owner, grace, ask
        self._map = RouteMap(loop, namespace, api, owner)
        self._unused = UnusedVersions(api, namespace, self._loop, owner)
        self._prepared: dict[str, ModelVersion] = {}
        self._memory = memory or Memory()
        self._named_at: dict[str, datetime] = {}

    def prepare(self, version: ModelVersion) -> Readiness:
        """Ready when its Pods are there in their present form and its endpoint answers; else in the Pods' own words
        why not. One that has traffic already keeps it while one of its Pods answers; the message is then what is
        wrong. Raises TemporaryError where what is there cannot be read: the API server is away."""
        self._prepared[version.version] = version
        self._named_at[version.version] = self._clock.now()
        deployment, refused = self._ensure(version)
        self._sweep()
        serves = version.version in self._routed()
        if not serves and (deployment is None or refused is not None):
            return Readiness(False, str(refused), Reason.NOT_READY)
        wrong = "" if refused is None else str(refused)
        if deployment is None or not is_rolled_out(deployment):
            pods = self._pods(version)
            unready = (
                Readiness(False, str(refused), Reason.NOT_READY)
                if deployment is None
                else why_not_ready(deployment, pods)
            )
            if not (serves and can_go_on(pods, version.digest)):
                return unready
            wrong = unready.message
        where = endpoint(self._loop, version.version, self._namespace)
        heard = self._ask(where, self._loop, version.version)
        if heard is None:
            return Readiness(True, wrong)
        self._memory.applied.pop(version.version, None)
        _, refused = self._ensure(version)  # its Service may be gone, or another's
        # Gateways reach what serves already, or fall back by themselves: that we do not is no reason to take it away.
        name = object_name(self._loop, version.version)
        said = str(refused or f"Deployment {name}: nothing at {where} yet: {heard}.")
        return Readiness(serves, said, None if serves else Reason.NOT_READY)

    def set_route(self, route: Route) -> None:
        stored = self._map.read()
        known = {**({} if stored is None else stored.versions), **self._prepared}
        for name in named(route):
            if name not in known:
                raise NotReady(
                    f"Version {name} of {self._loop} is in a route but was never prepared. Prepare it first."
                )
            readiness = self.prepare(known[name])
            if not readiness.ready:
                raise NotReady(f"Version {name} of {self._loop} cannot take traffic: {readiness.message}")
        self._map.write(route, {name: known[name] for name in named(route)})
        self._memory.routed = None

    def route(self, loop: str) -> Route | None:
        """What the cluster says, read from it; None where there is none, or it is not as we wrote it: then it is to be
        written again."""
        if loop != self._loop:
            return None
        stored = self._map.read_exact(self._prepared)
        return None if stored is None else stored.route

    def release(self) -> None:
        """Deletes the route and every version of the loop, for a loop that has no owner to go with."""
        self._map.delete()
        self._unused.delete_all()

    def _ensure(self, version: ModelVersion) -> tuple[Object | None, TidemillError | None]:
        """The Deployment as it is now, if it is ours, and what keeps it from being what we want it to be."""
        name, now = object_name(self._loop, version.version), self._clock.now()
        objects = model_objects(self._loop, self._namespace, version, self._serving, self._owner)
        digest = digest_of(objects)
        current = self._api.get("apps/v1", "Deployment", self._namespace, name)
        done = self._memory.applied.get(version.version)
        if current is None or done is None or done[0] != digest or now - done[2] > _AGAIN or (
            current["metadata"]["generation"] != done[1]
        ):  # fmt: skip
            try:
                # Before the first apply alone: what was applied is ours. The Deployment was read in any case.
                asked = objects if done is None else [one for one in objects if one["kind"] == "Deployment"]
                if theirs := self._theirs(asked, current):
                    refused = NotReady(left_alone(theirs, self._loop))
                    return None if "Deployment" in dict(theirs) else current, refused
                for document in objects:
                    answer = self._api.apply(document)
                    current = answer if document["kind"] == "Deployment" else current
            except _REFUSED as error:
                return current, error
            assert current is not None, "a Deployment is among the objects"
            self._memory.applied[version.version] = (digest, current["metadata"]["generation"], now)
        try:
            if current["spec"].get("replicas", 1) < self._serving.least:  # an autoscaler leaves none at none
                where = ("apps/v1", "Deployment", self._namespace, name)
                current = self._api.merge(*where, {"spec": {"replicas": self._serving.least}})
            self._unused.keep(current)
        except _REFUSED as error:
            return current, error
        return current, None

    def _theirs(self, wanted: Sequence[Object], deployment: Object | None) -> list[tuple[str, Object]]:
        """What has the name of one of these and is another's, after its kind."""
        theirs = []
        for document in wanted:
            version, kind, name = document["apiVersion"], document["kind"], document["metadata"]["name"]
            found = deployment if kind == "Deployment" else self._api.get(version, kind, self._namespace, name)
            if found is not None and not is_ours(found, self._loop, self._owner):
                theirs.append((kind, found))
        return theirs

    def _routed(self) -> set[str]:
        """The versions that the cluster's route names, as of the last few seconds."""
        now = self._clock.now()
        if self._memory.routed is None or not self._memory.routed[1] or abs(now - self._memory.routed[0]) > _LATELY:
            stored = self._map.read()
            route = None if stored is None else stored.route
            self._memory.routed = (now, set() if route is None else set(named(route)))
        return self._memory.routed[1]

    def _pods(self, version: ModelVersion) -> list[Object]:
        wanted = ",".join(f"{name}={value}" for name, value in selector(self._loop, version.version).items())
        pods: list[Object] = self._api.list("v1", "Pod", self._namespace, wanted)["items"]
        return pods

    def _sweep(self) -> None:
        now = self._clock.now()
        if self._memory.swept is not None and now - self._memory.swept < _AGAIN:
            return
        self._memory.swept = now
        keep = self._routed() | {name for name, at in self._named_at.items() if now - at < self._grace}
        self._unused.sweep(keep, now, self._grace)
