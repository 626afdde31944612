"""A Pod's own reason, out of what a real cluster's status objects hold."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.adapters.kubernetes.model_deployment import DIGEST
from tidemill.adapters.kubernetes.pod_reasons import can_go_on, is_rolled_out, why_not_ready
from tidemill.decisions.verdict import Reason


def deployment(generation: int = 1, replicas: int = 1, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "delay-v7", "generation": generation},
        "spec": {"replicas": replicas},
        "status": status,
    }


def pod(state: dict[str, Any], last: dict[str, Any] | None = None, name: str = "p", **status: Any) -> dict[str, Any]:
    container = {"name": "model", "image": "image:1", "state": state, "lastState": last or {}, "ready": False}
    return {"metadata": {"name": name}, "status": {"containerStatuses": [{**container, "restartCount": 3}], **status}}


def ended(code: int, reason: str, message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
STARTING = pod({"waiting": {"reason": "ContainerCreating"}})


@pytest.mark.parametrize(
    ("state", "last", "said"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}, {}, ["image:1", "not found"]),
        (BACK_OFF, ended(1, "Error", "Traceback\nerror: no module named flights\n"), ["code 1", "named flights"]),
        (BACK_OFF, ended(137, "OOMKilled"), ["OOMKilled", "memory"]),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}}, {}, ['"x"']),
        ({"running": {}}, {}, ["starting"]),
    ],
)
def test_the_reason_of_a_container_is_told(state: dict[str, Any], last: dict[str, Any], said: list[str]) -> None:
    readiness = why_not_ready(deployment(), [pod(state, last)])
    assert (readiness.ready, readiness.reason) == (False, Reason.NOT_READY)
    assert all(part in readiness.message for part in ["delay-v7", *said]), readiness.message


def test_changed_files_are_told_apart_from_all_else() -> None:
    changed = pod(BACK_OFF, ended(1, "Error", "ArtifactChanged: The model in s3://b is not what was registered.\n"))
    readiness = why_not_ready(deployment(), [STARTING, changed])
    assert readiness.reason is Reason.ARTIFACT_CHANGED
    assert "s3://b" in readiness.message


def test_a_pod_that_no_node_takes_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}
    readiness = why_not_ready(deployment(), [{"metadata": {"name": "p"}, "status": {"conditions": [condition]}}])
    assert "Insufficient cpu" in readiness.message


def test_a_deployment_that_may_make_no_pods_says_why() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    assert "exceeded quota" in why_not_ready(deployment(conditions=[condition]), []).message


def test_what_cannot_get_better_by_itself_is_said_first_and_pods_that_go_say_nothing() -> None:
    gone = pod(BACK_OFF, ended(1, "Error", "old"), name="old")
    gone["metadata"]["deletionTimestamp"] = "now"
    crashed = pod(BACK_OFF, ended(1, "Error", "new"), name="new")
    assert "new" in why_not_ready(deployment(), [gone, STARTING, crashed]).message


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (deployment(2, observedGeneration=1, updatedReplicas=1, availableReplicas=1), False),
        (deployment(observedGeneration=1, updatedReplicas=1, availableReplicas=1), True),
        (deployment(observedGeneration=1, updatedReplicas=1), False),
        (deployment(replicas=3, observedGeneration=1, updatedReplicas=3, availableReplicas=1), False),
        (deployment(replicas=3, observedGeneration=1, updatedReplicas=1, availableReplicas=3), False),
        (deployment(replicas=0, observedGeneration=1), False),
        (deployment(), False),
    ],
)
def test_a_new_version_needs_all_its_pods_in_their_present_form(document: dict[str, Any], expected: bool) -> None:
    assert is_rolled_out(document) is expected


def served(digest: str = "sha256:1", ready: str = "True", **metadata: Any) -> dict[str, Any]:
    container = {"name": "model", "env": [{"name": "HOME", "value": "/"}, {"name": DIGEST, "value": digest}]}
    status = {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]}
    return {"metadata": {"name": "p", **metadata}, "spec": {"containers": [container]}, "status": status}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([served()], True),
        ([served(ready="False"), served("sha256:2"), served()], True),
        ([served(ready="False")], False),
        ([served("sha256:2")], False),
        ([served(deletionTimestamp="now")], False),
        ([], False),
    ],
)
def test_one_that_serves_needs_one_pod_of_its_own_artifact(pods: list[dict[str, Any]], expected: bool) -> None:
    assert can_go_on(pods, "sha256:1") is expected
