"""The status document: what it says of why, and of what waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from small_world import Small, small
from stored import partition, turn
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.asking import ask
from tidemill.loop.plan import plan
from tidemill.loop.standing import standing
from tidemill.loop.tick import tick

NOW = datetime(2020, 2, 1, 7, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Small:
    return small(tmp_path)


@pytest.fixture
def state(tmp_path: Path) -> SqlState:
    return SqlState(f"sqlite:///{tmp_path}/state.db")


def stands(world: Small) -> dict[str, Any]:
    return standing(world.context.state, world.context.name, 0, NOW)


def a_turn(id: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return turn(id, status=status, reason=reason, message=message)


def test_what_waits_is_what_the_last_tick_said(world: Small) -> None:
    assert stands(world)["waiting"] == []
    report = tick(world.context, NOW)
    waiting = stands(world)["waiting"]
    assert [(w["event"], w["reason"], w["message"]) for w in waiting] == [
        (event.event, str(event.reason), event.message) for event in report.waiting
    ]
    assert "TooLittleData" in {w["reason"] for w in waiting}


def test_what_waits_is_written_where_it_changed_alone(world: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    tick(world.context, NOW)
    written: list[str] = []
    monkeypatch.setattr(world.context.state, "put", lambda _loop, kind, id, _document: written.append(f"{kind}/{id}"))
    tick(world.context, NOW + timedelta(minutes=1))
    assert written == []


def test_a_plan_leaves_what_waits_as_it_was(world: Small) -> None:
    plan(world.context, NOW)
    assert stands(world)["waiting"] == []


def test_a_request_is_told_of_until_a_tick_acted_on_it(world: Small) -> None:
    state, name = world.context.state, world.context.name
    state.put(name, "partition", "2020-01-02", partition("2020-01-02", status="quarantined"))
    ask(state, name, "admit", "ann", "looked", NOW, "2020-01-02")
    (asked,) = stands(world)["requests"]
    assert (asked["what"], asked["by"], asked["note"], asked["target"]) == ("admit", "ann", "looked", "2020-01-02")
    tick(world.context, NOW)
    assert stands(world)["requests"] == []


def test_a_failed_turn_is_told_of_while_the_next_one_runs(state: SqlState) -> None:
    state.put("small", "turn", "t1", a_turn("t1", "failed", "TrainerFailed", "No column x."))
    state.put("small", "turn", "t2", a_turn("t2", "running", "Manual", "A turn starts."))
    found = standing(state, "small", 0, NOW)
    assert found["turn"]["id"] == "t2"
    assert (found["last_failure"]["id"], found["last_failure"]["message"]) == ("t1", "No column x.")


def test_a_failed_turn_is_over_once_a_later_one_made_a_version(state: SqlState) -> None:
    state.put("small", "turn", "t1", a_turn("t1", "rejected", "SliceWorse", "Worse on x."))
    assert standing(state, "small", 0, NOW)["last_failure"]["reason"] == "SliceWorse"
    state.put("small", "turn", "t2", a_turn("t2", "accepted", "Accepted", "Better."))
    assert standing(state, "small", 0, NOW)["last_failure"] is None


def test_of_held_back_partitions_the_one_judged_last_says_why(state: SqlState) -> None:
    for id, status, reason, judged in [
        ("2020-01-02", "quarantined", "UnlikeHistory", "2020-01-09"),  # delivered again
        ("2020-01-03", "quarantined", "Empty", "2020-01-04"),
        ("2020-01-05", "admitted", "Admitted", "2020-01-10"),
    ]:
        judged_at = datetime.fromisoformat(judged).replace(tzinfo=UTC)
        document = partition(id, status=status, reason=reason, judged_at=judged_at)
        state.put("small", "partition", id, document)
    found = standing(state, "small", 0, NOW)
    assert found["partitions"]["quarantined"] == 2
    assert (found["last_quarantined"]["id"], found["last_quarantined"]["reason"]) == ("2020-01-02", "UnlikeHistory")
