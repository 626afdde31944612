"""Turns on a real Kubeflow Pipelines server, from all sides: their Pods, the server's metadata store and cache, and a
run that somebody schedules by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubeflow_world
import metadata_store
import pytest
import server_schedule
from kubeflow_world import NAMESPACE
from machine_servers import KEYS
from metadata_store import MetadataStore
from pipelines_world import Runner
from tidemill.adapters.kubeflow.package import package, version_of
from tidemill.adapters.kubeflow.pipelines import KubeflowPipelines
from tidemill.adapters.kubeflow.pods import step_of
from tidemill.adapters.kubeflow.quantities import cores, gigabytes
from tidemill.adapters.kubeflow.server import KubeflowServer
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.controller.place import step_settings
from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase, TurnRequest, TurnStatus
from tidemill.loop.turn.records import records
from tidemill.loop.turn.request import request_digest, request_uri
from tidemill.spec.model_loop import ModelLoop
from tidemill.spec.profile import Pods
from turn_world import HOLD_OUT, ROWS

pytestmark = [pytest.mark.e2e, pytest.mark.cluster, pytest.mark.timeout(900)]
PATIENCE = 600
STEPS = ["ingest", "validate", "features", "train", "evaluate", "refit", "register"]
LICENCE = {"LICENCE_KEY": "only-for-tests"}


@dataclass
class Turn:
    """One that ended accepted, of a loop that says what its steps need."""

    pipelines: KubeflowPipelines
    request: TurnRequest
    status: TurnStatus
    run: str

    @property
    def server(self) -> KubeflowServer:
        return self.pipelines._server

    def run_of(self, request: TurnRequest) -> str:
        found = self.server.find_runs(self.pipelines._run_name(request.id))[0]
        return str(found.run_id)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    yield from kubeflow_world.runner(tmp_path_factory.mktemp("turns"))


@pytest.fixture(scope="module")
def turn(runner: Runner) -> Iterator[Turn]:
    licence = {"name": f"{runner.loop}-licence", "namespace": NAMESPACE}
    resources = {
        "every": {"cpu": "60m", "memory": "1Gi"},
        "train": {
            "cpu": "110m",
            "memory": "1500Mi",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "secrets": [{"name": licence["name"], "keys": list(LICENCE)}],
        },
    }
    request = runner.turn(resources=resources)
    given, api = runner.pipelines, KubernetesApi()
    assert isinstance(given, KubeflowPipelines)
    store = [{"name": secret.secret, "keys": secret.keys} for secret in given._settings.secrets]
    profile = {"image": runner.image, "env": given._settings.env, "secrets": store,
               "resources": {"requests": {"cpu": 1}, "limits": {"cpu": 2}}}  # fmt: skip
    settings = step_settings(Pods.model_validate(profile), ModelLoop.model_validate(request.spec), NAMESPACE)
    pipelines = KubeflowPipelines(
        given._server, given._pipeline, settings, runner.loop, runner.base, given._clock, given._explain
    )
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": licence, "stringData": LICENCE})
    try:
        pipelines.submit(request)
        status = pipelines.wait(request.id, PATIENCE)
        assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.ACCEPTED), status
        run = given._server.find_runs(pipelines._run_name(request.id))[0]
        yield Turn(pipelines, request, status, str(run.run_id))
    finally:
        api.delete("v1", "Secret", NAMESPACE, licence["name"])


@pytest.fixture(scope="module")
def store(pytestconfig: pytest.Config) -> MetadataStore:
    assert pytestconfig.cache is not None
    return metadata_store.client(Path(pytestconfig.cache.mkdir("ml-metadata")))


@pytest.fixture(scope="module")
def scheduled(turn: Turn, runner: Runner) -> Iterator[tuple[TurnRequest, str]]:
    """A request that the loop has not submitted, and the run of it that a schedule of the server made, as a person sets
    one up in the dashboard: of the version that Tidemill uploaded, under the name that the turn would have."""
    server, text = turn.server, package(turn.pipelines._pipeline, turn.pipelines._settings)
    pipeline = server.pipeline("tidemill-training", "")
    version = server.version(pipeline, version_of(text), text)
    request = runner.turn(labels=lambda known: known.assign(label=1.0))  # rejected after two steps
    parameters = {"request_uri": request_uri(request.work_uri), "request_digest": request_digest(request)}
    name, experiment = turn.pipelines._run_name(request.id), server.experiment(request.loop)
    with server_schedule.scheduled(server, name, experiment, pipeline, version, parameters) as run:
        yield request, run


def pods_of_steps(run: str) -> dict[str, dict[str, Any]]:
    """The Pods in which steps ran. Those of the driver are there in any case, and have none of the step's own."""
    found = KubernetesApi().list("v1", "Pod", NAMESPACE, f"pipeline/runid={run}")["items"]
    assert found, f"the Pods of run {run} are gone"
    return {step_of(pod): pod for pod in found if any(c["name"] == "kfp-launcher" for c in inits(pod))}


