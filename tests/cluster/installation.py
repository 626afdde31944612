"""An installation of the chart in a namespace of its own, and a way to it from this process.

Needs KUBECONFIG, a Kubeflow Pipelines server in the cluster with its S3 store beside it, and the images of
`ci/e2e-cluster`. What it makes is gone afterwards, but for the bucket's content.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rehearsal import kubectl

CHART = Path(__file__).parents[2] / "charts" / "tidemill"
KUBEFLOW = os.environ.get("E2E_KUBEFLOW_NAMESPACE", "kubeflow")
IMAGES, TAG = os.environ.get("E2E_IMAGES", "tidemill"), os.environ.get("E2E_TAG", "e2e")
SECRET, BUCKET, REGION = "tidemill-storage", "tidemill", os.environ.get("E2E_S3_REGION", "minio")
_DRIVER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: driver}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: driver-operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tidemill-operator}
subjects: [{kind: ServiceAccount, name: driver}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: driver-sender}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tidemill-sender}
subjects: [{kind: ServiceAccount, name: driver}]
"""


@dataclass(frozen=True)
class Installation:
    namespace: str
    storage: str
    gateway: str
    server: str
    mlflow: str
    token: str

    @property
    def clock(self) -> str:
        return f"{self.storage}/clock"


@contextlib.contextmanager
def installed(**values: Any) -> Iterator[Installation]:
    """The chart, ready. `values` are merged over those of the tests; this process's environment points to the store."""
    name = f"tidemill-{uuid.uuid4().hex[:6]}"
    storage = f"s3://{BUCKET}/{name}"
    with contextlib.ExitStack() as stack:
        keys = _store_keys()
        stack.enter_context(_environment(keys, stack.enter_context(reached(KUBEFLOW, "minio-service", 9000))))
        _bucket()
        kubectl("create", "namespace", name)
        stack.callback(kubectl, "delete", "namespace", name, "--wait=false")
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        for namespace in (name, KUBEFLOW):
            kubectl("-n", namespace, "apply", "-f", "-", input=_secret(keys))
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHART / "crds"))
        _helm("install", "tidemill", str(CHART), "-n", name, "--skip-crds", "--wait", "--timeout=5m", "-f", "-",
              input=yaml.safe_dump({**_values(storage), **values}))  # fmt: skip
        stack.callback(_helm, "uninstall", "tidemill", "-n", name, "--wait=false")
        kubectl("-n", name, "apply", "-f", "-", input=_DRIVER)
        token = kubectl("-n", name, "create", "token", "driver", "--duration=6h").strip()
        urls = [
            stack.enter_context(reached(name, service, port))
            for service, port in (("tidemill-gateway", 8080), ("tidemill", 8081), ("tidemill-mlflow", 5000))
        ]
        yield Installation(name, storage, *urls, token)


def _values(storage: str) -> dict[str, Any]:
    small = {"resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}}
    return {
        "image": {"repository": IMAGES, "tag": TAG},
        "storage": {
            "url": storage,
            "env": {"AWS_ENDPOINT_URL": f"http://minio-service.{KUBEFLOW}:9000", "AWS_REGION": REGION},
            "secret": SECRET,
        },
        "clock": f"{storage}/clock",
        "pipelines": {"kubeflow": {"endpoint": f"http://ml-pipeline.{KUBEFLOW}:8888", "namespace": KUBEFLOW}},
        "controlPlane": {"every": "2s"},
        "modelServers": small,
        "mlflow": {"allowedHosts": ["*"]},  # the tests ask it by its address
        # The roles for people are the cluster's: a second installation uses those of the first.
        "rbac": {"create": not kubectl("get", "clusterrole", "tidemill-viewer", "--ignore-not-found")},
    }


@contextlib.contextmanager
def reached(namespace: str, service: str, port: int) -> Iterator[str]:
    """A URL of a Service from here: its cluster address where that is reached, else a port-forward."""
    address = kubectl("-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
    if _answers(address, port):
        yield f"http://{address}:{port}"
        return
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        local = int(found.getsockname()[1])
    forwarding = subprocess.Popen(
        ["kubectl", "-n", namespace, "port-forward", f"service/{service}", f"{local}:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not _answers("127.0.0.1", local):
            assert time.monotonic() < until, f"{service} of {namespace} is not reached"
            time.sleep(0.5)
        yield f"http://127.0.0.1:{local}"
    finally:
        forwarding.terminate()
        forwarding.wait(timeout=30)


def _answers(host: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as trying:
        trying.settimeout(2)
        return trying.connect_ex((host, port)) == 0


def _store_keys() -> dict[str, str]:
    """Those of the store that Kubeflow Pipelines came with."""
    data = json.loads(kubectl("-n", KUBEFLOW, "get", "secret", "mlpipeline-minio-artifact", "-o", "json"))["data"]
    names = {"AWS_ACCESS_KEY_ID": "accesskey", "AWS_SECRET_ACCESS_KEY": "secretkey"}
    return {name: base64.b64decode(data[key]).decode() for name, key in names.items()}


@contextlib.contextmanager
def _environment(keys: dict[str, str], endpoint: str) -> Iterator[None]:
    from tidemill.loop.turn import files

    ours = {**keys, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    files._stores.clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        files._stores.clear()


def _bucket() -> None:
    import fsspec

    with contextlib.suppress(FileExistsError):
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)


def _secret(keys: dict[str, str]) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": keys})


def _helm(*arguments: str, input: str | None = None) -> None:
    done = subprocess.run(["helm", *arguments], input=input, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
