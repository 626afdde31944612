"""The loop as a whole on in-process ports: real decisions, real state, a world of a few months."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from small_world import Small, SmallWorld, deliver, events, model_loop, small, write_project
from tidemill.decisions.verdict import Reason
from tidemill.loop.errors import NothingToDo
from tidemill.loop.plan import plan
from tidemill.loop.requests import ask
from tidemill.loop.tick import settle, tick


def live(it: Small, days: int) -> None:
    it.replay.bootstrap()
    for _, _day in zip(range(days), it.replay.days(), strict=False):
        pass


def test_the_first_turn_needs_no_signal_and_its_model_serves_at_once(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    champion = it.context.state.get("small", "champion", "current")
    assert champion is not None
    assert champion["reason"] == Reason.BOOTSTRAP
    route = it.plane.route("small")
    assert route is not None
    assert [arm.version for arm in route.arms] == [champion["version"]]
    assert it.registry.aliases("small") == {"champion": champion["version"]}


def test_too_little_data_trains_nothing_and_says_what_is_missing(tmp_path: Path) -> None:
    it = small(tmp_path, loop=model_loop(evaluation={"accept": {"minRows": 100_000}}))
    reports = it.replay.bootstrap()
    assert [event.reason for event in reports[-1].waiting if event.event == "turn.waiting"] == [Reason.TOO_LITTLE_DATA]
    assert it.context.state.documents("small", "turn") == []
    assert not any("nothing has arrived" in event.message for event in reports[-1].waiting)


def test_a_loop_without_data_says_where_it_looks_for_it(tmp_path: Path) -> None:
    it = small(tmp_path)
    said = [event.message for event in tick(it.context, it.clock.now()).waiting]
    assert any(f"nothing has arrived at {it.context.ports.source.place}" in message for message in said), said


def test_an_honest_challenger_goes_through_shadow_and_canary_and_is_promoted(tmp_path: Path) -> None:
    it = small(tmp_path)
    live(it, 59)
    assert [line["event"] for line in events(it.context, "rollout.advanced", "champion.promoted")][:3] == [
        "rollout.advanced",
        "rollout.advanced",
        "champion.promoted",
    ]
    champion = it.context.state.get("small", "champion", "current")
    assert champion is not None
    assert champion["previous"] is not None


def test_a_challenger_spoilt_after_its_evaluation_is_never_promoted(tmp_path: Path) -> None:
    class Upside:
        def __init__(self, model: object) -> None:
            self.model = model

        def predict_proba(self, X: pd.DataFrame) -> object:
            return self.model.predict_proba(X)[:, ::-1]  # type: ignore[attr-defined]

    it = small(tmp_path)

    def spoil(_turn: str, status: object) -> None:
        version = status.result["register"]["version"]  # type: ignore[attr-defined]
        found = it.registry.get("small", version)
        if len(it.context.state.documents("small", "turn")) > 1:
            it.registry.replace(found, Upside(it.registry.load(found)))

    it.replay.finished = spoil
    live(it, 45)
    rollouts = it.context.state.documents("small", "rollout")
    assert rollouts
    assert {rollout["status"] for rollout in rollouts} <= {"aborted", "running"}
    assert rollouts[0]["reason"] == Reason.WORSE
    assert len(it.context.state.documents("small", "reign")) == 1


def test_a_quarantined_day_is_never_trained_on(tmp_path: Path) -> None:
    broken = date(2020, 2, 10)
    it = small(tmp_path, SmallWorld(corrupt={broken: lambda batch: batch.assign(x=batch["x"] * 1000)}))
    live(it, 40)
    partition = it.context.state.get("small", "partition", str(broken))
    assert partition is not None
    assert partition["status"] == "quarantined"
    turns = it.context.state.documents("small", "turn")
    assert len(turns) > 1
    assert all(str(broken) not in turn["partitions"] for turn in turns)


def test_a_shift_of_the_base_rate_is_mended_by_a_correction(tmp_path: Path) -> None:
    it = small(tmp_path, SmallWorld(turn=date(2020, 2, 5)), model_loop(triggers={}))
    live(it, 35)
    assert events(it.context, "calibrator.serving")
    route = it.plane.route("small")
    assert route is not None
    calibrator = route.arms[0].calibrator
    assert calibrator is not None
    assert calibrator.intercept > 0.5
    assert len(it.context.state.documents("small", "turn")) == 1


def test_a_tick_run_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    it = small(tmp_path)
    live(it, 20)
    before = it.context.state.ledger("small")
    report = tick(it.context, it.clock.now())
    assert report.events == ()
    assert it.context.state.ledger("small") == before


def test_a_plan_changes_nothing_and_foretells_what_the_tick_does(tmp_path: Path) -> None:
    it = small(tmp_path)
    live(it, 10)
    day = date(2020, 2, 11)
    deliver(tmp_path / "data", day, it.world.delivered(day))
    now = datetime(2020, 2, 12, 7, tzinfo=UTC)
    files = sorted(path for path in tmp_path.rglob("*") if "state.db" not in path.name)
    before = it.context.state.ledger("small")
    foretold = plan(it.context, now)
    assert it.context.state.ledger("small") == before
    assert sorted(path for path in tmp_path.rglob("*") if "state.db" not in path.name) == files
    happened = tick(it.context, now)
    assert [event.event for event in foretold.events] == [event.event for event in happened.events]
    assert [event.event for event in happened.events] == ["partition.admitted"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda batch: batch.iloc[:0], Reason.EMPTY),
        (lambda batch: batch.drop(columns="x"), Reason.SCHEMA_CHANGED),
        (lambda batch: batch.assign(x=batch["x"].map("{:.2f} km".format)), Reason.SCHEMA_CHANGED),
        (lambda batch: batch.assign(at=batch["at"] + timedelta(days=400)), Reason.IN_THE_FUTURE),
    ],
)
def test_a_broken_delivery_is_quarantined_with_its_reason(tmp_path: Path, spoil: object, reason: Reason) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    day = date(2020, 2, 1)
    deliver(tmp_path / "data", day, spoil(it.world.delivered(day)))  # type: ignore[operator]
    report = tick(it.context, datetime(2020, 2, 2, 7, tzinfo=UTC))
    assert [(event.event, event.reason) for event in report.events] == [("partition.quarantined", reason)]


def test_a_partition_of_a_day_to_come_is_held_and_judged_again_when_the_day_is_over(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    day = date(2020, 2, 3)
    deliver(tmp_path / "data", day, it.world.delivered(day))
    early = tick(it.context, datetime(2020, 2, 2, 7, tzinfo=UTC))
    assert [event.reason for event in early.events] == [Reason.IN_THE_FUTURE]
    later = tick(it.context, datetime(2020, 2, 4, 7, tzinfo=UTC))
    assert [event.reason for event in later.events] == [Reason.ADMITTED]


def test_the_same_content_delivered_twice_is_judged_once_and_other_content_again(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    day, now = date(2020, 2, 1), datetime(2020, 2, 2, 7, tzinfo=UTC)
    batch = it.world.delivered(day)
    deliver(tmp_path / "data", day, batch)
    assert len(tick(it.context, now).events) == 1
    deliver(tmp_path / "data", day, batch)
    assert tick(it.context, now).events == ()
    deliver(tmp_path / "data", day, batch.iloc[:-1])
    (again,) = tick(it.context, now).events
    assert again.event == "partition.admitted"
    partition = it.context.state.get("small", "partition", str(day))
    assert partition is not None
    assert partition["revision"] == 2


def test_bytes_that_are_no_table_are_quarantined_and_the_loop_goes_on(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    (tmp_path / "data" / "2020-02-01.parquet").write_bytes(b"half a file")
    report = tick(it.context, datetime(2020, 2, 2, 7, tzinfo=UTC))
    assert [event.reason for event in report.events] == [Reason.UNREADABLE]


def test_a_person_may_train_past_the_limits(tmp_path: Path) -> None:
    it = small(tmp_path, loop=model_loop(triggers={"limits": {"cooldown": "365d"}}))
    live(it, 3)
    ask(it.context.state, "small", "train", "ann", "new carrier", it.clock.now())
    settle(it.context, it.clock.now())
    turns = it.context.state.documents("small", "turn")
    assert len(turns) == 2
    assert [signal.split("-")[0] for signal in turns[1]["signals"]] == ["manual"]


def test_manual_approval_waits_for_a_person_and_then_promotes(tmp_path: Path) -> None:
    rollout = {
        "steps": [{"shadow": "100%", "minOutcomes": 100}],
        "judge": {"metrics": [{"metric": "log_loss", "margin": 0.05}]},
        "approval": "manual",
        "maxDuration": "60d",
    }
    it = small(tmp_path, loop=model_loop(rollout=rollout))
    live(it, 45)
    (paused,) = [r for r in it.context.state.documents("small", "rollout") if r["status"] == "paused"]
    assert paused["reason"] == Reason.AWAITING_APPROVAL
    ask(it.context.state, "small", "approve", "ann", "", it.clock.now())
    tick(it.context, it.clock.now())
    champion = it.context.state.get("small", "champion", "current")
    assert champion is not None
    assert champion["version"] == paused["challenger"]


def test_an_aborted_rollout_leaves_the_champion_alone(tmp_path: Path) -> None:
    it = small(tmp_path)
    it.replay.bootstrap()
    champion = it.context.state.get("small", "champion", "current")
    for _ in it.replay.days():
        if it.context.state.documents("small", "rollout"):
            break
    ask(it.context.state, "small", "abort", "ann", "looks odd", it.clock.now())
    tick(it.context, it.clock.now())
    (rollout,) = it.context.state.documents("small", "rollout")
    assert (rollout["status"], rollout["reason"]) == ("aborted", Reason.ABORTED_BY_PERSON)
    assert it.context.state.get("small", "champion", "current") == champion
    route = it.plane.route("small")
    assert route is not None
    assert len(route.arms) == 1


def test_a_rollback_lets_the_previous_champion_serve_again(tmp_path: Path) -> None:
    it = small(tmp_path)
    live(it, 59)
    before = it.context.state.get("small", "champion", "current")
    assert before is not None
    ask(it.context.state, "small", "rollback", "ann", "", it.clock.now())
    tick(it.context, it.clock.now())
    after = it.context.state.get("small", "champion", "current")
    assert after is not None
    assert after["version"] == before["previous"]
    route = it.plane.route("small")
    assert route is not None
    assert route.arms[0].version == before["previous"]


@pytest.mark.parametrize("what", ["approve", "abort", "rollback"])
def test_what_has_no_object_is_refused_with_where_to_look(tmp_path: Path, what: str) -> None:
    it = small(tmp_path)
    with pytest.raises(NothingToDo, match=r"tidemill (status|history)"):
        ask(it.context.state, "small", what, "ann", "", datetime(2020, 1, 1, tzinfo=UTC))


def test_no_signal_is_answered_by_two_turns(tmp_path: Path) -> None:
    it = small(tmp_path)
    live(it, 59)
    turns = it.context.state.documents("small", "turn")
    answered = [signal for turn in turns for signal in turn["signals"]]
    assert len(answered) == len(set(answered))
    for signal in it.context.state.documents("small", "signal"):
        assert signal["consumed_by"] is None or signal["consumed_by"] in {turn["id"] for turn in turns}


def test_a_person_may_admit_what_the_gate_holds_back(tmp_path: Path) -> None:
    broken = date(2020, 2, 10)
    it = small(tmp_path, SmallWorld(corrupt={broken: lambda batch: batch.assign(x=batch["x"] * 1000)}))
    live(it, 12)
    ask(it.context.state, "small", "admit", "ann", "new sensor", it.clock.now(), str(broken))
    (event,) = tick(it.context, it.clock.now()).events
    assert (event.event, event.reason) == ("partition.admitted", Reason.APPROVED)
    assert tick(it.context, it.clock.now()).events == ()
    partition = it.context.state.get("small", "partition", str(broken))
    assert partition is not None
    assert partition["status"] == "admitted"


def test_only_what_is_held_back_can_be_admitted(tmp_path: Path) -> None:
    it = small(tmp_path)
    with pytest.raises(NothingToDo, match="2020-02-10"):
        ask(it.context.state, "small", "admit", "ann", "", datetime(2020, 1, 1, tzinfo=UTC), "2020-02-10")


def test_a_turn_that_fails_gives_its_signals_back(tmp_path: Path) -> None:
    it = small(tmp_path, loop=model_loop(triggers={"limits": {"cooldown": "2d", "minNewOutcomes": 0}}))
    it.replay.bootstrap()
    write_project(tmp_path, "def train(X, y, previous=None):\n    raise ValueError('no')\n")
    ask(it.context.state, "small", "train", "ann", "", it.clock.now())
    settle(it.context, it.clock.now())
    turns = it.context.state.documents("small", "turn")
    assert [turn["status"] for turn in turns] == ["accepted", "failed"]
    assert turns[1]["reason"] == Reason.TRAINER_FAILED
    (signal,) = it.context.state.documents("small", "signal")
    assert signal["consumed_by"] is None


def test_a_first_turn_that_failed_is_tried_again_once_its_code_was_mended(tmp_path: Path) -> None:
    it = small(tmp_path)
    write_project(tmp_path, "def train(X, y, previous=None):\n    raise ValueError('no')\n\n\nbase = train\n")
    it.replay.bootstrap()
    settle(it.context, it.clock.now())
    assert [turn["status"] for turn in it.context.state.documents("small", "turn")] == ["failed"]
    write_project(tmp_path)
    settle(it.context, it.clock.now())
    assert [turn["status"] for turn in it.context.state.documents("small", "turn")] == ["failed", "accepted"]
