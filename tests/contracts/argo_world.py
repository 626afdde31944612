"""The Pipelines contract on a real Argo: a namespace of its own, a store and an MLflow server on this machine.

Asks for a cluster by KUBECONFIG. Pods must reach this machine by the name in E2E_HOST, and have the image in E2E_IMAGE.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from machine_servers import HOST, IMAGE, KEYS, mlflow_server, store
from pipelines_world import PROJECT, Runner
from tidemill.adapters.argo_pipelines import ArgoPipelines, workflow_name
from tidemill.adapters.mlflow_registry import MlflowRegistry
from tidemill.adapters.step_settings import SecretEnv, StepSettings

_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Cluster:
    """A namespace in which Workflows can run, under the restricted Pod Security Standard."""

    client: Any
    namespace: str

    @property
    def settings(self) -> StepSettings:
        return StepSettings(namespace=self.namespace, image=IMAGE)


def connected() -> Any:
    """An API client; skips where there is no cluster, or one without Argo."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    from kubernetes import client, config
    from tidemill.adapters.cluster_runners import serves_workflows

    config.load_kube_config()
    connection = client.ApiClient()
    if not serves_workflows(connection):
        pytest.skip("the cluster has no Argo Workflows")
    return connection


def namespace(connection: Any) -> Iterator[Cluster]:
    from kubernetes import client

    core, rbac = client.CoreV1Api(connection), client.RbacAuthorizationV1Api(connection)
    name = f"tidemill-argo-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": _RESTRICTED}})
    try:
        # What Argo's executor needs of a step's service account, and nothing more.
        rule = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
        rbac.create_namespaced_role(name, {"metadata": {"name": "steps"}, "rules": [rule]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "steps"}
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": name}
        rbac.create_namespaced_role_binding(
            name, {"metadata": {"name": "steps"}, "roleRef": role, "subjects": [subject]}
        )
        yield Cluster(connection, name)
    finally:
        core.delete_namespace(name)


def runner(folder: Path) -> Iterator[Runner]:
    connection = connected()
    from kubernetes import client

    core = client.CoreV1Api(connection)
    with store() as port, mlflow_server(folder) as tracking_port:
        for cluster in namespace(connection):
            core.create_namespaced_secret(cluster.namespace, {"metadata": {"name": "store"}, "stringData": KEYS})
            files = {PROJECT.name: PROJECT.read_text()}
            core.create_namespaced_config_map(cluster.namespace, {"metadata": {"name": "project"}, "data": files})
            settings = replace(
                cluster.settings,
                env={"AWS_ENDPOINT_URL": f"http://{HOST}:{port}", "AWS_REGION": "us-east-1"},
                secrets=(SecretEnv("store", tuple(KEYS)),),
                resources={"*": {"requests": {"cpu": "50m", "memory": "128Mi"}}},
                volumes=[{"name": "project", "configMap": {"name": "project"}}],
                volume_mounts=[{"name": "project", "mountPath": "/project"}],
            )
            loop = "tiny"

            def opened(settings: StepSettings = settings, loop: str = loop) -> ArgoPipelines:
                return ArgoPipelines(connection, loop, settings)

            def lose(turn: str, name: str = cluster.namespace, loop: str = loop) -> None:
                client.CustomObjectsApi(connection).delete_namespaced_custom_object(
                    "argoproj.io", "v1alpha1", name, "workflows", workflow_name(loop, turn)
                )

            yield Runner(
                opened(), opened, MlflowRegistry(f"http://127.0.0.1:{tracking_port}", "s3://tidemill/tiny/artifacts"),
                "s3://tidemill/tiny", "/project", f"http://{HOST}:{tracking_port}", 300, lose, image=IMAGE,
            )  # fmt: skip
