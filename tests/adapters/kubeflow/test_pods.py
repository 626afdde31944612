"""What the Pods of a Kubeflow run say, with the words of Kubeflow's own programs told from those of the step."""

from __future__ import annotations

from typing import Any

import pytest
from tidemill.adapters.kubeflow.pods import Explainer
from tidemill.adapters.kubernetes.api import ApiError
from tidemill.adapters.turn_result import Unexplained

# As release 2.0.5 and Argo's executor leave it in the log.
LAUNCHER = """I1121 18:26:27.009375      26 launcher_v2.go:151] publish success.
F1121 18:26:27.009448      26 main.go:49] failed to execute component: {}
time=2026-11-21T18:26:28.000Z level=INFO msg="sub-process exited" argo=true error="exit status 1"
Error: exit status 1
"""
DRIVER = """    }}
F1121 18:26:11.734158      16 main.go:76] KFP driver: {}
KubernetesConfig: 0x1b30c3fd0100
time=2026-11-21T18:26:12.624Z level=ERROR msg="cannot save parameter, does not exist" argo=true
Error: exit status 1
"""


class OnePod:
    """A cluster with one Pod that failed."""

    def __init__(self, log: str) -> None:
        self._log = log

    def list(self, version: str, kind: str, namespace: str, selector: str) -> dict[str, Any]:
        assert (kind, namespace, selector) == ("Pod", "kubeflow", "pipeline/runid=r1")
        return {"items": [POD]}

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        return self._log


POD = {
    "metadata": {"name": "run-impl-1", "namespace": "kubeflow"},
    "spec": {"containers": [{"name": "main", "command": ["launch", '{"executorLabel": "exec-train"}']}]},
    "status": {
        "phase": "Failed",
        "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}],
    },
}


def said(log: str) -> Unexplained:
    api: Any = OnePod(log)
    found = Explainer(api, "kubeflow")("r1")
    assert found is not None
    return found


def test_the_exit_code_is_the_steps_and_not_the_launchers() -> None:
    found = said("PermissionError: no way in\n" + LAUNCHER.format("exit status 3"))
    assert (found.step, found.why) == ("train", "PermissionError: no way in (exit code 3)")


@pytest.mark.parametrize("how", ["signal: killed", "exit status 137"])
def test_a_step_that_was_killed_is_known_behind_the_launcher(how: str) -> None:
    found = said(LAUNCHER.format(how))
    assert found.killed
    assert "without a word" in found.why


def test_what_the_launcher_itself_could_not_do_is_quoted() -> None:
    found = said("all went well\n" + LAUNCHER.format("failed to upload output artifact models: no such bucket"))
    assert found.why == (
        "Kubeflow's launcher failed: failed to upload output artifact models: no such bucket (exit code 1)"
    )
    assert not found.killed


def test_a_driver_that_failed_is_told_from_its_step() -> None:
    found = said(DRIVER.format('failed to unmarshal Kubernetes config, error: unknown field "tolerations"'))
    assert found.why.startswith("Kubeflow's driver could not start it: failed to unmarshal Kubernetes config")
    assert '"tolerations"' in found.why and "KubernetesConfig" not in found.why


def test_without_kubeflows_words_the_log_is_quoted_as_it_is() -> None:
    assert said("ValueError: odd\n").why == "ValueError: odd (exit code 1)"


class NoPod:
    """A cluster that took no Pod, and whose Workflow says `message`; it is not shown where that is None."""

    def __init__(self, message: str | None) -> None:
        self._message = message

    def list(self, version: str, kind: str, namespace: str, selector: str) -> dict[str, Any]:
        assert (namespace, selector) == ("kubeflow", "pipeline/runid=r1")
        if kind == "Pod":
            return {"items": []}
        if self._message is None:
            raise ApiError(403, "workflows is forbidden")
        return {"items": [{}, {"status": {"nodes": {"a": {"message": self._message}, "b": {}}}}]}


FORBIDDEN = (
    'pods "r1-driver-7" is forbidden: error looking up service account kubeflow/who: serviceaccount "who" not found'
)


def test_why_the_cluster_took_no_pod_is_read_from_the_workflow() -> None:
    api: Any = NoPod(f"task 'r1.root-driver' errored: {FORBIDDEN}")
    assert Explainer(api, "kubeflow")("r1") == Unexplained(f"the cluster did not take a Pod of it: {FORBIDDEN}")


@pytest.mark.parametrize("message", [None, "", "pod deleted", "omitted: depends condition not met"])
def test_a_workflow_that_may_not_be_read_or_says_something_else_explains_nothing(message: str | None) -> None:
    api: Any = NoPod(message)
    assert Explainer(api, "kubeflow")("r1") is None


class Closed:
    """A cluster that lets nobody see its Pods."""

    def list(self, version: str, kind: str, namespace: str, selector: str) -> dict[str, Any]:
        raise ApiError(403, "pods is forbidden: User tidemill cannot list resource pods")


def test_pods_that_may_not_be_read_are_no_lost_ones_and_what_is_missing_is_said() -> None:
    api: Any = Closed()
    found = Explainer(api, "kubeflow")("r1")
    assert found is not None and not found.lost and not found.step
    assert "its Pods in kubeflow may not be read" in found.why and "cannot list resource pods" in found.why


def test_pods_that_may_not_be_read_say_nothing_of_images() -> None:
    api: Any = Closed()
    assert Explainer(api, "kubeflow").images("r1") == {}