def inits(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return list(pod["spec"].get("initContainers", []))


def main(pod: dict[str, Any]) -> dict[str, Any]:
    return next(dict(container) for container in pod["spec"]["containers"] if container["name"] == "main")


def test_each_step_runs_in_a_pod_with_what_the_loop_and_the_installation_give_it(turn: Turn, runner: Runner) -> None:
    pods = pods_of_steps(turn.run)
    assert sorted(pods) == sorted(STEPS)
    for step, pod in pods.items():
        container, trains = main(pod), step == "train"
        assert container["image"] == runner.image
        env = {entry["name"]: entry for entry in container["env"]}
        assert env["AWS_REGION"]["value"] == "us-east-1"
        for key in KEYS:
            assert env[key]["valueFrom"]["secretKeyRef"] == {"name": f"{runner.loop}-store", "key": key}
        found = {
            kind: (cores(given["cpu"]), gigabytes(given["memory"])) for kind, given in container["resources"].items()
        }
        memory = gigabytes("1500Mi" if trains else "1Gi")
        # The loop's own go before the installation's, which caps cores for all.
        assert found == {"requests": (0.11 if trains else 0.06, memory), "limits": (2.0, memory)}
        assert pod["spec"].get("nodeSelector") == ({"kubernetes.io/os": "linux"} if trains else None)
        assert ("LICENCE_KEY" in env) is trains
    licence = {entry["name"]: entry for entry in main(pods["train"])["env"]}["LICENCE_KEY"]["valueFrom"]["secretKeyRef"]
    assert licence == {"name": f"{runner.loop}-licence", "key": "LICENCE_KEY"}


def test_the_servers_metadata_store_has_the_figures_of_the_evaluation(turn: Turn, store: MetadataStore) -> None:
    artifacts = store.run(turn.run)["artifacts"]
    figures = turn.status.result["evaluate"]
    wanted = {
        f"{who}_{name}": value
        for who in ("challenger", "champion", "baseline")
        for name, value in (figures[who] or {}).items()
        if value is not None
    }
    metrics = [artifact["metadata"] for artifact in artifacts if artifact["type"] == "system.Metrics"]
    assert len(metrics) == 1
    told = {name: value for name, value in metrics[0].items() if name in wanted}
    assert told == pytest.approx(wanted, abs=1e-6)  # as kfp rounds them
    assert wanted["challenger_log_loss"] < wanted["baseline_log_loss"]


def test_the_servers_metadata_store_has_the_curve_and_the_confusion_matrix(turn: Turn, store: MetadataStore) -> None:
    artifacts = store.run(turn.run)["artifacts"]
    found = [artifact["metadata"] for artifact in artifacts if artifact["type"] == "system.ClassificationMetrics"]
    assert len(found) == 1
    curve = [(point["falsePositiveRate"], point["recall"]) for point in found[0]["confidenceMetrics"]["list"]]
    assert (curve[0], curve[-1]) == ((0.0, 0.0), (1.0, 1.0)) and curve == sorted(curve)
    rows = [row["row"] for row in found[0]["confusionMatrix"]["struct"]["rows"]]
    assert sum(map(sum, rows)) == HOLD_OUT * ROWS
    # Thinned to a hundred points, and of what the model said before the repair of its days.
    area = sum((right[0] - left[0]) * (right[1] + left[1]) / 2 for left, right in pairwise(curve))
    assert area == pytest.approx(turn.status.result["evaluate"]["challenger"]["auc"], abs=0.02)


def test_a_schedule_runs_the_pipeline_and_another_request_is_not_answered_from_the_cache(
    turn: Turn, scheduled: tuple[TurnRequest, str]
) -> None:
    request, run = scheduled
    assert set(pods_of_steps(run)) == {"ingest", "validate"}
    assert set(records(request.work_uri)) == {"ingest", "validate"}


def test_a_run_that_somebody_schedules_is_not_taken_for_the_turn(
    turn: Turn, scheduled: tuple[TurnRequest, str]
) -> None:
    request, _ = scheduled
    assert turn.pipelines.status(request.id).phase is Phase.UNKNOWN
    assert turn.pipelines.status(turn.request.id) == turn.status


def test_the_same_request_is_answered_from_the_servers_cache_and_from_the_records_that_its_steps_left(
    turn: Turn, scheduled: tuple[TurnRequest, str], store: MetadataStore
) -> None:
    request, by_schedule = scheduled
    turn.pipelines.submit(request)
    status = turn.pipelines.wait(request.id, PATIENCE)
    assert (status.phase, status.reason) == (Phase.SUCCEEDED, Reason.DATA_REJECTED), status
    run = turn.run_of(request)
    assert run != by_schedule
    assert pods_of_steps(run) == {}
    states = {made["task"]: made["state"] for made in store.run(run)["executions"]}
    assert {step: states[step] for step in ("ingest", "validate")} == {"ingest": "CACHED", "validate": "CACHED"}
