"""Events are recorded before they are answered, once, whatever is sent again and whatever dies in between."""

from __future__ import annotations

from typing import Any

import pytest
from server_harness import LOOP, World
from starlette.testclient import TestClient
from tidemill.adapters.sql.catalog import LoopStore
from tidemill.server import inbox

EVENTS = "/v1/namespaces/shop/events"
ALERTS = "/v1/namespaces/shop/alerts"
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}


def event(**more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/s3",
        "type": "dev.tidemill.data.arrived",
        "loop": "visits",
        **more,
    }


def send(client: TestClient, **more: Any) -> Any:
    return client.post(EVENTS, json=event(**more), headers=STRUCTURED)


def test_data_that_arrived_wakes_the_loop_once(client: TestClient, world: World) -> None:
    first, again = send(client), send(client)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == {"id": "1", "source": "/s3", "loop": "visits", "duplicate": False, "woken": True}
    assert again.json()["duplicate"] is True
    assert world.woken == [("shop", "visits")]
    (kept,) = world.state().documents("visits", "event")
    assert (kept["event"], kept["source"], kept["done"]) == ("1", "/s3", True)
    assert world.state().documents("visits", "request") == []


def test_the_same_id_of_another_source_is_another_event(client: TestClient, world: World) -> None:
    assert not send(client).json()["duplicate"]
    assert not send(client, source="/other").json()["duplicate"]
    assert len(world.state().documents("visits", "event")) == 2


def test_a_request_to_train_becomes_one_request(client: TestClient, world: World) -> None:
    for _ in range(2):
        send(client, type="dev.tidemill.train.requested", note="new features")
    (request,) = world.state().documents("visits", "request")
    assert (request["what"], request["note"]) == ("train", "new features")


def test_binary_mode(client: TestClient, world: World) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "%e2%82%ac", "ce-source": "/kafka",
               "ce-type": "dev.tidemill.data.arrived", "ce-loop": "visits",
               "content-type": "application/octet-stream"}  # fmt: skip
    assert client.post(EVENTS, content=b"\x00whatever", headers=headers).status_code == 202
    assert world.state().documents("visits", "event")[0]["event"] == "€"


def test_a_batch_is_taken_whole_or_not_at_all(client: TestClient, world: World) -> None:
    good = [event(id="1"), event(id="2"), event(id="1")]
    answer = client.post(EVENTS, json=good, headers=BATCHED)
    assert [taken["duplicate"] for taken in answer.json()["events"]] == [False, False, True]
    bad = [event(id="3"), event(id="4", loop="vists")]
    answer = client.post(EVENTS, json=bad, headers=BATCHED)
    assert answer.status_code == 404
    assert "Did you mean visits?" in answer.json()["error"]
    assert len(world.state().documents("visits", "event")) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"loop": None, "subject": "visits"},
        {"loop": None, "subject": "lake/shop/visits/data/day=2013-03-01.parquet"},
        {"type": "com.amazonaws.s3.objectcreated.put", "loop": None, "subject": "shop/visits/data/a.parquet"},
        {"type": "minio", "source": "arrivals", "loop": None, "subject": "visits"},
        {"type": "google.cloud.storage.object.v1.finalized", "subject": "objects/x"},
    ],
)
def test_arrivals_of_object_stores_name_their_loop(client: TestClient, world: World, more: dict[str, Any]) -> None:
    sent = {name: value for name, value in event(**more).items() if value is not None}
    answer = client.post(EVENTS, json=sent, headers=STRUCTURED)
    assert answer.json().get("loop") == "visits", answer.text
    assert world.woken == [("shop", "visits")]


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"specversion": "0.3"}, 400, "specversion"),
        ({"id": ""}, 400, "no id"),
        ({"source": 7}, 400, "no source"),
        ({"type": "com.example.dance"}, 400, "does not handle events"),
        ({"loop": "", "subject": "some/where/else"}, 400, "names no loop"),
        ({"loop": "visit"}, 404, "Did you mean visits?"),
        ({"subject": "x" * 3000}, 400, "at most 2000"),
        ({"subject": {"a": 1}}, 400, "must be text"),
    ],
)
def test_what_is_no_event_for_a_loop_is_refused(
    client: TestClient, world: World, more: dict[str, Any], status: int, said: str
) -> None:
    answer = send(client, **more)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert world.state().documents("visits", "event") == []
    assert world.woken == []


def test_a_body_that_says_nothing_of_cloud_events_is_told_how(client: TestClient) -> None:
    answer = client.post(EVENTS, json={"hello": 1})
    assert answer.status_code == 400
    assert "application/cloudevents+json" in answer.json()["error"]
    assert (
        client.post(EVENTS, content=b"<x/>", headers={"content-type": "application/cloudevents+xml"}).status_code == 415
    )
    assert client.post(EVENTS, json=[event()] * 101, headers=BATCHED).status_code == 400


