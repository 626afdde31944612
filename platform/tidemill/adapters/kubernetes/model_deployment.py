"""The objects that serve one version of a model on a cluster: Deployment, Service, autoscaler, disruption budget.

A pure function of its arguments. They fit a namespace that enforces the `restricted` Pod Security Standard.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.adapters.kubernetes.variables import plain_variables, secret_variables, whole_secrets
from tidemill.adapters.step_settings import SecretEnv
from tidemill.loop.model import ModelVersion

PORT = 8080
COMPONENT = "model-server"
DIGEST = "TIDEMILL_MODEL_DIGEST"  # the variable that says which artifact a Pod is to serve, and no other
_LONGEST = 63  # of a Service's name, which must also begin with a letter
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

Object = dict[str, Any]


@dataclass(frozen=True)
class ModelServing:
    """How versions are served. `image` holds the packages that the model was trained with; `environment` and
    `secrets` say where the store is and who asks. With as many `most` as `least` replicas there is no autoscaler."""

    image: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: Sequence[str] = ()
    least: int = 1
    most: int = 4
    busy_percent: int = 70  # of the CPU that is asked for: more Pods come above it
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "100m", "memory": "256Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"memory": "1Gi"})
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[SecretEnv] = ()
    service_account: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()  # for models on a shared file system
    mounts: Sequence[Mapping[str, Any]] = ()
    drain_seconds: int = 5


def object_name(loop: str, version: str) -> str:
    """`<loop>-v<version>`; where that is no name of a Service, as much of it as fits, and a digest."""
    name = f"{loop}-v{version}"
    if len(name) <= _LONGEST and _NAME.fullmatch(name):
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    lettered = plain if plain[:1].isalpha() else f"m-{plain}"
    return f"{lettered[: _LONGEST - 1 - len(digest)].rstrip('-')}-{digest}"


def endpoint(loop: str, version: str, namespace: str) -> str:
    return f"http://{object_name(loop, version)}.{namespace}.svc:{PORT}"


def selector(loop: str, version: str | None = None) -> dict[str, str]:
    """Labels that a loop's model servers have, or those of one version."""
    labels = {"app.kubernetes.io/component": COMPONENT, "tidemill.dev/loop": loop}
    return labels if version is None else {**labels, "tidemill.dev/version": label_value(version)}


def label_value(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", text) else object_name("x", text)


def model_objects(
    loop: str, namespace: str, version: ModelVersion, serving: ModelServing, owner: Mapping[str, Any] | None = None
) -> list[Object]:
    """In the order in which they are applied. `owner`: the ModelLoop (apiVersion, kind, name, uid), with which they
    go."""
    meta = metadata(object_name(loop, version.version), namespace, selector(loop, version.version), owner)
    chosen = selector(loop, version.version)
    objects = [_service(meta, chosen), _deployment(meta, chosen, loop, version, serving), _budget(meta, chosen)]
    return objects if serving.least >= serving.most else [*objects, _autoscaler(meta, serving)]


def metadata(name: str, namespace: str, labels: Mapping[str, str], owner: Mapping[str, Any] | None) -> Object:
    common = {"app.kubernetes.io/name": "tidemill", "app.kubernetes.io/managed-by": "tidemill"}
    reference = {} if owner is None else {
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}]
    }  # fmt: skip
    return {"name": name, "namespace": namespace, "labels": {**common, **labels}, **reference}


def _deployment(
    meta: Object, chosen: dict[str, str], loop: str, version: ModelVersion, serving: ModelServing
) -> Object:
    fixed = serving.least >= serving.most  # else the autoscaler alone says how many
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**meta, "annotations": {"tidemill.dev/digest": version.digest, "tidemill.dev/turn": version.turn}},
        "spec": {
            **({"replicas": serving.least} if fixed else {}),
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": chosen},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": meta["labels"]},
                "spec": _pod(chosen, loop, version, serving),
            },
        },
    }


def _pod(chosen: dict[str, str], loop: str, version: ModelVersion, serving: ModelServing) -> Object:
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
              "labelSelector": {"matchLabels": chosen}}  # fmt: skip
    optional = {
        "serviceAccountName": serving.service_account,
        "imagePullSecrets": [{"name": name} for name in serving.pull_secrets],
        "nodeSelector": dict(serving.node_selector),
        "tolerations": [dict(one) for one in serving.tolerations],
    }
    return {
        **{name: value for name, value in optional.items() if value},
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        # It answers on for a while after it was asked to end (--drain-seconds), and finishes what it was asked.
        "terminationGracePeriodSeconds": serving.drain_seconds + 25,
        "topologySpreadConstraints": [spread],
        "containers": [_container(loop, version, serving)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *(dict(volume) for volume in serving.volumes)],
    }


def _container(loop: str, version: ModelVersion, serving: ModelServing) -> Object:
    given = {"HOME": "/tmp", **serving.environment}
    ours = {
        "TIDEMILL_MODEL_URI": version.uri,
        DIGEST: version.digest,
        "TIDEMILL_MODEL_VERSION": version.version,
        "TIDEMILL_MODEL_LOOP": loop,
        "TIDEMILL_PORT": str(PORT),
        "TIDEMILL_DRAIN_SECONDS": str(serving.drain_seconds),
    }
    environment = {**plain_variables(given), **secret_variables(serving.secrets), **plain_variables(ours)}
    whole = whole_secrets(serving.secrets)
    return {
        "name": "model",
        "image": serving.image,
        "imagePullPolicy": serving.pull_policy,
        "command": ["tidemill", "model-server"],
        "env": [*environment.values()],
        **({"envFrom": whole} if whole else {}),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": dict(serving.requests), "limits": dict(serving.limits)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # Fetching and loading may take minutes; once it listens it is loaded.
        "startupProbe": _probe("live", periodSeconds=1, failureThreshold=300),
        "readinessProbe": _probe("ready", periodSeconds=2, failureThreshold=2),
        "livenessProbe": _probe("live", periodSeconds=10, failureThreshold=6),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *(dict(mount) for mount in serving.mounts)],
    }


def _probe(what: str, **more: int) -> Object:
    return {"httpGet": {"path": f"/v2/health/{what}", "port": "http"}, "timeoutSeconds": 5, **more}


def _service(meta: Object, chosen: dict[str, str]) -> Object:
    port = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": chosen, "ports": [port]}}


def _budget(meta: Object, chosen: dict[str, str]) -> Object:
    # One at a time, so that a single replica never keeps a node from being drained.
    spec = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {"matchLabels": chosen}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}


def _autoscaler(meta: Object, serving: ModelServing) -> Object:
    target = {"type": "Utilization", "averageUtilization": serving.busy_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"]},
            "minReplicas": serving.least,
            "maxReplicas": serving.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
