"""What the controller costs with 10, 100 and 1,000 ModelLoops on a real API server (KUBECONFIG), and how fast it acts.

`tidemill controller` runs as a process here, in namespaced mode, with SQLite and a folder as storage. Its loops have
no data yet: each tick lists the storage, asks the state store and decides that there is nothing to do. Prints JSON:
CPU (cores) and memory of that process at rest and while specs change, seconds from a change to the tick that acted on
it, and how all of it grows. Makes a namespace of its own and deletes it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidemill.adapters.kubernetes.api import KubernetesApi

VERSION, KIND = "tidemill.dev/v1alpha1", "ModelLoop"
WINDOWS = ("5d", "6d")
PROFILE = """\
apiVersion: tidemill.dev/v1alpha1
kind: Profile
metadata: {{name: bench}}
spec:
  storage: {folder}/store
  state: sqlite:///{path}/state.db
  tracking: sqlite:///{path}/mlflow.db
  pipelines: {{kubeflow: {{endpoint: "http://127.0.0.1:9", steps: {{image: nobody/runs-this}}}}}}
  serving: {{deployments: {{image: nobody/runs-this}}}}
"""


class Process:
    """A `tidemill controller`, measured from /proc."""

    def __init__(self, folder: Path, namespace: str, every: str) -> None:
        profile = folder / "profile.yaml"
        profile.write_text(PROFILE.format(folder=folder.as_uri(), path=folder))
        command = [sys.executable, "-m", "tidemill.cli.main", "controller", "--profile", str(profile)]
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            health = f"http://127.0.0.1:{free.getsockname()[1]}/healthz"
        self._log = (folder / "log").open("w")
        self._ran = subprocess.Popen(
            [*command, "--namespace", namespace, "--every", every, "--health", health],
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._proc = Path(f"/proc/{self._ran.pid}")

    def cpu(self) -> float:
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, float]:
        lines = dict(line.split(":", 1) for line in (self._proc / "status").read_text().splitlines())
        return {
            name: round(int(lines[key].split()[0]) / 1024, 1) for name, key in (("rss", "VmRSS"), ("peak", "VmHWM"))
        }

    def threads(self) -> int:
        return len(list((self._proc / "task").iterdir()))

    def stop(self) -> float:
        began = time.perf_counter()
        self._ran.send_signal(signal.SIGTERM)
        try:
            self._ran.wait(70)
        finally:
            self._ran.kill()
            self._log.close()
        return round(time.perf_counter() - began, 2)


class Watch:
    """When each loop was first seen to have been acted on, by (name, generation)."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self.acted: dict[tuple[str, int], float] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._follow, daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                listed = self._api.list(VERSION, KIND, self._namespace, "")
                for found in listed["items"]:
                    self._saw(found)
                since = listed["metadata"]["resourceVersion"]
                for type, found in self._api.watch(VERSION, KIND, self._namespace, "", since):
                    if type != "BOOKMARK":
                        self._saw(found)
                    if self._ended.is_set():
                        return
            except Exception as error:  # such as a version that is too old: listed anew
                print(f"the watch goes on after: {error}", file=sys.stderr)
                self._ended.wait(0.2)

    def _saw(self, found: dict[str, Any]) -> None:
        observed = (found.get("status") or {}).get("observedGeneration")
        if observed is not None:
            self.acted.setdefault((found["metadata"]["name"], observed), time.perf_counter())

    def wait(self, wanted: set[tuple[str, int]], seconds: float) -> set[tuple[str, int]]:
        """Those that were not seen in time."""
        until = time.perf_counter() + seconds
        while (missing := wanted - self.acted.keys()) and time.perf_counter() < until:
            time.sleep(0.02)
        return missing


def loop(namespace: str, number: int) -> dict[str, Any]:
    return {
        "apiVersion": VERSION,
        "kind": KIND,
        "metadata": {"name": f"loop-{number}", "namespace": namespace},
        "spec": {
            "model": {"task": "binary-classification", "trainer": "m:train", "baseline": "m:base"},
            "data": {
                "source": {"parquet": "data/"}, "key": "id", "eventTime": "at",
                "label": {"column": "label", "arrivesAfter": "6h"},
            },
            "window": {"holdOut": WINDOWS[0]},
            "triggers": {"schedule": "0 4 * * 1", "newData": {"growth": "25%"}},
            "rollout": {
                "steps": [{"shadow": "100%", "minOutcomes": 1000}, {"canary": "10%", "minOutcomes": 500}],
                "judge": {"metrics": [{"metric": "log_loss", "margin": 0.005}]},
            },
        },
    }  # fmt: skip


def over(process: Process, seconds: float) -> float:
    """Cores that the process used in that time."""
    began, cpu = time.perf_counter(), process.cpu()
    time.sleep(seconds)
    return round((process.cpu() - cpu) / (time.perf_counter() - began), 3)


