"""Why a Pod does not run, or failed, in words that a person can act on: where no step of a turn could say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tidemill.adapters.turn_result import KILLED, Unexplained, last_words

Pod = Mapping[str, Any]  # as the API server tells it

_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# What Argo's executor says after the step's own last words: it runs in the step's container, under Kubeflow, too.
_ARGOS = re.compile(r"^(time=.* argo=true.*|Error: exit status \d+)$\n?", re.MULTILINE)
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")  # of an imageID, whatever the runtime writes before it
_ENDED = ("Evicted", "NodeLost", "Preempting", "Shutdown", "NodeShutdown")


def waiting(pod: Pod) -> str:
    """What keeps a Pod from running; empty where nothing does."""
    for status in _statuses(pod):
        state = status.get("state", {}).get("waiting")
        if state is None:
            continue
        said = f"{state.get('reason')}: {_short(state.get('message'))}"
        if state.get("reason") in _PULL:
            return f"the image {status.get('image') or 'of its container'} could not be pulled ({said})"
        if state.get("reason") in _CONFIG:
            return f"its container could not be made ({said})"
    for condition in pod["status"].get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"no node takes its Pod ({condition.get('reason')}: {_short(condition.get('message'))})"
    return ""


def ended(pod: Pod, step: str, log: str, container: str = "main") -> Unexplained:
    """Why the container failed, from its exit and the end of its log."""
    metadata = pod["metadata"]
    look = f"`kubectl -n {metadata['namespace']} logs {metadata['name']} -c {container}` has the rest."
    taken = _taken_away(pod)
    if taken:
        return Unexplained(taken, step, look=look, lost=True)
    state = _terminated(pod, container)
    if state is None:
        return Unexplained(waiting(pod) or "its Pod ended before its container began", step)
    if state.get("reason") == "OOMKilled":
        return Unexplained(
            "it ran out of memory (OOMKilled). Raise its memory limit or give it less data", step, True, look
        )
    log = _ARGOS.sub("", log)
    words, code = last_words(log), state.get("exitCode")
    if code == 137 and not words:
        return Unexplained(f"{KILLED} (exit code 137)", step, True, look)
    said = words or " ".join(line.strip() for line in log.strip().splitlines()[-3:]) or "it said nothing"
    return Unexplained(f"{said.rstrip('.')} (exit code {code})", step, False, look)


def images(pods: Iterable[Pod], container: str = "main") -> dict[str, tuple[str, ...]]:
    """By the reference that Pods were made with, the digests that it stood for on their nodes. An image that no
    registry gave (built on the node) has none."""
    found: dict[str, set[str]] = {}
    for pod in pods:
        named = {entry["name"]: entry.get("image", "") for entry in pod.get("spec", {}).get("containers", [])}
        for status in pod["status"].get("containerStatuses", []):
            digest = _DIGEST.search(status.get("imageID") or "")
            if status["name"] == container and digest is not None and named.get(container):
                found.setdefault(named[container], set()).add(digest.group(1))
    return {reference: tuple(sorted(digests)) for reference, digests in found.items()}


def _taken_away(pod: Pod) -> str:
    """Why a Pod was ended by the cluster or a person, whatever it was doing; empty where it ended by itself."""
    metadata, status = pod["metadata"], pod["status"]
    if status.get("reason") in _ENDED:
        return f"its Pod was ended ({status['reason']}: {_short(status.get('message'))})"
    for condition in status.get("conditions", []):
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return f"its Pod was ended ({condition.get('reason')}: {_short(condition.get('message'))})"
    if metadata.get("deletionTimestamp") is None:
        return ""
    # What is deleted after it ended, as Pods that are done with are, ended by itself.
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    deleted = datetime.fromisoformat(metadata["deletionTimestamp"]) - grace
    ends = [state["finishedAt"] for entry in _statuses(pod) if (state := entry.get("state", {}).get("terminated"))]
    if ends and max(map(datetime.fromisoformat, ends)) < deleted:
        return ""
    return f"its Pod {metadata['name']} was deleted"


def _terminated(pod: Pod, container: str) -> Mapping[str, Any] | None:
    found = next((entry for entry in _statuses(pod) if entry["name"] == container), {})
    state: Mapping[str, Any] | None = found.get("state", {}).get("terminated")
    return state


def _statuses(pod: Pod) -> list[Mapping[str, Any]]:
    return [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]


def _short(message: str | None) -> str:
    text = " ".join((message or "no reason given").split())
    return text if len(text) <= 300 else f"{text[:300]}..."