def test_an_event_recorded_by_a_server_that_died_is_acted_on_when_it_is_sent_again(
    world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded, asked, and then killed before it was marked: still one request."""

    def dies(store: LoopStore, received: dict[str, Any]) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(inbox.Inbox, "_done", staticmethod(dies))
        assert send(client, type="dev.tidemill.train.requested").status_code == 500
    world.clock.time = world.clock.time.replace(hour=13)
    assert send(client, type="dev.tidemill.train.requested").json()["duplicate"] is True
    assert len(world.state().documents("visits", "request")) == 1


def notification(*keys: str, sequencer: str = "17A") -> dict[str, Any]:
    """As MinIO posts it."""
    records = [
        {"eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2013-03-08T11:00:00Z",
         "eventName": "s3:ObjectCreated:Put",
         "s3": {"bucket": {"name": "lake"}, "object": {"key": key, "size": 7, "sequencer": sequencer}}}
        for key in keys
    ]  # fmt: skip
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"lake/{keys[0]}", "Records": records}


def test_an_object_stores_own_notification_is_understood(client: TestClient, world: World) -> None:
    body = notification("shop%2Fvisits%2Fdata%2Fday%3D2013-03-01.parquet", "shop/nothing-of-ours/x")
    (taken,) = client.post(EVENTS, json=body).json()["events"]
    assert (taken["loop"], taken["duplicate"]) == ("visits", False)
    assert client.post(EVENTS, json=body).json()["events"][0]["duplicate"] is True
    later = notification("shop/visits/data/day=2013-03-01.parquet", sequencer="17B")
    assert client.post(EVENTS, json=later).json()["events"][0]["duplicate"] is False
    assert world.woken == [("shop", "visits")] * 2
    assert client.post(EVENTS, json=notification("other/x")).json() == {"events": []}


def test_a_record_that_cannot_be_told_apart_is_refused(client: TestClient) -> None:
    body = notification("shop/visits/a")
    del body["Records"][0]["s3"]["object"]["key"]
    answer = client.post(EVENTS, json=body)
    assert answer.status_code == 400
    assert "'key'" in answer.json()["error"]


def alert(**more: Any) -> dict[str, Any]:
    labels = {"alertname": "HighLoss", "loop": "visits"} | more.pop("labels", {})
    return {"status": "firing", "labels": labels, "annotations": {"summary": "It loses."}, "fingerprint": "f1",
            "startsAt": "2013-03-08T11:00:00Z"} | more  # fmt: skip


def test_an_alert_becomes_one_line_of_the_history(client: TestClient, world: World) -> None:
    for _ in range(3):  # Alertmanager repeats itself
        answer = client.post(ALERTS, json={"version": "4", "alerts": [alert()]})
        assert answer.status_code == 202
    lines = client.get(f"{LOOP}/history", params={"event": "alert"}).json()["entries"]
    assert [(line["event"], line["reason"], line["message"]) for line in lines] == [
        ("alert.received", "Alert", "HighLoss: It loses.")
    ]
    assert world.state().documents("visits", "request") == []
    client.post(ALERTS, json={"alerts": [alert(startsAt="2013-03-09T11:00:00Z")]})
    assert len(client.get(f"{LOOP}/history", params={"event": "alert"}).json()["entries"]) == 2


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_only_an_alert_that_says_so_asks_for_a_turn(client: TestClient, world: World, where: str) -> None:
    for _ in range(2):
        client.post(ALERTS, json={"alerts": [alert(**{where: {"tidemill_action": "retrain"}})]})
    (request,) = world.state().documents("visits", "request")
    assert (request["what"], request["by"]) == ("train", "alertmanager")
    assert request["note"].startswith("HighLoss")
    assert world.woken == [("shop", "visits")]


def test_alerts_that_are_over_or_name_no_loop_are_let_pass(client: TestClient, world: World) -> None:
    alerts = [alert(status="resolved"), {"status": "firing", "labels": {"alertname": "NodeDown"}}]
    assert client.post(ALERTS, json={"alerts": alerts}).json() == {"alerts": []}
    assert world.state().documents("visits", "event") == []


def test_an_alert_for_a_loop_that_is_not_there_is_said_and_the_others_are_kept(
    client: TestClient, world: World
) -> None:
    stranger = alert(labels={"loop": "vists"}, fingerprint="f2")
    answer = client.post(ALERTS, json={"alerts": [stranger, alert()]})
    assert answer.status_code == 404
    assert "Did you mean visits?" in answer.json()["error"]
    assert len(world.state().documents("visits", "event")) == 1


@pytest.mark.parametrize("body", [{}, {"alerts": {}}, {"alerts": [1]}, {"alerts": [alert(fingerprint=None)]}])
def test_what_alertmanager_would_not_send_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post(ALERTS, json=body).status_code == 400
