"""What every way to serve does, whichever it is: versions made ready, routes kept, nothing unready routed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_world import KUBECONFIG, Namespace, is_ready, namespace, wait_for
from gateway_harness import Running, StillClock
from tidemill.adapters.embedded_serving import EmbeddedServing
from tidemill.adapters.route_file import RouteFile
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NotReady
from tidemill.loop.model import Arm, Calibrator, ModelVersion, Readiness, Role, Route
from tidemill.loop.ports import Serving

Versions = dict[str, ModelVersion]


class Embedded:
    def __init__(self, folder: Path, versions: Versions) -> None:
        self._folder, self.versions = folder, versions
        self._running: list[Running] = []

    def serving(self) -> Serving:
        """Of a process that has just begun."""
        self._running.append(Running(self._folder, "5s"))
        loader = self._running[-1].gateway.loader("delay")
        serving = EmbeddedServing("delay", RouteFile(self._folder / "routes"), loader)
        serving.restore()
        return serving

    def close(self) -> None:
        for running in self._running:
            running.close()


class Deployments:
    def __init__(self, cluster: Namespace) -> None:
        self._cluster = cluster
        self.versions = {name: replace(version, version=name) for name, version in cluster.versions.items()}

    def serving(self) -> Serving:
        return self._cluster.serving(StillClock())


@pytest.fixture(params=["embedded", pytest.param("deployments", marks=[pytest.mark.e2e, pytest.mark.cluster])])
def world(request: pytest.FixtureRequest, tmp_path: Path, versions: Versions) -> Iterator[Any]:
    chosen = {name: versions[name] for name in ("calm", "other")}
    if request.param == "embedded":
        embedded = Embedded(tmp_path, chosen)
        yield embedded
        embedded.close()
        return
    if not KUBECONFIG:
        pytest.skip("KUBECONFIG names no cluster")
    with namespace(dict.fromkeys(("calm", "other"), versions["real"])) as cluster:
        yield Deployments(cluster)


def route(champion: str, *fallback: str, **calibrator: Any) -> Route:
    return Route("delay", (Arm(champion, Role.CHAMPION, 1.0, 0.0, **calibrator),), fallback)


def ready(serving: Serving, version: ModelVersion) -> Readiness:
    return wait_for(lambda: serving.prepare(version), is_ready)


def test_a_prepared_version_gets_no_traffic_and_a_route_stays_what_was_set(world: Any) -> None:
    serving = world.serving()
    with pytest.raises(NotReady, match="calm"):
        serving.set_route(route("calm"))
    ready(serving, world.versions["calm"])
    assert serving.route("delay") is None
    assert serving.route("another") is None
    serving.set_route(route("calm"))
    assert serving.route("delay") == route("calm")

    ready(serving, world.versions["other"])
    correction = Calibrator("c", "other", 0.5, 1.0, StillClock().now())
    with_fallback = route("other", "calm", calibrator=correction)
    for _ in range(2):
        serving.set_route(with_fallback)
        assert serving.route("delay") == with_fallback
    assert world.serving().route("delay") == with_fallback, "a restarted process serves the last route"


def test_files_that_changed_are_found_out_and_never_routed(world: Any) -> None:
    serving = world.serving()
    changed = replace(world.versions["calm"], digest="sha256:0")
    state = wait_for(lambda: serving.prepare(changed), lambda state: state.reason is Reason.ARTIFACT_CHANGED)
    assert not state.ready
    with pytest.raises(NotReady, match="not what was registered"):
        serving.set_route(route("calm"))
    assert serving.route("delay") is None