def change(api: KubernetesApi, watch: Watch, namespace: str, number: int, seconds: float, rate: float) -> list[float]:
    """Seconds from the API server's answer to the tick that acted, of specs changed at `rate` a second."""
    asked: dict[tuple[str, int], float] = {}
    windows: dict[int, int] = {}
    chosen = random.Random(7)
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        which = chosen.randrange(number)
        windows[which] = 1 - windows.get(which, 0)
        patch = {"spec": {"window": {"holdOut": WINDOWS[windows[which]]}}}
        found = api.merge(VERSION, KIND, namespace, f"loop-{which}", patch)
        key = (found["metadata"]["name"], found["metadata"]["generation"])
        asked[key] = time.perf_counter()
        time.sleep(max(0.0, now + 1 / rate - time.perf_counter()))
    watch.wait({max((k for k in asked if k[0] == name), key=lambda k: k[1]) for name, _ in asked}, 60)
    # A generation that the next one overtook counts until the tick that saw either.
    times = []
    for (name, generation), at in asked.items():
        seen = [t for (n, g), t in watch.acted.items() if n == name and g >= generation]
        times.append(max(0.0, min(seen) - at) if seen else float("inf"))
    return times


def wake(api: KubernetesApi, state: Path, namespace: str, number: int) -> list[float]:
    """Seconds from the annotation to the tick, as the state store has it."""
    times = []
    chosen = random.Random(11)
    query = "SELECT body FROM documents WHERE loop = ? AND kind = 'tick'"
    with closing(sqlite3.connect(state)) as store:
        for _ in range(20):
            name = f"loop-{chosen.randrange(number)}"
            asked = datetime.now(UTC)
            note = {"metadata": {"annotations": {"tidemill.dev/woken-at": asked.isoformat()}}}
            api.merge(VERSION, KIND, namespace, name, note)
            while True:
                found = store.execute(query, (f"{namespace}/{name}",)).fetchone()
                at = None if found is None else datetime.fromisoformat(json.loads(found[0])["at"])
                if at is not None and at > asked:
                    times.append((at - asked).total_seconds())
                    break
                if (datetime.now(UTC) - asked).total_seconds() > 60:
                    times.append(float("inf"))
                    break
                time.sleep(0.02)
    return times


def shares(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median": round(statistics.median(ordered), 3),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 3),
        "worst": round(ordered[-1], 3),
        "n": len(ordered),
    }


def measure(api: KubernetesApi, number: int, arguments: argparse.Namespace) -> dict[str, Any]:
    namespace = f"tidemill-bench-{uuid.uuid4().hex[:6]}"
    subprocess.run(["kubectl", "create", "namespace", namespace], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        watch = Watch(api, namespace)
        process = Process(folder, namespace, f"{arguments.every}s")
        try:
            began = time.perf_counter()
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(lambda n: api.create(loop(namespace, n)), range(number)))
            made = time.perf_counter() - began
            missing = watch.wait({(f"loop-{n}", 1) for n in range(number)}, 300)
            assert not missing, f"never acted on: {sorted(missing)[:5]}; {(folder / 'log').read_text()[-2000:]}"
            result: dict[str, Any] = {
                "loops": number,
                "seconds_to_create": round(made, 1),
                "seconds_until_all_were_kept": round(max(watch.acted.values()) - began, 1),
            }
            time.sleep(5)
            result["rest_cores"] = over(process, arguments.rest)
            result["rest_mib"] = process.memory()
            cpu, began = process.cpu(), time.perf_counter()
            times = change(api, watch, namespace, number, arguments.changes, arguments.rate)
            result["changes_cores"] = round((process.cpu() - cpu) / (time.perf_counter() - began), 3)
            result["change_to_action"] = shares(times)
            result["woken_to_action"] = shares(wake(api, folder / "state.db", namespace, number))
            result["mib"], result["threads"] = process.memory(), process.threads()
            return result
        finally:
            stopped = process.stop()
            print(f"{number} loops: stopped after {stopped} s", file=sys.stderr)
            watch.stop()
            clean(api, namespace, number)


def clean(api: KubernetesApi, namespace: str, number: int) -> None:
    """The controller is gone: its finalizers go by hand."""

    def delete(n: int) -> None:
        api.merge(VERSION, KIND, namespace, f"loop-{n}", {"metadata": {"finalizers": None}})
        api.delete(VERSION, KIND, namespace, f"loop-{n}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(delete, range(number)))
    subprocess.run(["kubectl", "delete", "namespace", namespace, "--wait=false"], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", default="10,100,1000")
    parser.add_argument("--every", type=int, default=60, help="seconds between two ticks of a loop that rests")
    parser.add_argument("--rest", type=float, default=120.0, help="seconds to look at rest")
    parser.add_argument("--changes", type=float, default=60.0, help="seconds of changes")
    parser.add_argument("--rate", type=float, default=5.0, help="changes a second")
    arguments = parser.parse_args()
    api = KubernetesApi()
    found = [measure(api, int(number), arguments) for number in arguments.loops.split(",")]
    first, last = found[0], found[-1]
    growth = {
        "loops": last["loops"] / first["loops"],
        "rest_cores": round(last["rest_cores"] / max(first["rest_cores"], 0.001), 1),
        "mib_a_loop": round((last["mib"]["rss"] - first["mib"]["rss"]) / max(1, last["loops"] - first["loops"]), 3),
    }
    goals = {"cores": 1.0, "mib": 500, "change_to_action": 5.0}
    print(json.dumps({"every": arguments.every, "load": os.getloadavg()[0], "results": found, "growth": growth,
                      "goals": goals}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
