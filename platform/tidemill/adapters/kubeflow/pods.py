"""What the Pods of a Kubeflow run say: why it failed, or what it waits for. The server's own API does not tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidemill.adapters.kubernetes import pod_state
from tidemill.adapters.kubernetes.pod_state import Pod
from tidemill.adapters.turn_result import Unexplained

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi

_EXECUTOR = re.compile(r"exec-([\w-]+)")
_LINES = 40


class Explainer:
    """`namespace` is where the runs' Pods are. None where the Pods say nothing that is wrong."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    def __call__(self, run: str) -> Unexplained | None:
        pods = self._api.list("v1", "Pod", self._namespace, f"pipeline/runid={run}")["items"]
        for pod in pods:
            if pod["status"].get("phase") == "Failed":
                return self._ended(pod)
        for pod in pods:
            why = pod_state.waiting(pod) if pod["status"].get("phase") == "Pending" else ""
            if why:
                return Unexplained(why, step_of(pod))
        return None

    def _ended(self, pod: Pod) -> Unexplained:
        log = self._api.log(self._namespace, pod["metadata"]["name"], "main", _LINES)
        return pod_state.ended(pod, step_of(pod), log)


def step_of(pod: Pod) -> str:
    """The task that a Pod runs, or drives. Its name is in no label, but its executor's is in what the Pod runs."""
    for container in pod["spec"]["containers"]:
        words = [*container.get("command", []), *container.get("args", [])]
        words += [entry.get("value", "") for entry in container.get("env", [])]
        for word in words:
            found = _EXECUTOR.search(word)
            if found is not None:
                return found.group(1)
    return ""
