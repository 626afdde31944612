from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.signal import Signal
from tidemill.decisions.start_turn import MONTH, StartAction, TurnFacts, start
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Limits

NOW = datetime(2013, 6, 1, tzinfo=UTC)
LIMITS = Limits()
MANUAL = Signal(Reason.MANUAL, "manual-1", "")
SCHEDULE = Signal(Reason.SCHEDULE, "schedule-2013-05-27T04:00Z", "")
PERFORMANCE = Signal(Reason.PERFORMANCE, "performance-2013-05-30", "")
READY = TurnFacts(NOW, (SCHEDULE,), True, False, False, (NOW - timedelta(days=10),), 5000, 50_000)


def days_ago(*days: float) -> tuple[datetime, ...]:
    return tuple(NOW - timedelta(days=day) for day in days)


def test_a_pending_signal_starts_a_turn_and_is_named() -> None:
    verdict = start(READY, LIMITS, 2000)
    assert (verdict.action, verdict.reason) == (StartAction.START, Reason.SCHEDULE)
    assert SCHEDULE.id in verdict.message
    json.dumps(verdict.evidence)


def test_the_most_telling_signal_gives_the_reason() -> None:
    assert start(replace(READY, signals=(SCHEDULE, PERFORMANCE)), LIMITS, 2000).reason is Reason.PERFORMANCE
    assert start(replace(READY, signals=(SCHEDULE, PERFORMANCE, MANUAL)), LIMITS, 2000).reason is Reason.MANUAL


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"signals": ()}, Reason.NO_SIGNAL),
        ({"turn_running": True}, Reason.TURN_RUNNING),
        ({"rollout_running": True}, Reason.ROLLOUT_RUNNING),
        ({"turns_started": days_ago(2)}, Reason.COOLDOWN),
        ({"turns_started": days_ago(29, 25, 20, 15, 10, 5)}, Reason.BUDGET_SPENT),
        ({"new_outcomes": 999}, Reason.TOO_FEW_OUTCOMES),
        ({"champion_exists": False, "admitted_rows": 1999}, Reason.TOO_LITTLE_DATA),
        ({"signals": (MANUAL,), "admitted_rows": 0}, Reason.TOO_LITTLE_DATA),
    ],
)
def test_each_reason_to_wait(change: dict, reason: Reason) -> None:
    verdict = start(replace(READY, **change), LIMITS, 2000)
    assert (verdict.action, verdict.reason) == (StartAction.WAIT, reason)
    json.dumps(verdict.evidence)


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(microseconds=1)])
def test_at_the_minute_that_is_named_the_wait_is_over(late: timedelta) -> None:
    started = NOW - timedelta(days=2)
    exact, later = (
        start(replace(READY, turns_started=(at,)), LIMITS, 2000).message for at in (started, started + late)
    )
    assert "until 2013-06-02 00:00Z" in exact
    assert "until 2013-06-02 00:01Z" in later


def test_only_the_first_turn_waits_for_enough_rows() -> None:
    assert start(replace(READY, admitted_rows=1), LIMITS, 2000).action is StartAction.START
    first = replace(READY, champion_exists=False, admitted_rows=1)
    assert start(first, LIMITS, 2000).reason is Reason.TOO_LITTLE_DATA
    assert start(replace(first, signals=(MANUAL,)), LIMITS, 2000).action is StartAction.START


def test_what_is_waited_for_is_in_the_evidence() -> None:
    of = lambda **change: start(replace(READY, **change), LIMITS, 2000).evidence  # noqa: E731
    assert of(signals=(MANUAL,), admitted_rows=0) == {"admitted_rows": 0, "needed": 1}
    assert of(champion_exists=False, admitted_rows=1999) == {"admitted_rows": 1999, "needed": 2000}
    assert of(new_outcomes=999) == {"new_outcomes": 999, "needed": 1000}
    assert of(turns_started=days_ago(2)) == {"until": (NOW + timedelta(days=1)).isoformat()}
    spent = of(turns_started=days_ago(29, 25, 20, 15, 10, 5))
    assert spent == {"until": (NOW + timedelta(days=1)).isoformat(), "recent": 6}
    assert of() == {"signals": [SCHEDULE.id], "admitted_rows": 50_000, "new_outcomes": 5000}


