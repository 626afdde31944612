"""Why a Pod does not run, or failed, in words that a person can act on: where no step of a turn could say it."""

from __future__ import annotations

from typing import Any

from .turn_result import KILLED, Unexplained, last_words

_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


def waiting(pod: Any) -> str:
    """What keeps a Pod from running; empty where nothing does."""
    for status in _statuses(pod):
        state = status.state.waiting if status.state else None
        if state is None:
            continue
        if state.reason in _PULL:
            return f"the image {status.image} could not be pulled ({state.reason}: {_short(state.message)})"
        if state.reason in _CONFIG:
            return f"its container could not be made ({state.reason}: {_short(state.message)})"
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"no node takes its Pod ({condition.reason}: {_short(condition.message)})"
    return ""


def ended(pod: Any, step: str, log: str, container: str = "main") -> Unexplained:
    """Why the container failed, from its exit and the end of its log."""
    look = f"`kubectl -n {pod.metadata.namespace} logs {pod.metadata.name} -c {container}` has the rest."
    if pod.status.reason in ("Evicted", "NodeLost", "Preempting", "Shutdown", "NodeShutdown"):
        return Unexplained(f"its Pod was ended ({pod.status.reason}: {_short(pod.status.message)})", step)
    status = next((status for status in _statuses(pod) if status.name == container), None)
    state = status.state.terminated if status is not None and status.state else None
    if state is None:
        why = waiting(pod) or "its Pod ended before its container began"
        return Unexplained(why, step)
    if state.reason == "OOMKilled":
        return Unexplained(
            "it ran out of memory (OOMKilled). Raise its memory limit or give it less data", step, True, look
        )
    words = last_words(log)
    if state.exit_code == 137 and not words:
        return Unexplained(f"{KILLED} (exit code 137)", step, True, look)
    said = words or " ".join(line.strip() for line in log.strip().splitlines()[-3:]) or "it said nothing"
    return Unexplained(f"{said.rstrip('.')} (exit code {state.exit_code})", step, False, look)


def _statuses(pod: Any) -> list[Any]:
    return [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]


def _short(message: str | None) -> str:
    text = " ".join((message or "no reason given").split())
    return text if len(text) <= 300 else f"{text[:300]}..."
