"""A gateway that follows a cluster's routes: which loops it serves, and which route of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gateway_models as models
import httpx
import pytest
from gateway_harness import StillClock, loop, model_server, outputs
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.remote_outcomes import RemoteOutcomes
from tidemill.adapters.route_document import RouteDocument, dumps
from tidemill.gateway.cluster import PATIENCE, ClusterFollower
from tidemill.gateway.listening import Listener
from tidemill.gateway.server import Gateway
from tidemill.loop.model import Arm, ModelVersion, Role, Route

Versions = dict[str, ModelVersion]
AWAY = "http://127.0.0.1:1"


class Cluster:
    """A gateway, a clock that is moved by hand, and model servers."""

    def __init__(self, folder: Path, versions: Versions) -> None:
        self.versions, self.time, self.unlisted = versions, 0.0, list[str]()
        self.down: list[str] = []
        self.labels = True
        self.gateway = Gateway({}, None, None, StillClock())
        self.follower = ClusterFollower(
            self.gateway,
            "ns",
            lambda ns, name: (ParquetPredictionLog(folder / ns / name), self.outcomes(ns, name)),
            lambda: self.unlisted,
            lambda: self.down,
            lambda: self.time,
        )
        self.gateway.start()
        self.http = httpx.Client(base_url=self.gateway.url, trust_env=False, timeout=30)
        self.servers: list[Listener] = []

    def outcomes(self, namespace: str, loop: str) -> RemoteOutcomes | None:
        return RemoteOutcomes(AWAY, namespace, loop, None) if self.labels else None

    def serve(self, version: str, name: str = "delay") -> str:
        self.servers.append(model_server(self.versions[version], name))
        return self.servers[-1].url

    def text(self, endpoints: dict[str, str], *fallback: str, timeout: str = "5s", name: str = "delay") -> str:
        champion = next(version for version in endpoints if version not in fallback)
        route = Route(name, (Arm(champion, Role.CHAMPION, 1.0),), fallback)
        return self.document(route, endpoints, timeout, name)

    def document(self, route: Route | None, endpoints: dict[str, str], timeout: str = "5s", name: str = "delay") -> str:
        versions = {version: self.versions[version] for version in endpoints}
        spec = loop(timeout, name).model_dump(by_alias=True, mode="json")
        return dumps(RouteDocument(route, versions, endpoints, spec))

    def infer(self, model: str = "delay") -> httpx.Response:
        inputs = [
            {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
            {"name": "distance", "shape": [1], "datatype": "FP64", "data": [500.0]},
        ]
        return self.http.post(f"/v2/models/{model}/infer", json={"inputs": inputs})

    def version(self, model: str = "delay") -> Any:
        return outputs(self.infer(model))["version"][0]

    def ready(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get("/v2/health/ready").json()
        return answer


@pytest.fixture
def cluster(tmp_path: Path, versions: Versions) -> Iterator[Cluster]:
    models.gate.clear()
    cluster = Cluster(tmp_path, versions)
    yield cluster
    models.gate.set()
    cluster.http.close()
    cluster.gateway.stop()
    for server in cluster.servers:
        server.stop()


def test_loops_come_change_and_go(cluster: Cluster) -> None:
    assert cluster.infer().status_code == 404
    calm, other = cluster.serve("calm"), cluster.serve("other")
    cluster.follower.changed(("ns", "delay"), cluster.text({"calm": calm}))
    assert cluster.follower.step() == [("ns", "delay")]
    assert cluster.version() == "calm"
    cluster.follower.changed(("ns", "delay"), cluster.text({"other": other}))
    cluster.follower.step()
    assert cluster.version() == "other"
    cluster.follower.changed(("ns", "delay"), None)
    cluster.follower.step()
    assert cluster.infer().status_code == 404


def test_labels_are_handed_on_or_where_none_are_taken_refused_with_where_they_go(cluster: Cluster) -> None:
    labels = {"outcomes": [{"key": "a", "label": 1}]}
    for taken, status, said in ((True, 503, "could not be handed"), (False, 403, "takes no labels. Send them to")):
        cluster.labels = taken
        cluster.follower.changed(("ns", "delay"), None)
        cluster.follower.step()
        cluster.follower.changed(("ns", "delay"), cluster.text({"calm": cluster.serve("calm")}))
        cluster.follower.step()
        answer = cluster.http.post("/v2/models/delay/outcomes", json=labels)
        assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text


def test_loops_of_other_namespaces_carry_their_namespace(cluster: Cluster) -> None:
    cluster.follower.changed(("team", "delay"), cluster.text({"calm": cluster.serve("calm")}))
    cluster.follower.step()
    assert cluster.version("team.delay") == "calm"
    assert cluster.infer("delay").status_code == 404


def test_a_route_to_where_nobody_answers_yet_does_not_replace_the_live_one(cluster: Cluster) -> None:
    key, calm = ("ns", "delay"), cluster.serve("calm")
    cluster.follower.changed(key, cluster.text({"calm": calm}))
    cluster.follower.step()
    cluster.follower.changed(key, cluster.text({"other": AWAY}))
    assert cluster.follower.step() == []
    assert cluster.version() == "calm"
    assert cluster.follower.pending() == 1
    cluster.time += 2 * PATIENCE
    cluster.follower.step()
    assert cluster.version() == "calm", "a champion that is away never replaces one that answers"
    cluster.time += PATIENCE
    cluster.follower.changed(key, cluster.text({"other": cluster.serve("other")}))
    assert cluster.follower.step() == [key]
    assert cluster.version() == "other"


def test_a_rollback_does_not_wait_for_versions_that_are_known(cluster: Cluster) -> None:
    key, calm, other = ("ns", "delay"), cluster.serve("calm"), cluster.serve("other")
    cluster.follower.changed(key, cluster.text({"other": other, "calm": calm}, "calm"))
    cluster.follower.step()
    cluster.servers[-1].stop()  # the champion's, gone
    cluster.follower.changed(key, cluster.text({"calm": calm, "other": other}, "other"))
    assert cluster.follower.step() == [key]
    assert cluster.version() == "calm"


def test_a_rollback_waits_for_a_fallback_that_is_away_only_so_long(cluster: Cluster) -> None:
    key, calm = ("ns", "delay"), cluster.serve("calm")
    cluster.follower.changed(key, cluster.text({"other": cluster.serve("other")}))
    cluster.follower.step()
    cluster.follower.changed(key, cluster.text({"calm": calm, "raises": AWAY}, "raises"))
    cluster.follower.step()
    assert cluster.version() == "other"
    cluster.time += PATIENCE + 1
    cluster.follower.step()
    assert cluster.version() == "calm"
    assert cluster.follower.pending() == 1, "the fallback is still waited for"


def test_after_a_restart_what_stands_is_served_at_once(cluster: Cluster) -> None:
    endpoints = {"calm": cluster.serve("calm"), "other": AWAY}
    route = Route("delay", (Arm("calm", Role.CHAMPION, 0.5), Arm("other", Role.CANARY, 0.5)))
    cluster.follower.changed(("ns", "delay"), cluster.document(route, endpoints))
    assert cluster.follower.step() == []
    assert cluster.version() == "calm"


def test_what_stands_in_for_a_champion_that_is_away_answers_as_a_fallback(cluster: Cluster) -> None:
    cluster.follower.changed(("ns", "delay"), cluster.text({"other": AWAY, "calm": cluster.serve("calm")}, "calm"))
    cluster.follower.step()
    assert cluster.version() == "calm"
    assert cluster.infer().json()["parameters"]["why"] == "version other cannot serve"


def test_a_changed_spec_holds_from_the_next_request_on(cluster: Cluster) -> None:
    endpoints = {"blocked": cluster.serve("blocked"), "other": cluster.serve("other")}
    cluster.follower.changed(("ns", "delay"), cluster.text(endpoints, "other", timeout="300ms"))
    cluster.follower.step()
    assert cluster.version() == "other", "the champion sits at the gate for longer"
    assert cluster.gateway.loader("delay").timeout == 0.3
    cluster.follower.changed(("ns", "delay"), cluster.text(endpoints, "other", timeout="400ms"))
    cluster.follower.step()
    assert cluster.gateway.loader("delay").timeout == 0.4


def test_a_document_that_cannot_be_read_leaves_the_live_route(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    key, text = ("ns", "delay"), cluster.text({"calm": cluster.serve("calm")})
    cluster.follower.changed(key, text)
    cluster.follower.step()
    for broken in ("", "{", '{"format": 2}', text.replace('"timeout"', '"tmeout"')):
        cluster.follower.changed(key, broken)
        cluster.follower.step()
        assert cluster.version() == "calm"
    assert caplog.text.count("the route of ns/delay is not followed") == 4


def test_it_is_ready_when_the_routes_of_the_start_are_live(cluster: Cluster) -> None:
    cluster.unlisted = ["ns"]
    assert cluster.ready() == {"ready": False, "waiting": ["the routes of ns"]}
    cluster.unlisted = []
    assert cluster.ready()["ready"], "an installation without loops"
    cluster.follower.changed(("ns", "delay"), cluster.text({"calm": AWAY}))
    cluster.follower.step()
    assert cluster.ready() == {"ready": False, "waiting": ["delay"]}
    cluster.time += PATIENCE + 1
    assert cluster.ready()["ready"], "one loop whose models are away does not keep the others from being served"


def test_it_does_not_wait_for_an_api_server_that_is_away_if_it_remembers_routes(cluster: Cluster) -> None:
    cluster.unlisted = cluster.down = ["ns"]
    assert not cluster.ready()["ready"], "it knows nothing"
    cluster.follower.changed(("ns", "delay"), cluster.text({"calm": cluster.serve("calm")}))
    cluster.follower.step()
    assert cluster.ready()["ready"]
    cluster.down = []
    assert cluster.ready()["waiting"] == ["the routes of ns"], "the list is on its way: there may be more"


def test_a_loop_that_has_no_route_yet_keeps_nobody_waiting(cluster: Cluster) -> None:
    cluster.follower.changed(("ns", "delay"), cluster.document(None, {}))
    assert cluster.follower.step() == [("ns", "delay")]
    assert cluster.ready()["ready"]
    assert cluster.infer().status_code == 503


def test_a_draining_gateway_is_unready_and_sends_its_clients_elsewhere(cluster: Cluster) -> None:
    cluster.follower.changed(("ns", "delay"), cluster.text({"calm": cluster.serve("calm")}))
    cluster.follower.step()
    assert cluster.infer().headers.get("connection") != "close"
    cluster.gateway.unready()
    assert cluster.http.get("/v2/health/ready").status_code == 503
    response = cluster.infer()
    assert (response.status_code, response.headers["connection"]) == (200, "close")


def test_the_digest_of_the_route_is_what_its_endpoint_must_serve(cluster: Cluster) -> None:
    cluster.versions = {**cluster.versions, "calm": replace(cluster.versions["calm"], digest="sha256:other")}
    url = model_server(replace(cluster.versions["other"], version="calm"), "delay")
    cluster.servers.append(url)
    cluster.follower.changed(("ns", "delay"), cluster.text({"calm": url.url}))
    assert cluster.follower.step() == []
    assert cluster.infer().status_code == 503
