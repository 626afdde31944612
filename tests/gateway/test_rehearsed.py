"""A gateway that lives in a stated time answers whatever the store does that holds it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gateway_harness import Running, outputs
from tidemill.adapters import stated_clock
from tidemill.adapters.stated_clock import StatedClock
from tidemill.loop.model import Arm, ModelVersion, Role, Route

Start = Callable[..., Running]


def test_requests_are_answered_while_the_store_of_the_time_hangs(
    start: Start, versions: dict[str, ModelVersion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clock").write_text("2013-03-01T12:00:00Z")
    clock = StatedClock(str(tmp_path / "clock"))
    clock.look()
    running = start(clock=clock)
    assert running.prepare(versions["calm"]).ready
    running.gateway.set_route(Route("delay", (Arm("calm", Role.CHAMPION, 1.0),)))
    back = threading.Event()
    monkeypatch.setattr(stated_clock, "read_bytes", lambda uri: back.wait(60) and b"2013-03-02")
    hanging = threading.Thread(target=clock.look)
    hanging.start()
    try:
        assert outputs(running.infer(["a"]))["version"] == ["calm"]
    finally:
        back.set()
        hanging.join()
    assert running.rows()["at"].tolist() == [datetime(2013, 3, 1, 12, tzinfo=UTC)]


def test_where_no_time_was_ever_stated_the_answer_says_so(
    start: Start, versions: dict[str, ModelVersion], tmp_path: Path
) -> None:
    running = start(clock=StatedClock(str(tmp_path / "no clock")))
    assert running.prepare(versions["calm"]).ready
    running.gateway.set_route(Route("delay", (Arm("calm", Role.CHAMPION, 1.0),)))
    response = running.infer(["a"])
    assert response.status_code == 503
    assert "write an ISO 8601 moment there" in response.json()["error"]
