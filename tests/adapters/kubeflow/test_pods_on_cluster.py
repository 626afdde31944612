"""Where no step can say why a turn does not go on, its Pods do: on a real Kubeflow Pipelines server, whose own API does
not tell, with Pods that really fail. All turns are submitted at once, since Pods start one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubeflow_world
import pytest
import small_pipelines
from kfp.compiler import Compiler
from kubeflow_world import NAMESPACE
from pipelines_world import Runner
from tidemill.adapters.kubeflow.pipelines import KubeflowPipelines
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.step_settings import SecretEnv, TaskSettings
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase, TurnStatus

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(900)]
PATIENCE = 300
GPU = "example.com/gpu"  # which no node has
TROUBLES: dict[str, dict[str, Any]] = {
    "memory": {"tasks": {"ingest": TaskSettings({"limits": {"memory": "48Mi"}, "requests": {"memory": "48Mi"}})}},
    "exit": {"pipeline": "exits_early"},
    "account": {"service_account": "tidemill-no-such-account"},
    "image": {"image": "tidemill/nowhere:1"},
    "secret": {"tasks": {"ingest": TaskSettings(secrets=(SecretEnv("tidemill-no-such-secret", ("KEY",)),))}},
    "node": {"resources": {"requests": {"cpu": "1000"}, "limits": {GPU: "2"}}},
}


class Troubled:
    """Turns of which each has a trouble of its own."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self._turns: dict[str, tuple[KubeflowPipelines, str]] = {}
        for name, given in TROUBLES.items():
            request, pipelines = runner.turn(), troubled(runner, folder / name, **given)
            pipelines.submit(request)
            self._turns[name] = pipelines, request.id

    def ended(self, name: str) -> TurnStatus:
        pipelines, turn = self._turns[name]
        return pipelines.wait(turn, PATIENCE)

    def waits(self, name: str) -> TurnStatus:
        """As soon as it says what for."""
        pipelines, turn = self._turns[name]
        end = time.monotonic() + PATIENCE
        while ";" not in (status := pipelines.status(turn)).step:
            assert status.phase is Phase.RUNNING and time.monotonic() < end, status
            time.sleep(0.5)
        return status

    def run(self, name: str) -> str:
        pipelines, turn = self._turns[name]
        run = pipelines._server.find_runs(pipelines._run_name(turn))[0]
        return str(run.run_id)

    def stop(self, name: str) -> None:
        self._turns[name][0]._server.terminate(self.run(name))

    def cancelled(self, *names: str) -> list[Phase]:
        for pipelines, turn in (self._turns[name] for name in names):
            pipelines.cancel(turn)
        return [pipelines.status(turn).phase for pipelines, turn in (self._turns[name] for name in names)]


def troubled(runner: Runner, folder: Path, pipeline: str = "", **settings: Any) -> KubeflowPipelines:
    made = runner.pipelines
    assert isinstance(made, KubeflowPipelines)
    path = made._pipeline
    if pipeline:
        folder.mkdir()
        path = folder / "pipeline.yaml"
        Compiler().compile(getattr(small_pipelines, pipeline), str(path))
    return KubeflowPipelines(
        made._server, path, replace(made._settings, **settings), runner.loop, runner.base, made._clock,
        made._explain,
    )  # fmt: skip


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubled]:
    for runner in kubeflow_world.runner(tmp_path_factory.mktemp("turns")):
        made = Troubled(runner, tmp_path_factory.mktemp("pipelines"))
        yield made
        made.cancelled(*TROUBLES)


def test_a_step_that_ran_out_of_memory_is_said_to_have(turns: Troubled) -> None:
    status = turns.ended("memory")
    assert (status.phase, status.reason, status.step) == (Phase.FAILED, Reason.PIPELINE_FAILED, "ingest"), status
    assert "it ran out of memory (OOMKilled). Raise its memory limit" in status.message


def test_a_step_that_left_no_record_is_quoted_with_its_own_exit_code(turns: Troubled) -> None:
    status = turns.ended("exit")
    assert (status.phase, status.reason, status.step) == (Phase.FAILED, Reason.PIPELINE_FAILED, "leaves"), status
    assert "PermissionError: no way in (exit code 3)" in status.message
    assert "kubectl -n" in status.message


def test_a_pod_that_the_cluster_does_not_take_says_why(turns: Troubled) -> None:
    status = turns.ended("account")
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.PIPELINE_FAILED), status
    assert 'serviceaccount "tidemill-no-such-account" not found' in status.message


def test_an_image_that_cannot_be_pulled_is_named_while_it_waits(turns: Troubled) -> None:
    status = turns.waits("image")
    assert "nowhere:1 could not be pulled" in status.step


def test_a_secret_that_is_not_there_is_named_while_it_waits(turns: Troubled) -> None:
    status = turns.waits("secret")
    assert 'secret "tidemill-no-such-secret" not found' in status.step


def test_a_step_that_no_node_takes_says_what_it_lacks_and_its_accelerators_are_in_its_pod(turns: Troubled) -> None:
    status = turns.waits("node")
    assert "no node takes its Pod (Unschedulable: " in status.step
    assert "Insufficient cpu" in status.step and f"Insufficient {GPU}" in status.step
    pods = KubernetesApi().list("v1", "Pod", NAMESPACE, f"pipeline/runid={turns.run('node')}")["items"]
    waiting = [pod for pod in pods if pod["status"]["phase"] == "Pending"]
    assert len(waiting) == 1
    asked = next(c["resources"] for c in waiting[0]["spec"]["containers"] if c["name"] == "main")
    assert (asked["limits"][GPU], asked["requests"]["cpu"]) == ("2", "1k")


def test_a_run_of_the_same_name_that_another_installation_started_is_not_taken_for_the_turns(turns: Troubled) -> None:
    pipelines, turn = turns._turns["node"]
    elsewhere = KubeflowPipelines(
        pipelines._server, pipelines._pipeline, pipelines._settings, pipelines._name, "s3://elsewhere/loop",
        pipelines._clock, pipelines._explain,
    )  # fmt: skip
    assert elsewhere._run_name(turn) == pipelines._run_name(turn)
    assert pipelines.status(turn).phase is Phase.RUNNING
    assert elsewhere.status(turn).phase is Phase.UNKNOWN


def test_of_two_runs_of_one_turn_the_older_one_is_ended(turns: Troubled) -> None:
    pipelines, turn = turns._turns["image"]
    server, name = pipelines._server, pipelines._run_name(turn)
    (older,) = server.find_runs(name)
    version = older.pipeline_version_reference
    server.run(
        name, older.experiment_id, version.pipeline_id, version.pipeline_version_id, older.runtime_config.parameters,
        older.service_account,
    )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while older.state not in ("CANCELING", "CANCELED", "FAILED"):
        assert pipelines.status(turn).phase is Phase.RUNNING and time.monotonic() < end
        time.sleep(0.5)
        newer, older = server.find_runs(name)
    assert newer.state in ("PENDING", "RUNNING")


def test_a_run_that_somebody_stops_in_the_dashboard_fails_and_says_so(turns: Troubled) -> None:
    turns.stop("node")
    status = turns.ended("node")
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.PIPELINE_FAILED), status
    assert "the run was cancelled in Kubeflow Pipelines" in status.message


def test_turns_that_wait_can_be_cancelled(turns: Troubled) -> None:
    assert turns.cancelled("image", "secret") == [Phase.UNKNOWN] * 2
