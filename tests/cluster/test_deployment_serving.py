"""Versions as Deployments on a real cluster: what goes wrong is told, what somebody changes comes back, what serves no
more goes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cluster_world import KUBECONFIG, Namespace, is_ready, namespace, wait_for
from gateway_harness import NOW
from tidemill.adapters.kubernetes.deployment_serving import GRACE, DeploymentServing
from tidemill.adapters.kubernetes.unused_versions import UNUSED
from tidemill.adapters.step_settings import SecretEnv
from tidemill.loop.model import Arm, ModelVersion, Role, Route

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]

ROUTE = Route("delay", (Arm("1", Role.CHAMPION, 1.0),))


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self):  # type: ignore[no-untyped-def]
        return self.time


@pytest.fixture(scope="module")
def cluster(versions: dict[str, ModelVersion]) -> Iterator[Namespace]:
    with namespace({"real": versions["real"]}) as made:
        yield made


@pytest.fixture
def one(cluster: Namespace) -> Iterator[ModelVersion]:
    yield replace(cluster.versions["real"], version="1")
    cluster.serving(Clock()).release()


def said(serving: DeploymentServing, version: ModelVersion, *parts: str) -> None:
    wait_for(lambda: serving.prepare(version), lambda state: all(part in state.message for part in parts))


def test_why_a_version_is_not_ready_is_told_in_the_pods_own_words(cluster: Namespace, one: ModelVersion) -> None:
    said(cluster.serving(Clock(), image="no.such/image:1"), one, "no.such/image:1", "cannot get its image")
    nowhere = cluster.serving(Clock(), node_selector={"kubernetes.io/hostname": "none"})
    said(nowhere, replace(one, version="2"), "finds no node")
    missing = replace(one, version="3", uri="file:///models/none")
    said(cluster.serving(Clock()), missing, "file:///models/none", "code 1")
    small = cluster.serving(Clock(), limits={"memory": "60Mi"}, requests={"memory": "60Mi"})
    said(small, replace(one, version="4"), "OOMKilled")


def test_what_a_policy_of_the_cluster_refuses_is_told(cluster: Namespace, one: ModelVersion) -> None:
    cluster.kubectl("create", "quota", "none", "--hard=services=0")
    try:
        state = cluster.serving(Clock()).prepare(one)
        assert (state.ready, "exceeded quota" in state.message) == (False, True)
    finally:
        cluster.kubectl("delete", "quota", "none")


def test_what_somebody_deletes_or_edits_comes_back(cluster: Namespace, one: ModelVersion) -> None:
    clock = Clock()
    serving = cluster.serving(clock)
    wait_for(lambda: serving.prepare(one), is_ready)
    serving.set_route(ROUTE)
    cluster.kubectl("delete", "deployment", "delay-v1")
    assert not serving.prepare(one).ready
    wait_for(lambda: serving.prepare(one), is_ready)
    cluster.kubectl("delete", "service", "delay-v1")
    assert serving.prepare(one).ready, "what serves is not taken away because we do not reach it"
    wait_for(lambda: serving.prepare(one), lambda state: state.ready and not state.message)
    cluster.kubectl("set", "env", "deployment/delay-v1", "TIDEMILL_MODEL_VERSION=9")
    serving.prepare(one)
    environment = cluster.kubectl(
        "get", "deployment", "delay-v1", "-o", "jsonpath={.spec.template.spec.containers[0].env}"
    )
    assert {"name": "TIDEMILL_MODEL_VERSION", "value": "1"} in json.loads(environment)
    wait_for(lambda: serving.prepare(one), is_ready)
    cluster.kubectl("scale", "deployment/delay-v1", "--replicas=0")
    wait_for(lambda: serving.prepare(one), is_ready)

    edits = (
        ("patch", "configmap", "tidemill-route-delay", "-p", '{"data": {"route.json": "{}"}}'),
        ("label", "configmap", "tidemill-route-delay", "tidemill.dev/part-"),
        ("delete", "configmap", "tidemill-route-delay"),
    )
    for edit in edits:
        assert serving.route("delay") == ROUTE
        cluster.kubectl(*edit)
        assert serving.route("delay") is None, edit
        serving.set_route(ROUTE)


def test_a_model_server_has_the_named_keys_of_a_secret_alone(cluster: Namespace, one: ModelVersion) -> None:
    cluster.kubectl("create", "secret", "generic", "store", "--from-literal=KEY=a", "--from-literal=ADMIN=b")
    serving = cluster.serving(Clock(), secrets=(SecretEnv("store", ("KEY",)),))
    wait_for(lambda: serving.prepare(one), is_ready)
    environment = cluster.kubectl("exec", "deployment/delay-v1", "--", "env").splitlines()
    assert "KEY=a" in environment
    assert not [line for line in environment if line.startswith("ADMIN=")]


def test_a_champion_whose_pods_run_stays_ready_while_its_deployment_is_changed(
    cluster: Namespace, one: ModelVersion
) -> None:
    serving = cluster.serving(Clock())
    wait_for(lambda: serving.prepare(one), is_ready)
    serving.set_route(ROUTE)
    states = []
    for memory in ("300Mi", "301Mi", "302Mi"):
        cluster.kubectl("set", "resources", "deployment/delay-v1", f"--requests=memory={memory}")
        end = time.monotonic() + 4.0
        while time.monotonic() < end:  # it is put back at the first look, and rolled out twice
            states.append(serving.prepare(one))
    assert [state for state in states if not state.ready] == []
    assert [state for state in states if state.message], "it was seen while it was not rolled out"
    cluster.kubectl("delete", "deployment", "delay-v1", "--cascade=orphan")
    assert serving.prepare(one).ready, "its Pods run on, and are taken up by the Deployment that comes back"
    wait_for(lambda: serving.prepare(one), lambda state: state.ready and not state.message)


def test_a_service_of_that_name_that_is_not_ours_is_left_and_named(cluster: Namespace, one: ModelVersion) -> None:
    theirs = ("deployment,service,pdb", "delay-v1")
    cluster.kubectl("create", "deployment", "delay-v1", "--image=by.hand/model:1", "--replicas=0")
    cluster.kubectl("create", "service", "clusterip", "delay-v1", "--tcp=80")
    cluster.kubectl("create", "pdb", "delay-v1", "--selector=app=delay-v1", "--max-unavailable=1")
    kept = "{range .items[*]}{.kind}{.metadata.uid}{.metadata.labels}{.metadata.ownerReferences}{.spec}{end}"
    try:
        before = cluster.kubectl("get", *theirs, "-o", f"jsonpath={kept}")
        state = cluster.serving(Clock()).prepare(one)
        assert not state.ready
        assert "Service and Deployment and PodDisruptionBudget delay-v1 in namespace" in state.message
        assert cluster.kubectl("get", *theirs, "-o", f"jsonpath={kept}") == before
        assert cluster.kubectl("get", "hpa", "delay-v1", "--ignore-not-found") == "", "and nothing else is made"
    finally:
        cluster.kubectl("delete", *theirs)
    wait_for(lambda: cluster.serving(Clock()).prepare(one), is_ready)


def test_a_version_that_nothing_names_goes_after_a_grace(cluster: Namespace, one: ModelVersion) -> None:
    clock = Clock()
    two = replace(one, version="2")
    serving = cluster.serving(clock)
    for version in (one, two):
        wait_for(lambda version=version: serving.prepare(version), is_ready)  # type: ignore[misc]
    serving.set_route(ROUTE)

    def pass_time(span: timedelta) -> str:
        clock.time += span
        fresh = cluster.serving(clock)  # nothing is kept in a process
        fresh.prepare(one)
        return cluster.kubectl("get", "deployment,service,hpa,pdb", "-o", "name")

    assert "delay-v2" in pass_time(timedelta(0))
    assert UNUSED in cluster.kubectl("get", "deployment", "delay-v2", "-o", "jsonpath={.metadata.annotations}")
    assert "delay-v2" in pass_time(GRACE - timedelta(seconds=1))
    wait_for(lambda: cluster.serving(clock).prepare(two), is_ready)
    assert UNUSED not in cluster.kubectl("get", "deployment", "delay-v2", "-o", "jsonpath={.metadata.annotations}")
    assert "delay-v2" in pass_time(timedelta(seconds=2)), "asked for again: the grace begins anew"
    left = pass_time(GRACE)
    assert "delay-v2" not in left
    assert left.count("delay-v1") == 4
