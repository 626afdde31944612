"""The Pipelines contract on a real Kubeflow Pipelines server: a store and an MLflow server on this machine.

Asks for a cluster by KUBECONFIG, and for the server by KF_PIPELINES_ENDPOINT. Pods must reach this machine by the name
in E2E_HOST, and have the image tidemill/e2e-contract (`ci/e2e-cluster` builds it).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_servers import HOST, KEYS, mlflow_server, store
from pipelines_world import Runner
from tidemill.adapters.kubeflow.pipelines import KubeflowPipelines
from tidemill.adapters.kubeflow.pods import Explainer
from tidemill.adapters.kubeflow.server import KubeflowServer
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.local.pipelines import compiled
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.adapters.step_settings import SecretEnv, StepSettings
from tidemill.adapters.system_clock import SystemClock

NAMESPACE = os.environ.get("E2E_KUBEFLOW_NAMESPACE", "kubeflow")
IMAGE = f"tidemill/e2e-contract:{os.environ.get('E2E_TAG', 'e2e')}"
PATIENCE = 600


def runner(folder: Path) -> Iterator[Runner]:
    if "KUBECONFIG" not in os.environ or "KF_PIPELINES_ENDPOINT" not in os.environ:
        pytest.skip("KUBECONFIG and KF_PIPELINES_ENDPOINT name no Kubeflow Pipelines server")
    api, server = KubernetesApi(), KubeflowServer(os.environ["KF_PIPELINES_ENDPOINT"])
    loop = f"tiny-{uuid.uuid4().hex[:6]}"
    with store() as port, mlflow_server(folder) as tracking_port:
        secret = {"name": f"{loop}-store", "namespace": NAMESPACE}
        api.create({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": KEYS})
        settings = StepSettings(
            namespace=NAMESPACE,
            image=IMAGE,
            env={"AWS_ENDPOINT_URL": f"http://{HOST}:{port}", "AWS_REGION": "us-east-1"},
            secrets=(SecretEnv(secret["name"], tuple(KEYS)),),
            resources={"requests": {"cpu": "50m", "memory": "128Mi"}},
        )
        base = f"s3://tidemill/{loop}"

        def opened() -> KubeflowPipelines:
            return KubeflowPipelines(
                server, compiled("training"), settings, loop, base, SystemClock(),
                Explainer(api, NAMESPACE),
            )  # fmt: skip

        def lose(turn: str) -> None:
            from kfp_server_api import RunServiceApi

            run = server.find_runs(f"{loop} turn {turn}")[0]
            server.terminate(run.run_id)
            RunServiceApi(server._client).run_service_delete_run(run.run_id)

        def take_pod(turn: str) -> None:
            run = server.find_runs(f"{loop} turn {turn}")[0]
            pods = api.list("v1", "Pod", NAMESPACE, f"pipeline/runid={run.run_id}")["items"]
            (name,) = (p["metadata"]["name"] for p in pods if p["status"]["phase"] in ("Pending", "Running"))
            api.delete("v1", "Pod", NAMESPACE, name)

        try:
            yield Runner(
                opened(), opened, MlflowRegistry(f"http://127.0.0.1:{tracking_port}", f"{base}/artifacts"), base,
                "/project", f"http://{HOST}:{tracking_port}", PATIENCE, lose, image=IMAGE, loop=loop,
                take_pod=take_pod,
            )  # fmt: skip
        finally:
            api.delete("v1", "Secret", NAMESPACE, secret["name"])
