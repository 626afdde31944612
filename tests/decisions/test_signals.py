from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.signals import Change, DriftBlock, PerformanceBlock, drift, new_data, performance, schedule
from tidemill.decisions.verdict import Reason
from tidemill.stats.scores import entropy_rows, log_loss_rows

MONDAYS = "0 4 * * 1"
MONDAY = datetime(2013, 3, 4, 4, tzinfo=UTC)
YEARLY = 1 / 365.25


def test_a_schedule_is_due_from_its_minute_on() -> None:
    since = MONDAY - timedelta(days=5)
    assert schedule(MONDAY - timedelta(minutes=1), MONDAYS, since) == []
    (signal,) = schedule(MONDAY, MONDAYS, since)
    assert (signal.kind, signal.id) == (Reason.SCHEDULE, "schedule-2013-03-04T04:00Z")
    json.dumps(signal.to_dict())


def test_missed_schedules_are_one_signal() -> None:
    (signal,) = schedule(MONDAY + timedelta(days=22), MONDAYS, MONDAY - timedelta(days=1))
    assert signal.id == "schedule-2013-03-25T04:00Z"


def test_an_answered_schedule_is_silent_until_the_next() -> None:
    assert schedule(MONDAY + timedelta(days=3), MONDAYS, since=MONDAY + timedelta(minutes=1)) == []
    assert schedule(MONDAY + timedelta(days=3), MONDAYS, since=MONDAY) == []
    assert schedule(MONDAY, None, MONDAY - timedelta(days=30)) == []


@given(st.lists(st.integers(0, 60 * 24 * 40), min_size=1, max_size=30))
def test_no_schedule_is_signalled_twice_under_two_ids(minutes: list[int]) -> None:
    """However often one looks between two due times, the id is the same."""
    found = {}
    for minute in sorted(minutes):
        now = MONDAY + timedelta(minutes=minute)
        for signal in schedule(now, MONDAYS, MONDAY - timedelta(days=1)):
            found.setdefault(signal.id, signal.evidence["due"])
    assert len(set(found.values())) == len(found) <= 40 // 7 + 1


def test_new_data_counts_from_what_the_last_turn_saw() -> None:
    assert new_data(124, 100, 0.25) == []
    (signal,) = new_data(125, 100, 0.25)
    assert (signal.kind, signal.id) == (Reason.NEW_DATA, "newdata-125")
    assert new_data(130, 100, 0.25)[0].id == signal.id
    assert new_data(157, 100, 0.25)[0].id == "newdata-157"  # the first was answered by a turn that failed, perhaps
    assert new_data(1000, 0, 0.25) == new_data(1000, 100, None) == []


@given(st.integers(1, 10**6), st.floats(1, 20), st.floats(0, 2))
def test_new_data_signals_exactly_where_data_grew_enough(trained: int, ratio: float, growth: float) -> None:
    admitted = int(trained * ratio)
    grew = admitted > trained and admitted >= trained * (1 + growth)
    found = new_data(admitted, trained, growth)
    assert bool(found) == grew
    assert [signal.id for signal in found] == [signal.id for signal in new_data(admitted, trained, growth)]


def blocks(rng: np.random.Generator, days: int, wrong_by: float = 0.0, rows: int = 900) -> list[PerformanceBlock]:
    """A model whose promises are true for base rates from easy to hard, but whose logit is wrong by so much."""
    found = []
    for day in range(days):
        truth = np.clip(rng.beta(2, 6, rows) * rng.uniform(0.3, 2.0), 0.001, 0.95)
        label = rng.random(rows) < truth
        logit = np.log(truth / (1 - truth)) - wrong_by
        p = 1 / (1 + np.exp(-logit))
        loss, promised = log_loss_rows(p, label).mean(), entropy_rows(p).mean()
        found.append(PerformanceBlock(f"day{day:03d}", rows, float(loss), float(promised)))
    return found


