"""Pods that ask one another by TCP, and whether this cluster's network enforces NetworkPolicies at all."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from cluster_world import PLATFORM_IMAGE, kubectl

_LISTEN = "import socket; s = socket.create_server(('', 8080))\nwhile True: s.accept()[0].close()"
_KNOCK = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
SECONDS = 30  # until a policy or a new Pod is known to the network


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str
    container: str = ""

    @property
    def ip(self) -> str:
        return kubectl("-n", self.namespace, "get", "pod", self.name, "-o", "jsonpath={.status.podIP}")

    def reaches(self, address: str, port: int) -> bool:
        """Whether a connection stands within three seconds."""
        chosen = ["-c", self.container] if self.container else []
        asked = ["kubectl", "-n", self.namespace, "exec", self.name, *chosen, "--"]
        done = subprocess.run(
            [*asked, "python3", "-c", _KNOCK, address, str(port)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or "TimeoutError" in done.stderr or "Refused" in done.stderr, done.stderr
        return done.returncode == 0


def listening(namespace: str, name: str, labels: dict[str, str] | None = None) -> Pod:
    """A Pod that takes connections on 8080, ready to be asked."""
    container = {
        "name": "listen", "image": PLATFORM_IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _LISTEN],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 0}
    spec["automountServiceAccountToken"] = False
    apply(
        namespace, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}}, "spec": spec}
    )
    kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    return Pod(namespace, name)


def apply(namespace: str, document: dict[str, Any]) -> None:
    command = ["kubectl", "-n", namespace, "apply", "-f", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(document), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def namespace(purpose: str) -> Iterator[str]:
    name = f"tidemill-policy-{purpose}-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def enforced() -> bool:
    """Asked of the cluster itself: a Pod that answers goes silent under a policy that lets nobody in."""
    with namespace("probe") as name:
        asked, asking = listening(name, "asked"), listening(name, "asking")
        address = asked.ip
        assert asking.reaches(address, 8080), "Pods of this cluster do not reach one another"
        deny = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}}
        apply(name, {**deny, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}})
        end = time.monotonic() + SECONDS
        while asking.reaches(address, 8080):
            if time.monotonic() > end:
                return False
            time.sleep(1)
        return True
