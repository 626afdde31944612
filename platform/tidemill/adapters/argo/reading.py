"""Where a Workflow stands: its phase, the step that it is at, and the step that failed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.adapters.argo.run import CANCELLED

_ENDED = ("Succeeded", "Failed", "Error")
_SHUT = ("Terminate", "Stop")


@dataclass(frozen=True)
class Step:
    """A Pod's node: `name` is the task's."""

    id: str
    name: str
    phase: str
    message: str
    started: str
    finished: str


def ended(workflow: Mapping[str, Any]) -> bool:
    return workflow.get("status", {}).get("phase") in _ENDED


def succeeded(workflow: Mapping[str, Any]) -> bool:
    return bool(workflow.get("status", {}).get("phase") == "Succeeded")


def cancelled(workflow: Mapping[str, Any]) -> bool:
    """By us. It may have ended before that took hold."""
    return CANCELLED in workflow["metadata"].get("annotations", {}) and not succeeded(workflow)


def stopped(workflow: Mapping[str, Any]) -> bool:
    """By anybody."""
    return workflow["spec"].get("shutdown") in _SHUT


def timed_out(workflow: Mapping[str, Any]) -> bool:
    status, deadline = workflow.get("status", {}), workflow["spec"].get("activeDeadlineSeconds")
    if deadline is None or not status.get("startedAt") or not status.get("finishedAt"):
        return False
    took = datetime.fromisoformat(status["finishedAt"]) - datetime.fromisoformat(status["startedAt"])
    return took.total_seconds() >= float(deadline)


def steps(workflow: Mapping[str, Any]) -> list[Step]:
    """In the order in which they began."""
    status = workflow.get("status", {})
    nodes = status.get("nodes") or {}
    if "compressedNodes" in status:
        nodes = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
    found = [_step(node) for node in nodes.values() if node["type"] == "Pod"]
    return sorted(found, key=lambda step: (step.started, step.name))


def failed(workflow: Mapping[str, Any]) -> Step | None:
    """The step that ended first of those that failed: the others were ended for its sake."""
    found = [step for step in steps(workflow) if step.phase in ("Failed", "Error")]
    return min(found, key=lambda step: step.finished, default=None)


def current(workflow: Mapping[str, Any]) -> Step | None:
    return next((step for step in reversed(steps(workflow)) if step.phase in ("Pending", "Running")), None)


def _step(node: Mapping[str, Any]) -> Step:
    name = node["displayName"].partition("(")[0]  # an attempt is train(0)
    return Step(
        node["id"],
        name,
        node.get("phase", ""),
        node.get("message", ""),
        node.get("startedAt") or "",
        node.get("finishedAt") or "",
    )
