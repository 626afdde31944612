"""Why a Deployment is not ready, in its Pods' own words: from status objects, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill.adapters.kubernetes.model_deployment import DIGEST
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Readiness

Object = Mapping[str, Any]

_PULL = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_LONGEST = 800


def is_rolled_out(deployment: Object) -> bool:
    """Whether every Pod that is wanted is there, in the present form: what a version needs to be given weight."""
    status, spec = deployment.get("status", {}), deployment["spec"]
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return False
    wanted = spec.get("replicas", 1)
    return bool(wanted >= 1 and min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0)) >= wanted)


def can_go_on(pods: Sequence[Object], digest: str) -> bool:
    """Whether a Pod answers with the artifact of this digest: what a version needs to keep the traffic that it has.
    Its Deployment may be changed meanwhile, or be put back: what is said of that tells nothing of the Pods."""
    return any(_is_ready(pod) and _digest(pod) == digest for pod in pods)


def why_not_ready(deployment: Object, pods: Sequence[Object]) -> Readiness:
    """Of the newest Pods first; what cannot get better by itself before what may."""
    name = deployment["metadata"]["name"]
    said = sorted((rank, text) for pod in pods for rank, text in _of_pod(pod))
    if not said:
        said = [(9, _of_deployment(deployment))]
    text = said[0][1][:_LONGEST]
    reason = Reason.ARTIFACT_CHANGED if "ArtifactChanged:" in text else Reason.NOT_READY
    return Readiness(False, f"Deployment {name}: {text}", reason)


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _digest(pod: Object) -> str | None:
    variables = (entry for container in pod["spec"]["containers"] for entry in container.get("env", ()))
    return next((entry.get("value") for entry in variables if entry["name"] == DIGEST), None)


def _of_pod(pod: Object) -> Iterator[tuple[int, str]]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield 2, f"Pod {name} finds no node ({condition.get('reason')}): {condition.get('message', '')}"
    for container in status.get("containerStatuses", ()):
        yield from _of_container(name, container)
    if status.get("phase") == "Failed":
        yield 3, f"Pod {name} failed: {status.get('reason', '')} {status.get('message', '')}".strip()


def _of_container(pod: str, container: Object) -> Iterator[tuple[int, str]]:
    state, last = container.get("state", {}), container.get("lastState", {})
    waiting = state.get("waiting", {})
    ended = state.get("terminated") or last.get("terminated")
    if waiting.get("reason") in _PULL:
        said = waiting.get("message", "")
        yield 1, f"Pod {pod} cannot get its image {container['image']} ({waiting['reason']}): {said}"
    elif ended and ended.get("message", "").startswith("ArtifactChanged:"):
        yield 0, f"Pod {pod} ended: {ended['message'].strip()}"
    elif ended and ended.get("reason") == "OOMKilled":
        yield (
            1,
            (
                f"Pod {pod} needs more memory than its limit (OOMKilled, {container.get('restartCount', 0)} restarts). "
                "Raise it."
            ),
        )
    elif ended and (ended.get("exitCode") or waiting):
        reason = waiting.get("reason") or ended.get("reason", "")
        said = _last_line(ended.get("message", "")) or "it left no message; see its log"
        yield 3, f"Pod {pod} ended with code {ended.get('exitCode')} ({reason}): {said}"
    elif waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        yield 2, f"Pod {pod} cannot start ({waiting['reason']}): {waiting.get('message', '')}"
    elif not container.get("ready"):
        yield 8, f"Pod {pod} is starting."


def _of_deployment(deployment: Object) -> str:
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"its Pods cannot be made ({condition.get('reason')}): {condition.get('message', '')}"
    return "its Pods are being made."


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
