"""Labels handed to the Tidemill server: recorded there, or the caller hears that they are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scripted_http import reply, serving
from tidemill.adapters.remote_outcomes import RemoteOutcomes
from tidemill.loop.errors import LabelRefused, TemporaryError
from tidemill.loop.model import Receipt


class Server:
    def __init__(self, status: int = 200, body: Any = None, hang_up: int = 0) -> None:
        self.status, self.hang_up = status, hang_up
        self.body = {"new": 2, "duplicate": 0, "conflicting": 1} if body is None else body
        self.seen: list[tuple[str, str | None, Any]] = []

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.seen.append((handler.path, handler.headers["Authorization"], body))
        if self.hang_up:
            self.hang_up -= 1
            handler.close_connection = True
            return
        reply(handler, self.status, json.dumps(self.body).encode(), close=True)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    return tmp_path / "token"


def record(server: Callable[[BaseHTTPRequestHandler], None], token: Path) -> Receipt:
    with serving(server) as (host, port):
        return RemoteOutcomes(f"http://{host}:{port}/", "ns", "delay", token).record_pairs(["a", "b"], [1, 0])


def test_labels_reach_the_server_with_the_token_of_the_moment(token: Path) -> None:
    server = Server()
    with serving(server) as (host, port):
        outcomes = RemoteOutcomes(f"http://{host}:{port}", "ns", "delay", token)
        assert outcomes.record_pairs(["a", "b"], [1, 0]) == Receipt(2, 0, 1)
        token.write_text("rotated")
        outcomes.record(pd.DataFrame({"key": ["c", "d"], "label": [1.0, None]}), datetime.now(UTC), "http")
    path = "/v1/namespaces/ns/loops/delay/outcomes"
    assert server.seen[0] == (
        path, "Bearer first", {"outcomes": [{"key": "a", "label": 1}, {"key": "b", "label": 0}]}
    )  # fmt: skip
    assert server.seen[1] == (path, "Bearer rotated", {"outcomes": [{"key": "c", "label": 1.0}]})


def test_a_broken_connection_is_tried_again_once(token: Path) -> None:
    assert record(Server(hang_up=1), token) == Receipt(2, 0, 1)
    with pytest.raises(TemporaryError, match="send them again"):
        record(Server(hang_up=2), token)


def test_a_label_that_is_none_is_refused_in_the_servers_words(token: Path) -> None:
    with pytest.raises(LabelRefused, match="must be 0 or 1"):
        record(Server(400, {"error": "The label of key 'a' is 7: it must be 0 or 1."}), token)


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, {"error": "gateway may not create modelloops/outcomes"}), (500, "x"), (200, {"surprise": 1})],
)
def test_anything_else_means_that_they_are_to_be_sent_again(status: int, body: Any, token: Path) -> None:
    with pytest.raises(TemporaryError, match="of ns/delay could not be handed to the Tidemill server"):
        record(Server(status, body), token)


def test_an_absent_server_is_named(token: Path) -> None:
    with pytest.raises(TemporaryError, match=r"server at http://127\.0\.0\.1:1: .*refused"):
        RemoteOutcomes("http://127.0.0.1:1", "ns", "delay", token).record_pairs(["a"], [1])
