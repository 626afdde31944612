"""What one look at a ModelLoop does, over a real state store and real turns; the API server is a double."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from controller_world import SPEC
from kept_loop import World
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.lease import Leases
from tidemill.adapters.sql.queries import overview
from tidemill.controller.keeper import BACK_OFF, SOON
from tidemill.loop.errors import TemporaryError, TidemillError


def test_a_loop_is_taken_from_its_data_to_a_champion_that_answers(world: World) -> None:
    world.make()
    assert world.look() == pytest.approx(SOON, rel=0.11)
    assert world.api.condition("Ready")["status"] == "False"
    assert world.api.condition("Training")["reason"] == "TurnRunning"
    world.look()
    status = world.api.loop()["status"]
    assert status["champion"]["version"] == "1"
    assert world.api.condition("Ready")["status"] == "True"
    assert status["observedGeneration"] == 1
    assert world.look() == pytest.approx(60.0, rel=0.11)


def test_ready_is_told_before_there_is_a_champion(world: World) -> None:
    world.make(history=False)
    assert world.look() == pytest.approx(60.0, rel=0.11)  # nothing to hurry for
    assert world.api.condition("Ready") == world.api.condition("Training") | {"type": "Ready"}
    assert world.api.condition("Ready")["reason"] == "TooLittleData"


def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    world.with_champion()
    world.look()
    world.api.writes.clear()
    world.look()
    assert world.api.writes == []


def test_a_condition_keeps_its_time_while_its_status_stays(world: World) -> None:
    world.with_champion()
    since = world.api.condition("Ready")["lastTransitionTime"]
    world.api.loop()["status"]["conditions"][0]["lastTransitionTime"] = "2019-01-01T00:00:00Z"
    assert world.api.condition("Ready")["lastTransitionTime"] != since
    world.ask("train")
    world.look()
    assert world.api.condition("Ready")["lastTransitionTime"] == "2019-01-01T00:00:00Z"


@pytest.mark.parametrize("spoil", [{"window": {"holdOut": "5 fortnights"}}, {"window": {"holdout": "5d"}}])
def test_a_spec_that_is_wrong_is_told_in_the_words_of_validate_and_not_tried_again(
    world: World, spoil: dict[str, Any]
) -> None:
    world.make({**SPEC, **spoil}, history=False)
    assert world.look() == pytest.approx(60.0, rel=0.11)
    told = world.api.condition("Reconciled")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    assert told["message"].startswith("modelloop/small: spec.window.hold")
    assert world.api.condition("Ready")["status"] == "Unknown"
    world.look()
    assert [event for event, _ in world.told] == ["spec.invalid"], "once"
    world.api.patch("ModelLoop", "small", {"window": {"holdOut": "5d", "holdout": None}})
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"
    assert world.api.loop()["status"]["observedGeneration"] == 2


def test_a_loop_that_is_paused_is_left_alone_until_the_note_goes(world: World) -> None:
    world.make()
    world.note("paused", "true")
    assert world.look() == pytest.approx(60.0, rel=0.11)
    assert world.api.condition("Reconciled")["reason"] == "Paused"
    assert world.documents("turn") == []
    world.note("paused", None)
    world.look()
    assert len(world.documents("turn")) == 1


@pytest.mark.parametrize("how", ["paused", "invalid"])
def test_a_loop_that_nothing_may_be_done_for_is_looked_after_all_the_same(world: World, how: str) -> None:
    """Alerts count the seconds since the last look: of the two, only a controller that is gone is one."""
    world.with_champion()
    world.state.put("team/small", "tick", "last", {"at": "2001-01-01T00:00:00+00:00"})
    if how == "paused":
        world.note("paused", "true")
    else:
        world.api.patch("ModelLoop", "small", {"window": {"holdOut": "never"}})
    world.look()
    assert world.api.condition("Reconciled")["reason"] == {"paused": "Paused", "invalid": "InvalidSpec"}[how]
    last = overview(world.database)["team/small"].last_tick
    assert last is not None and datetime.now(UTC) - datetime.fromisoformat(last) < timedelta(minutes=5)


def test_what_fails_is_tried_again_ever_later_and_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make()

    def away(*_: Any) -> Any:
        raise TemporaryError("The store does not answer.")

    monkeypatch.setattr(world.place, "context", away)
    pauses = [world.look() for _ in range(len(BACK_OFF) + 1)]
    assert pauses == [pytest.approx(pause, rel=0.11) for pause in (*BACK_OFF, BACK_OFF[-1])]
    assert world.api.condition("Reconciled")["reason"] == "Unavailable"
    assert world.told == [("tick.failed", "The store does not answer.")]


@pytest.mark.parametrize(("error", "reason"), [(TidemillError("No."), "Failed"), (KeyError("what"), "InternalError")])
def test_every_failure_is_a_condition(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    world.make()

    def fails(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(world.place, "context", fails)
    world.look()
    assert world.api.condition("Reconciled")["reason"] == reason


def test_a_loop_that_another_process_ticks_is_left_to_it(world: World) -> None:
    world.make()
    other = Leases(Database(f"sqlite:///{world.folder}/state.db"))
    with other.hold("team/small"):
        assert world.look() == pytest.approx(SOON, rel=0.11)
    assert "status" not in world.api.loop()
    world.look()
    assert world.api.condition("Reconciled")["status"] == "True"
