"""A release of the chart in a namespace of its own, on a real cluster, with a store on this machine."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from chart_tools import tool
from cluster_world import kubectl
from machine_servers import HOST, KEYS, free_port, store

NAME, LOOP = "tidemill", "visits"
DOCUMENT = """\
apiVersion: tidemill.dev/v1alpha1
kind: ModelLoop
metadata: {name: visits}
spec:
  model: {task: binary-classification, trainer: "model:train", baseline: "model:average"}
  data:
    source: {csv: data/}
    key: visit_id
    eventTime: visited_at
    label: {column: bought, arrivesAfter: 1h}
"""


@dataclass
class Release:
    namespace: str
    values: Path

    def helm(self, *arguments: str | Path) -> str:
        command = [tool("helm"), *arguments, "--namespace", self.namespace]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {said}\n{self.story()}"
        return said

    def bring(self, chart: Path, *options: str) -> None:
        """Install, or upgrade; returns when every Pod is ready."""
        waiting = ("--install", "--wait", "--timeout", "6m")
        self.helm("upgrade", NAME, chart, "-f", self.values, *waiting, *options)

    def kubectl(self, *arguments: str) -> str:
        return kubectl("-n", self.namespace, *arguments)

    def apply(self, text: str) -> None:
        command = ["kubectl", "-n", self.namespace, "apply", "-f", "-"]
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def story(self) -> str:
        pods = self.kubectl("get", "pods", "-o", "wide")
        return pods + self.kubectl("get", "events", "--sort-by=.lastTimestamp")[-3000:]

    @contextmanager
    def server(self) -> Iterator[httpx.Client]:
        """Asks the server as somebody who may read loops and send labels."""
        port = free_port()
        token = self.kubectl("create", "token", "somebody").strip()
        forward = subprocess.Popen(
            ["kubectl", "-n", self.namespace, "port-forward", f"service/{NAME}", f"{port}:8081"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        base = f"http://127.0.0.1:{port}/v1/namespaces/{self.namespace}"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=30) as client:
                until(lambda: _answers(client), 60)
                yield client
        finally:
            forward.terminate()
            forward.wait(20)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/loops").is_success
    except httpx.TransportError:
        return False


def until(condition: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(1)
    return found


@contextmanager
def release(folder: Path, prefix: str = "tidemill-chart") -> Iterator[Release]:
    """A namespace that enforces `restricted`, with the storage's Secret and somebody who may ask; nothing installed."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    with store() as port:
        values = folder / "values.yaml"
        values.write_text(yaml.safe_dump(_values(port)))
        made = Release(name, values)
        kubectl("create", "namespace", name)
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        try:
            keys = [f"--from-literal={key}={value}" for key, value in KEYS.items()]
            made.kubectl("create", "secret", "generic", "tidemill-storage", *keys)
            made.kubectl("create", "serviceaccount", "somebody")
            made.apply(yaml.safe_dump(_role(name)))
            made.kubectl("create", "rolebinding", "somebody", "--role=somebody", f"--serviceaccount={name}:somebody")
            yield made
        finally:
            try:
                made.helm("uninstall", NAME, "--ignore-not-found")  # what it has outside of its namespace
            finally:
                kubectl("delete", "namespace", name, "--wait=false")


def _values(port: int) -> dict[str, Any]:
    small = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
    environment = {"AWS_ENDPOINT_URL": f"http://{HOST}:{port}", "AWS_REGION": "us-east-1"}
    return {
        "image": {"repository": os.environ.get("E2E_IMAGES", "tidemill"), "tag": os.environ.get("E2E_TAG", "e2e")},
        "storage": {"url": "s3://tidemill/chart", "env": environment, "secret": "tidemill-storage"},
        # Nothing is trained here; and other releases of this cluster have their own.
        "pipelines": {"kubeflow": {"endpoint": "http://ml-pipeline.kubeflow:8888", "createRole": False}},
        "rbac": {"create": False},
        "state": {"volume": {"size": "200Mi"}},
        "mlflow": {"volume": {"size": "200Mi"}, "resources": small},
        "controlPlane": {"every": "5s", "controller": {"resources": small}, "server": {"resources": small}},
        "gateway": {"replicas": 1, "resources": small},
        "crds": {"upgrade": os.environ.get("E2E_CRD_HOOK", "1") == "1"},
    }


def _role(namespace: str) -> dict[str, Any]:
    rules = [
        {"apiGroups": ["tidemill.dev"], "resources": ["modelloops", "modelloops/history"], "verbs": ["get", "list"]},
        {"apiGroups": ["tidemill.dev"], "resources": ["modelloops/outcomes"], "verbs": ["create"]},
    ]
    metadata = {"name": "somebody", "namespace": namespace}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
