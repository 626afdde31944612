"""What is applied and deleted under names that can be foreseen, over an API server in memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from api_double import ApiDouble
from gateway_harness import NOW, StillClock, loop
from tidemill.adapters.kubernetes.deployment_serving import GRACE, DeploymentServing
from tidemill.adapters.kubernetes.model_deployment import ModelServing
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NotReady
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
