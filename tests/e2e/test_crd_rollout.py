"""ModelRollouts and statuses on a real API server: what people may change, and what `kubectl get` tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from loops import LOOP
from real_cluster import Cluster
from tidemill.spec.loop_status import ModelLoopStatus
from tidemill.spec.model_rollout import ModelRollout, ModelRolloutStatus

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(300)]
NOW = "2026-11-21T12:00:00Z"
READY = {"type": "Ready", "status": "True", "reason": "Started", "message": "all is well", "lastTransitionTime": NOW}
ROLLOUT = ModelRollout.model_validate(
    {
        "metadata": {"name": "visits-7", "labels": {"a": "b"}},
        "spec": {
            "loop": "visits",
            "challenger": "7",
            "champion": "3",
            "turn": "t-1",
            "steps": [{"shadow": "100%", "minOutcomes": 10}, {"canary": "10%", "minOutcomes": 5}],
        },
    }
)
ARMS = [
    {"version": "3", "role": "champion", "weight": "90%", "mirror": "100%"},
    {"version": "7", "role": "canary", "weight": "10%", "mirror": "100%"},
]


def dumped(model: Any) -> dict[str, Any]:
    document: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


@pytest.fixture
def rollout(kinds: Cluster, namespace: str) -> str:
    """Its namespace."""
    sent = {key: value for key, value in dumped(ROLLOUT).items() if key != "status"}
    kinds.done("apply", "-n", namespace, "-f", "-", input=json.dumps(sent))
    return namespace


def patch(kinds: Cluster, namespace: str, spec: dict[str, Any]) -> str:
    """What kubectl says of it on stderr."""
    change = json.dumps({"spec": spec})
    return kinds.kubectl("patch", "mr", "visits-7", "-n", namespace, "--type=merge", "-p", change).stderr


def set_status(kinds: Cluster, namespace: str, kind: str, name: str, status: Any) -> None:
    change = json.dumps({"status": dumped(status)})
    kinds.done("patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", change)


def columns(kinds: Cluster, namespace: str, kind: str) -> dict[str, str]:
    head, row = kinds.done("get", kind, "-n", namespace).splitlines()
    starts = [head.index(name) for name in head.split()]
    ends = [*starts[1:], None]
    return {head[a:b].strip(): row[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def test_switches_that_are_left_out_are_off(kinds: Cluster, rollout: str) -> None:
    spec = kinds.read("mr", "visits-7", "-n", rollout)["spec"]
    assert (spec["paused"], spec["abort"], spec["approved"]) == (False, False, False)


def test_people_pause_resume_approve_and_abort_by_patching(kinds: Cluster, rollout: str) -> None:
    for spec in ({"paused": True}, {"paused": False}, {"approved": True}, {"approved": False}, {"abort": True}):
        assert patch(kinds, rollout, spec) == ""
    refused = patch(kinds, rollout, {"abort": False})
    assert "an abort cannot be taken back; `tidemill train` makes a new challenger" in refused


@pytest.mark.parametrize(
    "spec",
    [
        {"challenger": "8"},
        {"champion": "8"},
        {"champion": None},
        {"loop": "other"},
        {"turn": "t-2"},
        {"steps": [{"shadow": "100%", "minOutcomes": 10}]},
        {"steps": [{"shadow": "100%", "minOutcomes": 10}, {"canary": "20%", "minOutcomes": 5}]},
    ],
    ids=json.dumps,
)
def test_what_is_tried_stands_fixed(kinds: Cluster, rollout: str, spec: dict[str, Any]) -> None:
    refused = patch(kinds, rollout, spec)
    assert "once a rollout began, only paused, abort and approved can be changed" in refused


def test_a_rollout_reads_back_as_it_was_written_with_its_status(kinds: Cluster, rollout: str) -> None:
    status = ModelRolloutStatus.model_validate(
        {
            "observedGeneration": 1,
            "phase": "Running",
            "step": "canary 10%",
            "arms": ARMS,
            "evidence": {"step_outcomes": 3, "metrics": [{"metric": "log_loss", "difference": -0.001}]},
            "verdict": {"action": "hold", "reason": "GatheringEvidence", "message": "3 of 5 outcomes"},
            "conditions": [READY],
            "startedAt": NOW,
        }
    )
    set_status(kinds, rollout, "mr", "visits-7", status)
    found = kinds.read("mr", "visits-7", "-n", rollout)
    assert ModelRolloutStatus.model_validate(found["status"], by_alias=True) == status
    shown = columns(kinds, rollout, "mr")
    assert list(shown) == ["NAME", "LOOP", "CHALLENGER", "STEP", "WEIGHT", "PHASE", "REASON", "AGE"]
    assert list(shown.values())[:-1] == ["visits-7", "visits", "7", "canary 10%", "10%", "Running", "GatheringEvidence"]
    assert "visits-7" in kinds.done("get", "mr", "-n", rollout, "--field-selector", "spec.loop=visits")
    assert kinds.done("get", "mr", "-n", rollout, "--field-selector", "spec.loop=other") == ""


def test_a_loop_tells_its_story_in_one_line(kinds: Cluster, namespace: str) -> None:
    kinds.done("apply", "-n", namespace, "-f", "-", input=LOOP)
    status = ModelLoopStatus.model_validate(
        {
            "observedGeneration": 1,
            "conditions": [READY],
            "champion": {"version": "3", "since": NOW},
            "rollout": {"name": "visits-7", "challenger": "7", "step": "shadow 100%"},
            "turn": {"id": "t-1", "status": "succeeded", "reason": "Accepted"},
            "partitions": {"admitted": 40, "quarantined": 1},
            "lastTick": NOW,
        }
    )
    set_status(kinds, namespace, "ml", "visits", status)
    found = kinds.read("ml", "visits", "-n", namespace)
    assert ModelLoopStatus.model_validate(found["status"], by_alias=True) == status
    assert found["metadata"]["generation"] == 1, "a status is no change of what is wanted"
    shown = columns(kinds, namespace, "modelloop")
    assert list(shown) == ["NAME", "CHAMPION", "ROLLOUT", "TURN", "READY", "REASON", "AGE"]
    assert list(shown.values())[:-1] == ["visits", "3", "shadow 100%", "succeeded", "True", "Started"]
    assert "modelloop.tidemill.dev/visits" in kinds.done("get", "tidemill", "-n", namespace, "-o", "name")


def test_conditions_are_told_apart_by_their_type(kinds: Cluster, namespace: str) -> None:
    """Two field managers may each apply their own."""
    kinds.done("apply", "-n", namespace, "-f", "-", input=LOOP)
    head = {key: value for key, value in yaml.safe_load(LOOP).items() if key != "spec"}
    for manager, kind in (("one", "Ready"), ("two", "Degraded")):
        applied = {**head, "status": {"conditions": [{**READY, "type": kind}]}}
        arguments = ("apply", "-n", namespace, "--server-side", "--subresource=status", f"--field-manager={manager}")
        kinds.done(*arguments, "-f", "-", input=json.dumps(applied))
    found = kinds.read("ml", "visits", "-n", namespace)["status"]["conditions"]
    assert sorted(condition["type"] for condition in found) == ["Degraded", "Ready"]
