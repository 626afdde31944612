"""What is applied and deleted under names that can be foreseen, over an API server in memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from api_double import ApiDouble
from gateway_harness import NOW, StillClock, loop
from tidemill.adapters.kubernetes.api import ApiError
from tidemill.adapters.kubernetes.deployment_serving import GRACE, DeploymentServing
from tidemill.adapters.kubernetes.model_deployment import ModelServing, selector
from tidemill.adapters.kubernetes.unused_versions import UNUSED
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NotReady, TemporaryError
from tidemill.loop.model import Arm, ModelVersion, Role, Route

VERSION = ModelVersion("1", "s3://b/ns/delay/models/t-challenger", "sha256:1", "t")
OWNER = {"apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop", "name": "delay", "uid": "now"}
ROUTE = Route("delay", (Arm("1", Role.CHAMPION, 1.0),))
KINDS = ("Service", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler")


class Api(ApiDouble):
    """Counts what is read. Deployments are rolled out as soon as they are there."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def get(self, version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        self.read.append(kind)
        found = super().get(version, kind, namespace, name)
        if found is not None and kind == "Deployment":
            done = {"observedGeneration": found["metadata"]["generation"], "updatedReplicas": 1, "availableReplicas": 1}
            found["status"] = done
        return found

    def put(self, kind: str, name: str = "delay-v1", **metadata: Any) -> None:
        """By another hand."""
        meta = {"name": name, "namespace": "ns", **metadata}
        self.apply({"kind": kind, "metadata": meta, "spec": {"selector": {"app": "by-hand"}}})
        self.writes.clear()

    def there(self, kind: str, name: str = "delay-v1") -> dict[str, Any]:
        return self.objects[kind, "ns", name]


@pytest.fixture
def api() -> Api:
    return Api()


