"""A namespace of its own on a real cluster, with model files that Pods can read."""

from __future__ import annotations

import base64
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from gateway_harness import loop
from tidemill.adapters.artifact import local_folder
from tidemill.adapters.kubernetes.answering import answers
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.kubernetes.deployment_serving import DeploymentServing
from tidemill.adapters.kubernetes.model_deployment import ModelServing
from tidemill.loop.model import ModelVersion, Readiness
from tidemill.loop.ports import Clock

IMAGE = os.environ.get("E2E_MODEL_IMAGE", "tidemill/model-server:e2e")
PLATFORM_IMAGE = os.environ.get("E2E_PLATFORM_IMAGE", "tidemill/platform:e2e")
KUBECONFIG = os.environ.get("KUBECONFIG", "")
SECONDS = 180


class Namespace:
    """`files`: saved models by name; each is in a ConfigMap, and mounted into every Pod below /models."""

    def __init__(self, files: dict[str, ModelVersion]) -> None:
        self.api, self.name = KubernetesApi(), f"e2e-{uuid.uuid4().hex[:8]}"
        self.mounts: list[dict[str, str]] = []
        self.volumes: list[dict[str, Any]] = []
        kubectl("create", "namespace", self.name)
        kubectl("label", "namespace", self.name, "pod-security.kubernetes.io/enforce=restricted")
        self.versions = {name: self._put(name, version) for name, version in files.items()}

    def serving(self, clock: Clock, image: str = IMAGE, **more: Any) -> DeploymentServing:
        """Asks endpoints at their cluster address: the names are known to Pods alone."""
        settings = ModelServing(image, volumes=self.volumes, mounts=self.mounts, drain_seconds=1, **more)
        return DeploymentServing(loop(), self.name, settings, self.api, clock, ask=self.ask)

    def ask(self, endpoint: str, loop: str, version: str) -> str | None:
        name = str(urlsplit(endpoint).hostname).split(".")[0]
        service = self.api.get("v1", "Service", self.name, name)
        return (
            "no Service" if service is None else answers(f"http://{service['spec']['clusterIP']}:8080", loop, version)
        )

    def kubectl(self, *arguments: str) -> str:
        return kubectl("-n", self.name, *arguments)

    def _put(self, name: str, version: ModelVersion) -> ModelVersion:
        folder = local_folder(version.uri)
        content = {path.name: base64.b64encode(path.read_bytes()).decode() for path in folder.iterdir()}
        meta = {"name": f"model-{name}", "namespace": self.name}
        self.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "binaryData": content})
        self.volumes.append({"name": f"model-{name}", "configMap": {"name": f"model-{name}"}})
        for file in content:  # one by one: else they are links, and twice there
            path = f"/models/{name}/{file}"
            self.mounts.append({"name": f"model-{name}", "mountPath": path, "subPath": file})
        return replace(version, uri=f"file:///models/{name}")


@contextmanager
def namespace(files: dict[str, ModelVersion]) -> Iterator[Namespace]:
    made = Namespace(files)
    try:
        yield made
    finally:
        kubectl("delete", "namespace", made.name, "--wait=false")


def kubectl(*arguments: str) -> str:
    done = subprocess.run(["kubectl", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(state: Callable[[], Readiness], until: Callable[[Readiness], bool], seconds: float = SECONDS) -> Readiness:
    end = time.monotonic() + seconds
    while not until(now := state()):
        assert time.monotonic() < end, now
        time.sleep(0.5)
    return now


def is_ready(state: Readiness) -> bool:
    return state.ready
