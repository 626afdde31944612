"""kill -9 to the server under fire: whatever it had answered 202 to is there, and nothing is there twice."""

from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server_harness import add_loop
from tidemill.adapters.sql.state import SqlState

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
KILLS = 5


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return str(request.getfixturevalue("postgres").new_store())


class Server:
    """One that is started anew, at the same store, each time that it was killed."""

    def __init__(self, url: str) -> None:
        self._command = [sys.executable, "-m", "tidemill.cli.main", "server", "--state", url, "--port", "0"]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def test_what_was_answered_is_recorded_and_once(url: str) -> None:
    state = SqlState(url)
    add_loop(state, "shop/visits")  # type: ignore[arg-type]
    server = Server(url)
    numbers, answered, asked = itertools.count(), set(), set()

    def send(number: int) -> None:
        event = {"specversion": "1.0", "id": str(number), "source": "/fire", "type": "dev.tidemill.train.requested",
                 "loop": "visits"}  # fmt: skip
        asked.add(event["id"])
        try:
            headers = {"content-type": "application/cloudevents+json"}
            answer = httpx.post(f"{server.url}/v1/namespaces/shop/events", json=event, headers=headers, trust_env=False)
        except httpx.HTTPError:
            return
        if answer.status_code == 202:
            answered.add(event["id"])

    with ThreadPoolExecutor(4) as pool:
        for _ in range(KILLS):
            shots = [pool.submit(send, next(numbers)) for _ in range(40)]
            shots[15].result()
            server.kill()
            for shot in shots:
                shot.result()
            server.start()
        unanswered = asked - answered
        assert answered
        assert unanswered
        kept = [event["event"] for event in state.documents("shop/visits", "event")]
        assert len(kept) == len(set(kept))
        assert answered <= set(kept)
        list(pool.map(send, map(int, asked)))  # as senders do that deliver at least once
    server.kill()
    assert answered == asked
    assert len(state.documents("shop/visits", "event")) == len(asked)
    assert len(state.documents("shop/visits", "request")) == len(asked)