@pytest.mark.parametrize("change", [{"turns_started": days_ago(2)}, {"new_outcomes": 0}])
def test_whoever_mends_what_kept_the_first_model_from_being_made_need_not_wait(change: dict) -> None:
    first = replace(READY, signals=(), champion_exists=False, **change)
    assert start(first, LIMITS, 2000).action is StartAction.WAIT
    assert start(replace(first, edited=True), LIMITS, 2000).reason is Reason.BOOTSTRAP
    assert start(replace(READY, edited=True, **change), LIMITS, 2000).action is StartAction.WAIT, "it has a champion"


def test_waiting_says_until_when() -> None:
    assert "2013-06-02 00:00Z" in start(replace(READY, turns_started=days_ago(2)), LIMITS, 2000).message
    spent = start(replace(READY, turns_started=days_ago(29, 25, 20, 15, 10, 5)), LIMITS, 2000)
    assert "2013-06-02 00:00Z" in spent.message  # the turn of 29 days ago leaves the month then


def test_at_the_time_it_names_the_wait_is_over() -> None:
    for started in (days_ago(2), days_ago(29, 25, 20, 15, 10, 5)):
        until = start(replace(READY, turns_started=started), LIMITS, 2000).evidence["until"]
        later = replace(READY, turns_started=started, now=datetime.fromisoformat(until))
        assert start(later, LIMITS, 2000).action is StartAction.START


def test_a_person_passes_the_limits_but_not_a_running_turn_or_rollout() -> None:
    tight = replace(READY, signals=(MANUAL,), turns_started=days_ago(*range(1, 20)), new_outcomes=0)
    assert start(tight, LIMITS, 2000).action is StartAction.START
    assert start(replace(tight, turn_running=True), LIMITS, 2000).reason is Reason.TURN_RUNNING
    assert start(replace(tight, rollout_running=True), LIMITS, 2000).reason is Reason.ROLLOUT_RUNNING


def test_without_a_champion_enough_rows_are_a_signal() -> None:
    first = TurnFacts(NOW, (), False, False, False, (), 5000, 2000)
    assert start(first, LIMITS, 2000).reason is Reason.BOOTSTRAP
    assert start(replace(first, new_outcomes=10), LIMITS, 2000).reason is Reason.TOO_FEW_OUTCOMES
    assert start(replace(first, turns_started=days_ago(1)), LIMITS, 2000).reason is Reason.COOLDOWN


def test_a_wait_after_a_failed_turn_says_what_failed_and_how_not_to_wait() -> None:
    failed = replace(READY, turns_started=days_ago(2), last_end="failed: model:train cannot be imported.")
    message = start(failed, LIMITS, 2000).message
    assert "`tidemill train` does not." in message
    assert message.endswith("The last turn failed: model:train cannot be imported.")


def test_who_waits_for_the_first_data_is_told_where_it_is_looked_for() -> None:
    nothing = TurnFacts(NOW, (), False, False, False, (), 0, 0, "s3://bucket/ns/loop/data/*.csv")
    message = start(nothing, LIMITS, 2000).message
    assert "nothing has arrived at s3://bucket/ns/loop/data/*.csv" in message
    assert "nothing has arrived" not in start(replace(nothing, empty_place=""), LIMITS, 2000).message


def test_limits_of_nothing_hold_nothing_back() -> None:
    free = Limits(cooldown="0s", max_per_month=1000, min_new_outcomes=0)
    assert start(replace(READY, turns_started=(NOW,), new_outcomes=0), free, 1).action is StartAction.START


