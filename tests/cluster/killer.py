"""Kills parts of an installation, of the cluster and of turns at random, by a seed: by SIGKILL, or by deleting a Pod.

SIGKILL needs the node's processes to be visible on this machine, as they are with a node in containers of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from installation import KUBEFLOW
from rehearsal import kubectl

PAUSE = 30.0  # seconds between two kills, at most: in less a cluster of one node does not find itself again
RESTARTS = 2  # of one Pod by SIGKILL: kubelet waits longer after each, and then there is nobody to kill
LOSSES = 3  # of Pods in one turn: it is given up after five attempts
_BY_FORCE = ("--grace-period=0", "--force")


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str
    uid: str
    ready: bool
    phase: str
    restarts: int
    labels: dict[str, str]
    text: str

    @property
    def run(self) -> str:
        return self.labels.get("pipeline/runid", "")

    @property
    def turn(self) -> str:
        found = re.search(r"/turns/([0-9a-f]+)", self.text)
        return found[1] if found else ""


@dataclass
class Killer:
    """Kills until `total` have been killed, or it is told to stop. `namespace` is the installation's."""

    namespace: str
    seed: int
    total: int
    tell: Callable[[str], None] = print
    killed: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)  # Pods killed in each
    runs: Counter[str] = field(default_factory=Counter)  # and in each of its attempts
    gateways: list[float] = field(default_factory=list)  # when each was killed, in seconds of time.monotonic

    def __post_init__(self) -> None:
        self._random, self._over = random.Random(self.seed), threading.Event()
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def done(self) -> bool:
        return self.killed.total() >= self.total

    def _work(self) -> None:
        ways: dict[str, Callable[[], bool]] = {
            "controller": lambda: self._process("tidemill controller"),
            "server": lambda: self._process("tidemill server"),
            "control plane's Pod": self._control_plane,
            "gateway": self._gateway,
            "helper process": self._helper,
            "API server": self._api_server,
            "pipeline Pod": self._pipeline_pod,
        }
        weights = {"API server": 1, "pipeline Pod": 8, "helper process": 4}
        while not self.done and not self._over.wait(self._random.uniform(5, PAUSE)):
            # Where there is nothing of one kind to kill just now, another is drawn.
            for kind in self._random.choices(list(ways), [weights.get(kind, 2) for kind in ways], k=4):
                try:
                    killed = ways[kind]()
                except (AssertionError, OSError, subprocess.TimeoutExpired):
                    break  # the API server is away
                if killed:
                    self.killed[kind] += 1
                    self.tell(f"killed: {kind} ({self.killed.total()} of {self.total})")
                    break

    def _process(self, words: str) -> bool:
        """Of the control plane's Pod."""
        for pod in self._pods(self.namespace, "app.kubernetes.io/component=control-plane"):
            if pod.restarts < RESTARTS:
                return kill_process(pod, words)
        return False

    def _helper(self) -> bool:
        """Where a tick, or the shipping of a log, is under way; there is none while nobody needs it."""
        pods = self._pods(self.namespace, "app.kubernetes.io/component in (control-plane,gateway)")
        self._random.shuffle(pods)
        return any(kill_process(pod, "tidemill.adapters.helper.child") for pod in pods)

    def _control_plane(self) -> bool:
        for pod in self._pods(self.namespace, "app.kubernetes.io/component=control-plane"):
            if pod.ready:
                kubectl("-n", self.namespace, "delete", "pod", pod.name, "--wait=false", *self._force())
                return True
        return False

    def _gateway(self) -> bool:
        """One of two that are ready. What it logged and has not shipped is on its Pod's disk, which outlives it."""
        pods = self._pods(self.namespace, "app.kubernetes.io/component=gateway")
        if len([pod for pod in pods if pod.ready]) < 2:
            return False
        pod = self._random.choice([pod for pod in pods if pod.ready])
        if pod.restarts < RESTARTS:
            killed = kill_process(pod, "tidemill gateway")
        else:
            kubectl("-n", self.namespace, "delete", "pod", pod.name, "--wait=false")
            killed = True
        if killed:
            self.gateways.append(time.monotonic())
        return killed

    def _pipeline_pod(self) -> bool:
        """One of each attempt of a turn, as long as attempts are left."""
        pods = [p for p in self._pods(KUBEFLOW, "pipeline/runid") if p.phase in ("Pending", "Running")]
        pods = [p for p in pods if p.turn and self.namespace in p.text and self.runs[p.run] == 0]
        pods = [p for p in pods if self.turns[p.turn] < LOSSES]
        if not pods:
            return False
        pod = self._random.choice(pods)
        kubectl("-n", KUBEFLOW, "delete", "pod", pod.name, "--wait=false", *self._force())
        self.runs[pod.run] += 1
        self.turns[pod.turn] += 1
        return True

    def _api_server(self) -> bool:
        for pid, words in _processes():
            if "kube-apiserver" in words[:2] or words[0].endswith("/kube-apiserver"):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def _force(self) -> tuple[str, ...]:
        return _BY_FORCE if self._random.random() < 0.5 else ()

    def _pods(self, namespace: str, selector: str) -> list[Pod]:
        found = json.loads(kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "json"))["items"]
        pods = [_pod(item) for item in found if not item["metadata"].get("deletionTimestamp")]
        return sorted(pods, key=lambda pod: pod.name)


def kill_process(pod: Pod, words: str) -> bool:
    """By SIGKILL, the process of a Pod whose command line holds the words."""
    for pid, command in _processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if words in " ".join(command).replace("/opt/tidemill/bin/", "") and pod.uid in _cgroup(pid):
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def can_kill_processes() -> bool:
    return os.geteuid() == 0 and any("kube-apiserver" in " ".join(words[:2]) for _, words in _processes())


def _processes() -> list[tuple[int, list[str]]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0]:
                found.append((int(folder.name), words))
    return found


def _cgroup(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().replace("_", "-")


def _pod(item: dict[str, Any]) -> Pod:
    metadata, status = item["metadata"], item.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    restarts = sum(c.get("restartCount", 0) for c in status.get("containerStatuses", []))
    return Pod(
        metadata["namespace"], metadata["name"], metadata["uid"], ready, status.get("phase", ""), restarts,
        metadata.get("labels", {}), json.dumps(item["spec"]),
    )  # fmt: skip
