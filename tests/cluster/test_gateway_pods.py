"""Requests through gateways to model servers, all of them Pods, while Pods are deleted and routes change."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import gateway_pods
import httpx
import pytest
from cluster_world import KUBECONFIG, SECONDS, Namespace, is_ready, namespace, wait_for
from gateway_harness import StillClock
from tidemill.loop.model import Arm, ModelVersion, Role, Route

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]


@pytest.fixture(scope="module")
def cluster(versions: dict[str, ModelVersion]) -> Iterator[Namespace]:
    with namespace({"real": versions["real"]}) as made:
        yield made


class Load:
    """Requests one after the other in a few threads; counts what came back."""

    def __init__(self, url: str) -> None:
        self.statuses: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.why: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        count = 0
        with httpx.Client(base_url=self._url, trust_env=False, timeout=20) as http:
            while not self._stop.is_set():
                count += 1
                try:
                    self._count(http.post("/v2/models/delay/infer", json={"inputs": inputs(f"{number}-{count}")}))
                except httpx.HTTPError as error:
                    self.statuses[repr(error)] += 1

    def _count(self, response: httpx.Response) -> None:
        self.statuses[str(response.status_code)] += 1
        if response.status_code == 200:
            self.versions[response.json()["model_version"]] += 1
            self.why += [why for why in [response.json()["parameters"].get("why")] if why]
        else:
            self.why.append(response.text)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def inputs(key: str) -> list[dict[str, object]]:
    return [
        {"name": "flight", "shape": [1], "datatype": "BYTES", "data": [key]},
        {"name": "departure", "shape": [1], "datatype": "BYTES", "data": ["2013-03-01T12:00:00Z"]},
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "distance", "shape": [1], "datatype": "FP64", "data": [500.0]},
    ]


def until(condition: object, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.2)


def test_no_request_is_lost_while_pods_go_and_routes_change(cluster: Namespace) -> None:
    one = replace(cluster.versions["real"], version="1")
    two = replace(one, version="2")
    serving = cluster.serving(StillClock(), least=2, most=2)
    for version in (one, two):
        wait_for(lambda version=version: serving.prepare(version), is_ready)  # type: ignore[misc]
    serving.set_route(Route("delay", (Arm("1", Role.CHAMPION, 1.0),)))
    url = gateway_pods.install(cluster)
    load = Load(url)
    until(lambda: load.versions["1"] > 50)

    for pod in cluster.kubectl("get", "pods", "-l", "tidemill.dev/version=1", "-o", "name").split():
        cluster.kubectl("delete", pod, "--wait=false")
        cluster.kubectl("rollout", "status", "deployment/delay-v1", "--timeout=120s")
    champion = Arm("1", Role.CHAMPION, 0.5, 1.0)
    serving.set_route(Route("delay", (champion, Arm("2", Role.CANARY, 0.5, 1.0)), ("1",)))
    until(lambda: load.versions["2"] > 50)
    for pod in cluster.kubectl("get", "pods", "-l", "app=tidemill-gateway", "-o", "name").split():
        cluster.kubectl("delete", pod)
        cluster.kubectl("rollout", "status", "deployment/tidemill-gateway", "--timeout=120s")
    serving.set_route(Route("delay", (Arm("2", Role.CHAMPION, 1.0),), ("1",)))
    seen = load.versions["2"]
    until(lambda: load.versions["2"] > seen + 100)
    load.stop()
    assert set(load.statuses) == {"200"}, (load.statuses, load.why[:5])
    assert load.why == [], "nothing fell back either"

    script = (
        "from datetime import *; from tidemill.adapters.log.stored import StoredPredictionLog as L;"
        f"f = L('file:///storage/{cluster.name}/delay/predictions')"
        ".read(datetime(2013,3,1,tzinfo=timezone.utc), datetime(2013,3,2,tzinfo=timezone.utc));"
        "print(int(f['served'].sum()), f['key'][f['served']].nunique())"
    )
    asked = load.statuses["200"]

    def logged() -> bool:
        said = cluster.kubectl("exec", "deployment/tidemill-gateway", "--", "python3", "-c", script).split()
        return said == [str(asked), str(asked)]

    until(logged, 30)
