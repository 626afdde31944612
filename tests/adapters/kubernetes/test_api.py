"""What is asked again, and with which credentials, over a server that answers by script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tidemill.adapters.kubernetes.access import Access
from tidemill.adapters.kubernetes.api import ApiError, KubernetesApi


@contextmanager
def server(valid: str) -> Iterator[tuple[ThreadingHTTPServer, list[tuple[str, str]]]]:
    """Lets in who shows the token `valid`; notes (path, token) of each request."""
    asked: list[tuple[str, str]] = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
            asked.append((self.path, shown))
            body = json.dumps({"message": "Unauthorized"} if shown != valid else {"metadata": {"name": "x"}}).encode()
            self.send_response(200 if shown == valid else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made, asked
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


class Tokens:
    def __init__(self, *tokens: str) -> None:
        self._left = list(tokens)

    def bearer(self) -> str:
        return self._left[0]

    def renew(self) -> bool:
        if len(self._left) > 1:
            self._left.pop(0)
            return True
        return False


def api(made: ThreadingHTTPServer, tokens: Tokens, prefix: str = "") -> KubernetesApi:
    return KubernetesApi(Access("127.0.0.1", made.server_port, "ns", None, tokens.bearer, tokens.renew, prefix))


def test_a_refused_token_is_renewed_and_asked_with_once_more() -> None:
    with server("new") as (made, asked):
        assert api(made, Tokens("old", "new")).get("v1", "Pod", "ns", "x") is not None
        assert [token for _, token in asked] == ["old", "new"]


def test_what_stays_refused_is_told_and_not_asked_for_ever() -> None:
    with server("new") as (made, asked):
        with pytest.raises(ApiError, match="401"):
            api(made, Tokens("old", "older", "oldest")).get("v1", "Pod", "ns", "x")
        assert [token for _, token in asked] == ["old", "older"]


def test_an_api_server_behind_a_path_is_asked_below_it() -> None:
    with server("new") as (made, asked):
        api(made, Tokens("new"), "/k8s/clusters/c-1").get("v1", "Pod", "ns", "x")
        assert asked == [("/k8s/clusters/c-1/api/v1/namespaces/ns/pods/x", "new")]