def serving(api: Any, owner: dict[str, str] | None = OWNER, clock: Any = None) -> DeploymentServing:
    clock = clock or StillClock()
    return DeploymentServing(loop(), "ns", ModelServing("image:1"), api, clock, owner, ask=lambda *_: None)


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), ("Service", "Deployment")])
def test_a_service_of_that_name_that_is_not_ours_is_left_and_named(api: Api, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        api.put(kind, labels={"app.kubernetes.io/managed-by": "Helm"}, ownerReferences=[{"uid": "their-release"}])
    before = copy.deepcopy(api.objects)
    state = serving(api).prepare(VERSION)
    assert (state.ready, state.reason) == (False, Reason.NOT_READY)
    assert f"{' and '.join(kinds)} delay-v1 in namespace ns" in state.message
    assert "rename or delete" in state.message
    assert (api.objects, api.writes) == (before, [])


def test_it_goes_on_by_itself_once_the_name_is_free(api: Api) -> None:
    api.put("Service")
    prepared = serving(api)
    assert not prepared.prepare(VERSION).ready
    api.delete("v1", "Service", "ns", "delay-v1")
    prepared.prepare(VERSION)
    assert prepared.prepare(VERSION).ready
    assert api.there("Service")["metadata"]["ownerReferences"][0]["uid"] == "now"


def test_another_loops_objects_are_not_ours_either(api: Api) -> None:
    api.put("Service", labels={"app.kubernetes.io/managed-by": "tidemill", "tidemill.dev/loop": "delay-v1-x"})
    assert "Service delay-v1 " in serving(api).prepare(VERSION).message


def test_what_a_loop_of_that_name_left_when_it_was_deleted_is_taken_up(api: Api) -> None:
    serving(api, {**OWNER, "uid": "before"}).prepare(VERSION)
    serving(api).prepare(VERSION)
    assert {api.there(kind)["metadata"]["ownerReferences"][0]["uid"] for kind in KINDS} == {"now"}


def test_labels_that_somebody_took_off_come_back(api: Api) -> None:
    serving(api).prepare(VERSION)
    del api.there("Service")["metadata"]["labels"]
    serving(api).prepare(VERSION)
    assert api.there("Service")["metadata"]["labels"]["tidemill.dev/loop"] == "delay"


def test_whose_a_name_is_is_asked_before_the_first_apply_and_not_at_each_tick(api: Api) -> None:
    prepared = serving(api)
    prepared.prepare(VERSION)
    assert set(KINDS) <= set(api.read)
    api.read.clear()
    prepared.prepare(VERSION)
    assert set(api.read) & set(KINDS) == {"Deployment"}


def test_a_route_that_is_not_ours_is_left_and_named(api: Api) -> None:
    api.put("ConfigMap", "tidemill-route-delay")
    prepared = serving(api)
    prepared.prepare(VERSION)
    before = copy.deepcopy(api.there("ConfigMap", "tidemill-route-delay"))
    with pytest.raises(NotReady, match="ConfigMap tidemill-route-delay in namespace ns is there already"):
        prepared.set_route(ROUTE)
    prepared.release()
    assert api.there("ConfigMap", "tidemill-route-delay") == before


def test_a_route_of_ours_is_written_and_goes(api: Api) -> None:
    prepared = serving(api)
    prepared.prepare(VERSION)
    prepared.set_route(ROUTE)
    assert prepared.route("delay") == ROUTE
    prepared.release()
    assert api.objects == {}


# a Deployment that somebody changes


class Unsettled(Api):
    """What was changed is not rolled out yet, and the API server knows of `pods`."""

    def __init__(self, observed: int = 0) -> None:
        super().__init__()
        self.observed = observed
        self.settled = True

    def get(self, version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        found = super().get(version, kind, namespace, name)
        if found is not None and kind == "Deployment" and not self.settled:
            found["status"] = {"observedGeneration": self.observed, "availableReplicas": 1}
        return found

    def pod(self, version: str = "1", digest: str = "sha256:1", ready: str = "True") -> None:
        labels = selector("delay", version)
        variables = [{"name": "TIDEMILL_MODEL_DIGEST", "value": digest}]
        pod = {
            "metadata": {"name": f"p-{version}", "labels": labels},
            "spec": {"containers": [{"name": "model", "env": variables}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }
        self.objects["Pod", "ns", f"p-{version}"] = pod


@pytest.fixture
def unsettled() -> Unsettled:
    """Version 1 is in the route; then somebody changes its Deployment."""
    api = Unsettled()
    prepared = serving(api)
    prepared.prepare(VERSION)
    prepared.set_route(ROUTE)
    api.settled = False
    return api


def test_a_champion_whose_pods_run_keeps_its_traffic_while_its_deployment_is_changed(unsettled: Unsettled) -> None:
    unsettled.pod()
    state = serving(unsettled).prepare(VERSION)
    assert state.ready
    assert "Deployment delay-v1" in state.message, "and what is wrong is told"


def test_it_keeps_it_where_its_deployment_is_gone_and_none_may_be_made(unsettled: Unsettled) -> None:
    unsettled.pod()
    unsettled.delete("apps/v1", "Deployment", "ns", "delay-v1")

    def refused(document: Any) -> Any:
        raise ApiError(403, "exceeded quota")

    unsettled.apply = refused  # type: ignore[method-assign]
    state = serving(unsettled).prepare(VERSION)
    assert (state.ready, state.message) == (True, "exceeded quota")


@pytest.mark.parametrize("call", ["apply", "merge"])
def test_an_api_server_that_takes_no_deployments_keeps_no_route_from_being_set(api: Api, call: str) -> None:
    prepared = serving(api)
    prepared.prepare(VERSION)
    prepared.set_route(ROUTE)
    if call == "apply":
        prepared = serving(api)  # which applies anew
    api.there("Deployment")["metadata"]["annotations"] = {UNUSED: NOW.isoformat()}

    def away(*_: Any) -> Any:
        raise TemporaryError("500: failed calling webhook")

    setattr(api, call, lambda *asked: away() if "Deployment" in str(asked) else getattr(Api, call)(api, *asked))
    state = prepared.prepare(VERSION)
    assert (state.ready, state.message) == (True, "500: failed calling webhook")
    prepared.set_route(Route("delay", (Arm("1", Role.CHAMPION, 1.0),), ("1",)))
    assert (route := prepared.route("delay")) is not None
    assert route.fallback == ("1",)


@pytest.mark.parametrize("pod", [None, {"ready": "False"}, {"digest": "sha256:other"}, {"version": "2"}])
def test_one_without_a_pod_of_its_own_artifact_does_not(unsettled: Unsettled, pod: dict[str, str] | None) -> None:
    if pod is not None:
        unsettled.pod(**pod)
    assert not serving(unsettled).prepare(VERSION).ready


def test_one_that_has_no_traffic_waits_for_its_present_form(unsettled: Unsettled) -> None:
    unsettled.pod("2")
    new = ModelVersion("2", VERSION.uri, VERSION.digest, "t")
    prepared = serving(unsettled)
    for _ in range(2):
        assert not prepared.prepare(new).ready
    unsettled.settled = True
    assert prepared.prepare(new).ready


def test_a_version_that_is_rolled_out_costs_no_list_of_pods(api: Api) -> None:
    asked: list[str] = []

    def listed(version: str, kind: str, namespace: str | None, selector: str) -> dict[str, Any]:
        asked.append(kind)
        return {"items": []}

    prepared = serving(api)
    prepared.prepare(VERSION)
    prepared.set_route(ROUTE)
    api.list = listed  # type: ignore[method-assign]
    prepared.prepare(VERSION)
    assert "Pod" not in asked


def test_with_a_version_goes_what_is_ours_alone(api: Api) -> None:
    class Clock:
        time = NOW

        def now(self) -> Any:
            return self.time

    clock = Clock()
    serving(api, clock=clock).prepare(VERSION)
    api.delete("v1", "Service", "ns", "delay-v1")
    api.put("Service")
    for _ in range(2):  # marked, then deleted
        clock.time += GRACE
        serving(api, clock=clock).prepare(ModelVersion("2", VERSION.uri, VERSION.digest, "t"))
    assert [kind for kind, _, name in api.objects if name == "delay-v1"] == ["Service"]