def test_a_calibrated_model_is_left_alone_on_easy_and_hard_days() -> None:
    rng = np.random.default_rng(1)
    alarms = [performance(blocks(rng, 365), 0.01, YEARLY) for _ in range(15)]
    assert sum(map(len, alarms)) <= 1  # it is better than its promise plus the tolerance, so far fewer than 1 a year


def test_an_excess_of_a_twentieth_is_seen_in_about_two_weeks() -> None:
    rng = np.random.default_rng(2)
    delays = []
    for _ in range(40):
        excess = rng.normal(0.05, 0.03, 60)
        found = performance([PerformanceBlock(f"{d}", 900, 0.4 + e, 0.4) for d, e in enumerate(excess)], 0.01, YEARLY)
        delays.append(int(found[0].id.removeprefix("performance-")))
    assert np.median(delays) <= 16


def test_a_model_that_underrates_is_seen_and_its_excess_is_told() -> None:
    found = performance(blocks(np.random.default_rng(3), 60, wrong_by=0.8), 0.01, YEARLY)
    assert found[0].kind is Reason.PERFORMANCE
    assert found[0].evidence["recent_excess"] > 0.03
    json.dumps([signal.to_dict() for signal in found])


def test_one_terrible_day_is_no_alarm() -> None:
    quiet = [PerformanceBlock(f"{d}", 900, 0.4, 0.4) for d in range(30)]
    assert performance([*quiet, PerformanceBlock("30", 900, 4.0, 0.4), *quiet], 0.01, YEARLY) == []


def test_days_without_outcomes_say_nothing() -> None:
    empty = [PerformanceBlock(f"{d}", 0, float("nan"), float("nan")) for d in range(100)]
    assert performance(empty, 0.0, YEARLY) == performance([], 0.01, YEARLY) == []


@given(st.lists(st.floats(0, 4), max_size=60), st.integers(0, 60))
def test_signals_have_unique_ids_and_the_past_does_not_change(losses: list[float], cut: int) -> None:
    days = [PerformanceBlock(f"{d}", 10, loss, 0.3) for d, loss in enumerate(losses)]
    whole = [signal.id for signal in performance(days, 0.01, 1 / 30)]
    assert len(set(whole)) == len(whole)
    part = [signal.id for signal in performance(days[:cut], 0.01, 1 / 30)]
    assert whole[: len(part)] == part


def test_drift_names_the_partition_and_the_columns() -> None:
    rng = np.random.default_rng(4)
    scores = [*rng.normal(size=120), *rng.normal(4, 1, 30)]
    found = drift([DriftBlock(f"{d}", s, ("wind", "carrier")) for d, s in enumerate(scores)], YEARLY)
    assert found[0].kind is Reason.DRIFT
    assert int(found[0].evidence["until"]) >= 120
    assert "wind, carrier" in found[-1].message
    json.dumps([signal.to_dict() for signal in found])


def test_a_lasting_change_is_one_signal_whether_the_test_alarms_before_within_or_after_it() -> None:
    quiet = list(np.random.default_rng(4).normal(size=120))
    loud = [*quiet, *([9.0] * 30)]
    days = [f"{n:03}" for n in range(150)]

    def found(scores: list[float], since: int, opened: int, until: int) -> list[str]:
        change = Change("c", days[since], days[opened], days[until], ("wind",))
        blocks = [DriftBlock(day, score) for day, score in zip(days, scores, strict=False)]
        return [signal.id for signal in drift(blocks, YEARLY, [change])]

    alone = [signal.id for signal in drift([DriftBlock(d, s) for d, s in zip(days, loud, strict=True)], YEARLY)]
    first = int(alone[0].removeprefix("drift-"))
    assert 120 < first < 135
    assert found(loud, 120, 122, 149) == ["drift-c"]
    assert found(loud, 120, first + 1, 149) == [alone[0]]
    assert found(quiet, 60, 62, 70) == ["drift-c"]


@pytest.mark.parametrize("seed", range(3))
def test_drift_is_quiet_on_a_stream_that_does_not_move(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=200)
    assert len(drift([DriftBlock(f"{seed}/{d}", s) for d, s in enumerate(scores)], YEARLY)) <= 1
    assert drift([], YEARLY) == []
