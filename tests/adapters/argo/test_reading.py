"""Where a Workflow stands, from what Argo keeps of it."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from tidemill.adapters.argo import reading
from tidemill.adapters.argo.pipelines import workflow_name
from tidemill.adapters.argo.run import CANCELLED


def node(name: str, phase: str, minute: int, kind: str = "Pod", ended: int | None = None) -> dict[str, Any]:
    at = "2026-01-01T00:{:02}:00Z"
    finished = {} if ended is None else {"finishedAt": at.format(ended)}
    return {
        "id": f"id-{name}",
        "displayName": name,
        "type": kind,
        "phase": phase,
        "startedAt": at.format(minute),
        **finished,
    }


def workflow(*nodes: dict[str, Any], phase: str = "Running", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "w"},
        "spec": spec,
        "status": {"phase": phase, "nodes": {found["id"]: found for found in nodes}},
    }


def test_the_step_that_it_is_at_is_the_last_that_began() -> None:
    found = workflow(node("w", "Running", 0, "DAG"), node("train", "Pending", 2), node("ingest", "Succeeded", 1))
    step = reading.current(found)
    assert step is not None
    assert (step.name, step.phase) == ("train", "Pending")
    assert reading.current(workflow(node("ingest", "Succeeded", 1))) is None


def test_the_step_that_failed_is_the_first_and_goes_by_its_tasks_name() -> None:
    found = workflow(node("train(1)", "Failed", 1, ended=2), node("other", "Failed", 0, ended=3), phase="Failed")
    step = reading.failed(found)
    assert step is not None
    assert step.name == "train"


def test_nodes_that_argo_compressed_are_read() -> None:
    plain = workflow(node("train", "Running", 1))
    packed = base64.b64encode(gzip.compress(json.dumps(plain["status"]["nodes"]).encode())).decode()
    found = {**plain, "status": {"phase": "Running", "compressedNodes": packed}}
    assert reading.steps(found) == reading.steps(plain) != []


def test_a_run_that_succeeded_before_it_was_cancelled_succeeded() -> None:
    for phase, cancelled in (("Succeeded", False), ("Failed", True), ("Running", True)):
        found = workflow(phase=phase)
        found["metadata"]["annotations"] = {CANCELLED: "true"}
        assert reading.cancelled(found) is cancelled
    assert not reading.cancelled(workflow(phase="Failed", shutdown="Terminate"))


@pytest.mark.parametrize(("finished", "late"), [("2026-01-01T00:00:59Z", False), ("2026-01-01T00:01:00Z", True)])
def test_a_run_is_timed_out_that_took_as_long_as_it_may(finished: str, late: bool) -> None:
    found = workflow(phase="Failed", activeDeadlineSeconds=60)
    found["status"] |= {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": finished}
    assert reading.timed_out(found) is late
    assert not reading.timed_out(workflow())


def test_a_turn_has_one_name_that_argo_can_use_as_a_label() -> None:
    assert workflow_name("flights", "0123456789abcdef") == "flights-0123456789abcdef"
    assert workflow_name("team.flights", "a1") == workflow_name("team/flights", "a1") == "team-flights-a1"
    names = [workflow_name("flights-" * 8 + end, "0123456789abcdef") for end in ("a", "b")]
    assert len(set(names)) == 2
    for name in names:
        assert len(name) <= 63
        assert name.endswith("-0123456789abcdef")
        assert "--" not in name
