"""What the Pods of a Kubeflow run say, or its Workflow where there is none: why it failed, or what it waits for. The
server's own API does not tell."""

from __future__ import annotations

import copy
import logging
import re
from typing import TYPE_CHECKING

from tidemill.adapters.kubernetes import pod_state
from tidemill.adapters.kubernetes.api import ApiError
from tidemill.adapters.kubernetes.pod_state import Pod
from tidemill.adapters.turn_result import Unexplained

if TYPE_CHECKING:
    from tidemill.adapters.kubernetes.api import KubernetesApi

_log = logging.getLogger(__name__)
_EXECUTOR = re.compile(r"exec-([\w-]+)")
_LINES = 40
# Kubeflow's own programs: each exits with 1 whatever the step did, and says the rest in its last line.
_GLOG = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ [\w.-]+\.go:\d+\] ", re.MULTILINE)
_LAUNCHER = re.compile(r"\] failed to execute component: (.*)$", re.MULTILINE)
_DRIVER = re.compile(r"\] KFP driver: (.*)$", re.MULTILINE)
_EXIT = re.compile(r"exit status (\d+)")
# What Argo says of a task whose Pod the cluster would not create: no account of that name, a quota, Pod Security.
_NOT_CREATED = re.compile(r"task '.*' errored: (pods? .*)", re.DOTALL)
_SIGNALS = {"signal: killed": 137, "signal: terminated": 143, "signal: segmentation fault": 139}


class Explainer:
    """`namespace` is where the runs' Pods are. None where the Pods say nothing that is wrong."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    def __call__(self, run: str) -> Unexplained | None:
        try:
            pods = self._pods(run)
        except ApiError as error:  # the run goes on, and ends, all the same
            return Unexplained(
                f"its Pods in {self._namespace} may not be read, and nothing else says why (give Tidemill's service "
                f"account `list` on pods and `get` on pods/log there). {error}"
            )
        for pod in pods:
            if pod["status"].get("phase") == "Failed":
                return self._ended(pod)
        for pod in pods:
            why = pod_state.waiting(pod) if pod["status"].get("phase") == "Pending" else ""
            if why:
                return Unexplained(why, step_of(pod))
        return self._not_created(run)

    def images(self, run: str) -> dict[str, tuple[str, ...]]:
        """By reference, the digests of what the run's steps ran with; a step that was answered from the server's cache
        ran nothing, and Pods that may not be read say nothing."""
        try:
            return pod_state.images(self._pods(run))
        except ApiError as error:
            _log.warning("which images run %s of Kubeflow ran is not known: %s", run, error)
            return {}

    def _pods(self, run: str) -> list[Pod]:
        return list(self._api.list("v1", "Pod", self._namespace, f"pipeline/runid={run}")["items"])

    def _not_created(self, run: str) -> Unexplained | None:
        """A Pod that never was says nothing; the run's Workflow does. Without the right to read it, nobody does."""
        try:
            found = self._api.list("argoproj.io/v1alpha1", "Workflow", self._namespace, f"pipeline/runid={run}")[
                "items"
            ]
        except ApiError:
            return None
        for node in (node for workflow in found for node in workflow.get("status", {}).get("nodes", {}).values()):
            told = _NOT_CREATED.fullmatch(node.get("message") or "")
            if told is not None:
                return Unexplained(f"the cluster did not take a Pod of it: {told.group(1)}")
        return None

    def _ended(self, pod: Pod) -> Unexplained:
        log = self._api.log(self._namespace, pod["metadata"]["name"], "main", _LINES)
        return pod_state.ended(*_of_the_step(pod, step_of(pod), log))


def _of_the_step(pod: Pod, step: str, log: str) -> tuple[Pod, str, str]:
    """What is left without Kubeflow's own programs: the exit code and the words of the step's process, where it ran."""
    driver, launcher = _DRIVER.search(log), _LAUNCHER.search(log)
    if driver is not None:
        return pod, step, f"Kubeflow's driver could not start it: {driver.group(1)}"
    if launcher is None:
        return pod, step, log
    said = launcher.group(1)
    code = _code(said)
    if code is None:
        return pod, step, f"Kubeflow's launcher failed: {said}"
    own = "\n".join(line for line in log.splitlines() if not _GLOG.match(line))
    return _exited(pod, code), step, own


def _code(said: str) -> int | None:
    found = _EXIT.fullmatch(said)
    if found is not None:
        return int(found.group(1))
    return next((code for signal, code in _SIGNALS.items() if said.startswith(signal)), None)


def _exited(pod: Pod, code: int) -> Pod:
    changed = copy.deepcopy(dict(pod))
    for status in changed["status"].get("containerStatuses", []):
        if status["name"] == "main" and "terminated" in status.get("state", {}):
            status["state"]["terminated"]["exitCode"] = code
    return changed


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
