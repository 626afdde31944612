"""Following routes through what a watch lives through: ends, resets, forgotten versions, an absent server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from scripted_http import reply, serving
from tidemill.adapters.kubernetes import route_watch
from tidemill.adapters.kubernetes.access import Access
from tidemill.adapters.kubernetes.api import KubernetesApi
from tidemill.adapters.kubernetes.route_watch import RouteWatch


def item(loop: str, text: str, version: int, namespace: str = "ns") -> dict[str, Any]:
    meta = {"name": f"tidemill-route-{loop}", "namespace": namespace, "resourceVersion": str(version)}
    return {"metadata": meta, "data": {"route.json": text}}


class Script:
    """An API server of ConfigMaps. `events` is what the next watches say: a list is one watch, then it ends."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 1
        self.watches: Queue[list[dict[str, Any]]] = Queue()
        self.since: list[str] = []
        self.lists = 0
        self.status = 200

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        assert query["labelSelector"] == ["tidemill.dev/part=route"]
        if self.status != 200:
            reply(handler, self.status, json.dumps({"message": "configmaps is forbidden"}).encode())
        elif "watch" not in query:
            self.lists += 1
            body = {"metadata": {"resourceVersion": str(self.version)}, "items": self.items}
            reply(handler, 200, json.dumps(body).encode())
        else:
            self.since.append(query["resourceVersion"][0])
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            for event in self.watches.get():
                handler.wfile.write(json.dumps(event).encode() + b"\n")
            handler.close_connection = True


class Heard:
    def __init__(self) -> None:
        self.now: dict[tuple[str, str], str | None] = {}
        self.changed = threading.Condition()

    def __call__(self, key: tuple[str, str], text: str | None) -> None:
        with self.changed:
            self.now[key] = text
            self.changed.notify_all()

    def wait_for(self, **expected: str | None) -> None:
        wanted = {("ns", loop): text for loop, text in expected.items()}
        with self.changed:
            assert self.changed.wait_for(lambda: wanted.items() <= self.now.items(), 10), self.now


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_watch, "_SHORTEST", 0.01)
    monkeypatch.setattr(route_watch, "_LONGEST", 0.05)


@pytest.fixture
def stop() -> Any:
    event = threading.Event()
    yield event
    event.set()


def watch(address: tuple[str, int], cache: Path, heard: Heard, stop: threading.Event) -> RouteWatch:
    watch = RouteWatch(KubernetesApi(Access(*address, "ns", None)), ["ns"], cache, heard, stop)
    watch.start()
    return watch


def test_what_is_there_and_what_happens_is_told(tmp_path: Path, stop: threading.Event) -> None:
    script, heard = Script(), Heard()
    script.items = [item("a", "1", 1), item("b", "1", 1)]
    with serving(script) as address:
        following = watch(address, tmp_path, heard, stop)
        heard.wait_for(a="1", b="1")
        script.watches.put(
            [
                {"type": "MODIFIED", "object": item("a", "2", 5)},
                {"type": "DELETED", "object": item("b", "1", 6)},
                {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}},
            ]
        )
        heard.wait_for(a="2", b=None)
        until(lambda: len(script.since) == 2)
        assert script.since == ["1", "9"], "a watch that ended goes on where it was"
        assert following.unlisted == []
        script.watches.put([])
    assert [path.name for path in tmp_path.glob("*/*")] == ["a.json"]


def test_versions_that_the_server_forgot_are_listed_anew(tmp_path: Path, stop: threading.Event) -> None:
    script, heard = Script(), Heard()
    script.items = [item("a", "1", 1), item("b", "1", 1)]
    with serving(script) as address:
        watch(address, tmp_path, heard, stop)
        heard.wait_for(a="1", b="1")
        script.items, script.version = [item("a", "2", 20)], 20
        script.watches.put([{"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}])
        heard.wait_for(a="2", b=None)
        until(lambda: len(script.since) == 2)
        assert (script.since, script.lists) == (["1", "20"], 2)
        script.watches.put([])


def test_an_absent_server_leaves_everything_as_it_was_and_is_followed_again(
    tmp_path: Path, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    script, heard = Script(), Heard()
    script.items = [item("a", "1", 1)]
    with serving(script) as address:
        following = watch(address, tmp_path, heard, stop)
        heard.wait_for(a="1")
        script.watches.put([])
    until(lambda: following.down == ["ns"])
    assert heard.now == {("ns", "a"): "1"}
    script.watches = Queue()
    with serving(script, address[1]):
        script.watches.put([{"type": "MODIFIED", "object": item("a", "2", 7)}])
        heard.wait_for(a="2")
        until(lambda: following.down == [])
        script.watches.put([])
    assert caplog.text.count("are not followed, the last ones are served on") >= 1


def test_a_gateway_restarted_while_the_server_is_away_knows_the_last_routes(
    tmp_path: Path, stop: threading.Event
) -> None:
    script, heard = Script(), Heard()
    script.items = [item("a", "1", 1)]
    with serving(script) as address:
        watch(address, tmp_path, heard, stop)
        heard.wait_for(a="1")
        stop.set()
        script.watches.put([])
    again = Heard()
    following = watch(address, tmp_path, again, threading.Event())
    assert again.now == {("ns", "a"): "1"}, "at once"
    assert following.unlisted == ["ns"]
    script.items = []
    with serving(script, address[1]):
        again.wait_for(a=None)
        script.watches.put([])


def test_being_forbidden_is_said_with_the_servers_own_words(
    tmp_path: Path, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    script.status = 403
    with serving(script) as address:
        following = watch(address, tmp_path, Heard(), stop)
        until(lambda: following.down == ["ns"])
    assert "configmaps is forbidden" in caplog.text
    assert following.unlisted == ["ns"]
