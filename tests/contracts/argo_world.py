"""The Pipelines contract on a real Argo: a namespace of its own, a store and an MLflow server on this machine.

Asks for a cluster by KUBECONFIG. Pods must reach this machine by the name in E2E_HOST, and have the image in E2E_IMAGE.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from machine_servers import HOST, IMAGE, KEYS, mlflow_server, store
from pipelines_world import PROJECT, Runner
from tidemill.adapters.argo.pipelines import ArgoPipelines, workflow_name
from tidemill.adapters.cluster_runners import serves_workflows
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.adapters.step_settings import SecretEnv, StepSettings

_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Cluster:
    """A namespace in which Workflows can run, under the restricted Pod Security Standard."""

    api: KubernetesApi
    namespace: str

    @property
    def settings(self) -> StepSettings:
        return StepSettings(namespace=self.namespace, image=IMAGE)

    def add(self, version: str, kind: str, name: str, **fields: Any) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        self.api.create({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Skips where there is no cluster, or one without Argo."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    api = KubernetesApi()
    if not serves_workflows(api):
        pytest.skip("the cluster has no Argo Workflows")
    made = Cluster(api, f"tidemill-argo-{uuid.uuid4().hex[:8]}")
    labels = [f"{key}={value}" for key, value in _RESTRICTED.items()]
    _kubectl("create", "namespace", made.namespace)
    try:
        _kubectl("label", "namespace", made.namespace, *labels)
        # What Argo's executor needs of a step's service account, and nothing more.
        inside = ("-n", made.namespace)
        _kubectl(
            *inside, "create", "role", "steps", "--verb=create,patch", "--resource=workflowtaskresults.argoproj.io"
        )
        _kubectl(
            *inside, "create", "rolebinding", "steps", "--role=steps", f"--serviceaccount={made.namespace}:default"
        )
        made.add("v1", "Secret", "store", stringData=KEYS)
        yield made
    finally:
        _kubectl("delete", "namespace", made.namespace, "--wait=false")


def _kubectl(*words: str) -> None:
    subprocess.run(["kubectl", *words], check=True, stdout=subprocess.DEVNULL)


def runner(folder: Path) -> Iterator[Runner]:
    with cluster() as made, store() as port, mlflow_server(folder) as tracking_port:
        made.add("v1", "ConfigMap", "project", data={PROJECT.name: PROJECT.read_text()})
        loop = "tiny"
        settings = replace(
            made.settings,
            env={"AWS_ENDPOINT_URL": f"http://{HOST}:{port}", "AWS_REGION": "us-east-1"},
            secrets=(SecretEnv("store", tuple(KEYS)),),
            resources={"requests": {"cpu": "50m", "memory": "128Mi"}},
            volumes=[{"name": "project", "configMap": {"name": "project"}}],
            volume_mounts=[{"name": "project", "mountPath": "/project"}],
        )

        def opened() -> ArgoPipelines:
            return ArgoPipelines(made.api, loop, settings)

        def lose(turn: str) -> None:
            made.api.delete("argoproj.io/v1alpha1", "Workflow", made.namespace, workflow_name(loop, turn))

        def take_pod(turn: str) -> None:
            pods = made.api.list(
                "v1", "Pod", made.namespace, f"workflows.argoproj.io/workflow={workflow_name(loop, turn)}"
            )
            (name,) = (p["metadata"]["name"] for p in pods["items"] if p["status"]["phase"] in ("Pending", "Running"))
            made.api.delete("v1", "Pod", made.namespace, name)

        yield Runner(
            opened(), opened, MlflowRegistry(f"http://127.0.0.1:{tracking_port}", "s3://tidemill/tiny/artifacts"),
            "s3://tidemill/tiny", "/project", f"http://{HOST}:{tracking_port}", 400, lose, image=IMAGE,
            take_pod=take_pod,
        )  # fmt: skip
