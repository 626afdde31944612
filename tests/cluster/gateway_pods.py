"""Gateways as Pods, with the rights that they need and no others."""

from __future__ import annotations

from typing import Any

from cluster_world import PLATFORM_IMAGE, Namespace

NAME = "tidemill-gateway"
LABELS = {"app": NAME}


def install(cluster: Namespace, replicas: int = 2) -> str:
    """Returns the Service's URL."""
    for document in documents(cluster.name, replicas):
        kubectl_apply(cluster, document)
    cluster.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=150s")
    service = cluster.api.get("v1", "Service", cluster.name, NAME)
    assert service is not None
    return f"http://{service['spec']['clusterIP']}:8080"


def kubectl_apply(cluster: Namespace, document: dict[str, Any]) -> None:
    import json
    import subprocess

    subprocess.run(
        ["kubectl", "-n", cluster.name, "apply", "-f", "-"], check=True, capture_output=True,
        input=json.dumps(document).encode(),
    )  # fmt: skip


def documents(namespace: str, replicas: int) -> list[dict[str, Any]]:
    meta = {"name": NAME, "namespace": namespace, "labels": LABELS}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": role,
         "subjects": [{"kind": "ServiceAccount", "name": NAME}]},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta,
         "spec": {"selector": LABELS, "ports": [{"port": 8080, "targetPort": 8080}]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod()},
        }},
    ]  # fmt: skip


def pod() -> dict[str, Any]:
    limits = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    environment = {"TIDEMILL_STORAGE": "file:///storage", "TIDEMILL_SERVER": "http://tidemill:8080",
                   "TIDEMILL_SPOOL": "/spool"}  # fmt: skip
    container = {
        "name": "gateway", "image": PLATFORM_IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["tidemill", "gateway"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "securityContext": limits,
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in ("spool", "storage", "tmp")],
    }  # fmt: skip
    return {
        "serviceAccountName": NAME,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 65532},
        "terminationGracePeriodSeconds": 40,
        "containers": [container],
        "volumes": [
            {"name": "spool", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "storage", "persistentVolumeClaim": {"claimName": NAME}},
        ],
    }
