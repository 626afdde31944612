"""What the API answers, over either database."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from server_harness import LOOP, NOW, World, add_loop
from starlette.testclient import TestClient
from tidemill.loop.ports import Write


def test_a_namespace_lists_its_own_loops(client: TestClient, world: World) -> None:
    add_loop(world.state(), "gone", deleted_at=NOW.isoformat())
    assert client.get("/v1/namespaces/shop/loops").json() == {"loops": [{"namespace": "shop", "name": "visits"}]}
    assert client.get("/v1/namespaces/sho/loops").json() == {"loops": []}


def test_status_is_the_document_that_the_command_line_prints(client: TestClient, world: World) -> None:
    world.outcomes().record_pairs([("a", 1), ("b", 0)], NOW, "x")
    found = client.get(LOOP).json()
    assert found["loop"] == "visits"
    assert found["champion"]["version"] == "1"
    assert (found["rollout"]["challenger"], found["rollout"]["step"]) == ("2", "shadow 100%")
    assert found["partitions"] == {"admitted": 1, "quarantined": 1, "rows": 1200}
    assert found["outcomes"] == {"known": 2, "joined": 7}


def test_a_rollout_that_a_person_holds_is_paused_whatever_its_evidence_says(client: TestClient, world: World) -> None:
    state = world.state()
    rollout = state.get("visits", "rollout", "r1")
    assert rollout is not None
    state.transact("visits", [Write("rollout", "r1", {**rollout, "held": True})], [])
    found = client.get(LOOP).json()["rollout"]
    assert (found["status"], found["reason"]) == ("paused", "PausedByPerson")
    assert "`tidemill resume`" in found["message"] and "Version 2 is tried." in found["message"]


def test_history_comes_in_pages_and_by_event(client: TestClient) -> None:
    first = client.get(f"{LOOP}/history", params={"limit": 2}).json()
    assert [line["message"] for line in first["entries"]] == ["line 0", "line 1"]
    second = client.get(f"{LOOP}/history", params={"after": first["next"]}).json()
    assert [line["message"] for line in second["entries"]] == ["line 2"]
    assert second["next"] is None
    chosen = client.get(f"{LOOP}/history", params={"event": ["champion", "turn"]}).json()
    assert [line["event"] for line in chosen["entries"]] == ["champion.promoted", "turn.started"]
    last = client.get(f"{LOOP}/history", params={"last": 2}).json()
    assert [line["message"] for line in last["entries"]] == ["line 1", "line 2"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"after": "-1"}, {"last": "many"}, {"limit": "9" * 30}])
def test_a_page_that_is_no_number_is_refused(client: TestClient, query: dict[str, str]) -> None:
    answer = client.get(f"{LOOP}/history", params=query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["error"]


def test_outcomes_are_answered_as_the_gateway_does(client: TestClient, world: World) -> None:
    body = {"outcomes": [{"key": "a", "label": 1}, {"key": 7, "label": 0}]}
    assert client.post(f"{LOOP}/outcomes", json=body).json() == {"new": 2, "duplicate": 0, "conflicting": 0}
    again = {"outcomes": [{"key": "a", "label": 0}, {"key": "7", "label": 0}]}
    assert client.post(f"{LOOP}/outcomes", json=again).json() == {"new": 0, "duplicate": 1, "conflicting": 1}
    assert world.outcomes("lab/flights").count() == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"outcomes": [{"key": "a", "label": 2}]}, "must be 0 or 1"),
        ({"outcomes": [{"key": "a"}]}, "Outcome 0 needs a key and a label"),
        ({"labels": []}, 'Send {"outcomes"'),
        ([], "must be a JSON object"),
        ("no json", "not valid JSON"),
    ],
)
def test_outcomes_that_are_none_are_refused_whole(client: TestClient, world: World, body: Any, said: str) -> None:
    content = {"content": body} if isinstance(body, str) else {"json": body}
    answer = client.post(f"{LOOP}/outcomes", **content)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert world.outcomes().count() == 0


@pytest.mark.parametrize("what", ["train", "approve", "abort"])
def test_a_request_is_recorded_and_the_controller_woken(client: TestClient, world: World, what: str) -> None:
    answer = client.post(f"{LOOP}/requests", json={"what": what, "note": "why not", "by": "ann"})
    assert answer.status_code == 202
    assert answer.json()["woken"] is True
    (recorded,) = world.state().documents("visits", "request")
    assert (recorded["what"], recorded["by"], recorded["note"]) == (what, "ann", "why not")
    assert recorded["handled_at"] is None
    assert world.woken == [("shop", "visits")]


def test_a_partition_is_admitted_by_name(client: TestClient, world: World) -> None:
    assert client.post(f"{LOOP}/requests", json={"what": "admit", "partition": "2013-03-02"}).status_code == 202
    assert world.state().documents("visits", "request")[0]["target"] == "2013-03-02"


def test_what_is_unlike_history_is_admitted_from_a_day_on(client: TestClient, world: World) -> None:
    state = world.state()
    held = state.get("visits", "partition", "2013-03-02")
    assert held is not None
    state.put("visits", "partition", "2013-03-02", {**held, "reason": "UnlikeHistory"})
    assert client.post(f"{LOOP}/requests", json={"what": "admit", "since": "2013-03-01"}).status_code == 202
    (asked,) = state.documents("visits", "request")
    assert (asked["target"], asked["since"]) == ("2013-03-01", "2013-03-01")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"what": "dance"}, 400, "ask for one of train, approve"),
        ({}, 400, "ask for one of"),
        ({"what": "admit"}, 400, "which partition"),
        ({"what": "admit", "partition": "2013-03-02", "since": "2013-03-02"}, 400, "in place of"),
        ({"what": "admit", "since": "2013-03-03"}, 409, "unlike history alone"),
        ({"what": "train", "partition": "x"}, 400, "takes no partition"),
        ({"what": "train", "note": "x" * 2001}, 400, "at most 2000"),
        ({"what": "rollback"}, 409, "no earlier champion"),
        ({"what": "admit", "partition": "2013-03-01"}, 409, "holds back no partition"),
    ],
)
def test_a_request_that_has_no_place_is_refused(
    client: TestClient, world: World, body: dict[str, str], status: int, said: str
) -> None:
    answer = client.post(f"{LOOP}/requests", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert world.state().documents("visits", "request") == []
    assert world.woken == []


@pytest.mark.parametrize("path", ["", "/history"])
def test_an_unknown_loop_is_not_found_and_the_nearest_named(client: TestClient, path: str) -> None:
    answer = client.get(f"/v1/namespaces/shop/loops/visit{path}")
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is no loop 'visit' in namespace shop. Did you mean visits?"}
    assert client.get("/v1/namespaces/lab/loops/visits").status_code == 404, "another namespace's"


@pytest.mark.parametrize(
    "path", ["/v1/namespaces/a;b/loops", "/v1/namespaces/Shop/loops", "/v1/namespaces/shop/loops/x*"]
)
def test_what_cannot_be_a_name_is_not_asked_for(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "is not a valid name" in answer.json()["error"]


def test_a_body_that_is_too_large_is_not_read_on(client: TestClient) -> None:
    assert client.post(f"{LOOP}/requests", content=b"x" * (1 << 20 | 1)).status_code == 413
    parts = (b"x" * 65536 for _ in range(1000))
    answer = client.post(f"{LOOP}/outcomes", content=parts)
    assert answer.status_code == 413
    assert "8 MiB" in answer.json()["error"]


def test_wrong_ways_to_ask_are_json_too(client: TestClient) -> None:
    assert client.get("/v1/nothing").json() == {"error": "Not Found"}
    assert client.delete(LOOP).status_code == 405
    assert "error" in client.delete(LOOP).json()


def test_live_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"live": True}
    assert client.get("/readyz").json() == {"ready": True}


def test_metrics_count_the_changes_about_which_a_person_is_asked(client: TestClient, world: World) -> None:
    for id, state in (("unlike-1", "open"), ("unlike-2", "answered")):
        world.state().put("visits", "incident", id, {"id": id, "state": state})
    assert 'tidemill_loop_open_incidents{loop="visits",namespace="shop"} 1.0' in client.get("/metrics").text


def test_metrics_say_where_each_loop_stands(client: TestClient) -> None:
    client.get("/v1/secret/path")
    text = client.get("/metrics").text
    found = {(s.name, *sorted(s.labels.items())): s.value for f in text_string_to_metric_families(text)
             for s in f.samples}  # fmt: skip
    of = (("loop", "visits"), ("namespace", "shop"))
    assert found["tidemill_loop_champion_info", *of, ("reason", "Bootstrap"), ("version", "1")] == 1
    assert found["tidemill_loop_rollout_step", *of] == 1
    assert found["tidemill_loop_partitions", *of, ("status", "quarantined")] == 1
    assert found["tidemill_loop_turn_running", *of] == 0
    assert found["tidemill_loop_last_tick_timestamp_seconds", *of] == NOW.timestamp()
    assert ("tidemill_loop_turn_running", ("loop", "flights"), ("namespace", "lab")) in found
    assert found["tidemill_server_requests_total", ("endpoint", "unknown"), ("status", "404")] == 1
    assert "secret" not in text


def test_the_openapi_document_has_every_endpoint(client: TestClient, world: World) -> None:
    from tidemill.server.inbox import Inbox
    from tidemill.server.metrics import Metrics

    paths = client.get("/openapi.json").json()["paths"]
    api = world.api()
    routes = [*api.routes(), *Inbox(api, Metrics(api.catalog)).routes()]
    assert {(route.path, method.lower()) for route in routes for method in route.methods - {"HEAD"}} <= {
        (path, method) for path, operations in paths.items() for method in operations
    }