@given(
    st.lists(st.tuples(st.integers(1, 72), st.sampled_from([MANUAL, SCHEDULE, PERFORMANCE])), max_size=150),
    st.integers(1, 4),
    st.integers(0, 6),
)
def test_no_sequence_of_decisions_exceeds_the_limits(ticks: list, budget: int, cooldown: int) -> None:
    """What a person starts is the person's affair; whatever the loop starts keeps budget and cooldown."""
    limits = Limits(cooldown=f"{cooldown}d", max_per_month=budget, min_new_outcomes=0)
    now, started, automatic = NOW, [], []
    for hours, signal in ticks:
        now += timedelta(hours=hours)
        verdict = start(replace(READY, now=now, signals=(signal,), turns_started=tuple(started)), limits, 2000)
        if verdict.action is StartAction.START:
            if signal is not MANUAL:
                assert all(now - before >= limits.cooldown for before in started)
                automatic.append(now)
            started.append(now)
    for moment in automatic:
        assert sum(moment - MONTH < before <= moment for before in started if before <= moment) <= budget


def test_each_limit_holds_up_to_its_figure_and_not_beyond() -> None:
    at = lambda **change: start(replace(READY, **change), LIMITS, 2000).action  # noqa: E731
    instant = timedelta(microseconds=1)
    assert at(new_outcomes=1000) is StartAction.START
    assert at(turns_started=days_ago(3)) is StartAction.START
    assert at(turns_started=(NOW - timedelta(days=3) + instant,)) is StartAction.WAIT
    assert at(turns_started=days_ago(30, 25, 20, 15, 10, 5)) is StartAction.START, "a month is thirty days"
    assert at(turns_started=(NOW - MONTH + instant, *days_ago(25, 20, 15, 10, 5))) is StartAction.WAIT
    assert at(turns_started=days_ago(25, 20, 15, 10, 5)) is StartAction.START
    first = {"champion_exists": False, "signals": ()}
    assert at(admitted_rows=2000, **first) is StartAction.START
    assert at(signals=(MANUAL,), admitted_rows=1) is StartAction.START


def test_a_spent_budget_waits_for_as_many_turns_to_leave_the_month_as_are_too_many() -> None:
    """A person started more than the budget: eight turns, six allowed; the third oldest must leave."""
    turns = days_ago(5, 29, 27, 25, 20, 15, 12, 10)
    spent = start(replace(READY, turns_started=turns), LIMITS, 2000)
    assert spent.evidence == {"until": (NOW + timedelta(days=5)).isoformat(), "recent": 8}
    assert "8 turns were started in the last 30 days, maxPerMonth is 6; the next may start at 2013-06-06 00:00Z" in (
        spent.message
    )


def test_signals_are_weighed_a_person_first_then_what_went_wrong_then_the_calendar() -> None:
    kinds = [Reason.MANUAL, Reason.PERFORMANCE, Reason.DRIFT, Reason.NEW_DATA, Reason.SCHEDULE]
    for n, kind in enumerate(kinds):
        pending = tuple(Signal(each, str(each), "", {}) for each in reversed(kinds[n:]))
        assert start(replace(READY, signals=pending), LIMITS, 2000).reason is kind


def test_a_message_names_what_waits_and_the_figures_that_it_waits_for() -> None:
    of = lambda **change: start(replace(READY, **change), LIMITS, 2000).message  # noqa: E731
    assert of(signals=(SCHEDULE, PERFORMANCE), new_outcomes=999) == (
        f"{SCHEDULE.id}, {PERFORMANCE.id} waits for outcomes: 999 arrived since the last turn, minNewOutcomes is 1000."
    )
    assert "starts at 2000 admitted rows (7 so far)" in of(champion_exists=False, admitted_rows=7)
    assert of(champion_exists=False, signals=(), new_outcomes=9).startswith("The first turn waits")
    assert of(champion_exists=False, signals=()) == "A turn starts on 50000 rows: there is no champion yet."
    assert of() == f"A turn starts on 50000 rows: {SCHEDULE.id}."
