from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.signals import Change, DriftBlock, drift, new_data, schedule
from tidemill.decisions.verdict import Reason
from tidemill.stats.conformal import detect_drift

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


def test_growth_is_a_row_at_least() -> None:
    assert [new_data(rows, 100, 0.001) != [] for rows in (100, 101)] == [False, True]
    assert new_data(101, 100, 0.001)[0].id == "newdata-101"
    assert new_data(4, 3, 0.0)[0].id == "newdata-4"


def test_what_grew_is_told() -> None:
    (signal,) = new_data(150, 100, 0.25)
    assert signal.message == "150 admitted rows are 50% more than the last turn's 100."
    assert signal.evidence == {"admitted_rows": 150, "trained_rows": 100, "growth": 0.25}


@given(st.integers(1, 10**6), st.floats(1, 20), st.floats(0, 2))
def test_new_data_signals_exactly_where_data_grew_enough(trained: int, ratio: float, growth: float) -> None:
    admitted = int(trained * ratio)
    grew = admitted > trained and admitted >= trained * (1 + growth)
    found = new_data(admitted, trained, growth)
    assert bool(found) == grew
    assert [signal.id for signal in found] == [signal.id for signal in new_data(admitted, trained, growth)]


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


@pytest.mark.parametrize(("trained", "growth", "thresholds"), [(100, 0.25, [125, 157, 196]), (10, 0.1, [11, 13, 14]),
                                                             (3, 0.0, [4, 6, 8]), (1, 1.0, [2, 4, 8])])  # fmt: skip
def test_each_further_growth_by_the_share_is_a_signal_of_its_own(
    trained: int, growth: float, thresholds: list[int]
) -> None:
    """Rounded up to a row; a growth below a row is a row of the first."""
    seen = [
        found[0].id for rows in range(trained + 1, thresholds[-1] + 1) if (found := new_data(rows, trained, growth))
    ]
    assert list(dict.fromkeys(seen)) == [f"newdata-{rows}" for rows in thresholds]
    assert seen.index(f"newdata-{thresholds[1]}") == thresholds[1] - thresholds[0]


def test_what_the_schedule_says_is_told() -> None:
    (signal,) = schedule(MONDAY, MONDAYS, MONDAY - timedelta(minutes=1))
    assert signal.message == "The schedule '0 4 * * 1' was due at 2013-03-04 04:00Z."
    assert signal.evidence == {"cron": MONDAYS, "due": MONDAY.isoformat()}


DAYS = [f"{n:03}" for n in range(170)]
STREAM = [*np.random.default_rng(4).normal(size=120), *[9.0] * 50]
ALARM = detect_drift(DAYS, STREAM, YEARLY).alarms[0]


def told(since: int, opened: int, until: int) -> list[str]:
    change = Change("c", DAYS[since], DAYS[opened], DAYS[until], ("wind",))
    stream = [DriftBlock(day, score) for day, score in zip(DAYS[: ALARM + 1], STREAM, strict=False)]
    return [signal.id for signal in drift(stream, YEARLY, [change])]


def test_one_change_is_one_signal_up_to_its_first_and_last_day() -> None:
    alarm = f"drift-{DAYS[ALARM]}"
    assert told(ALARM - 9, ALARM, ALARM + 9) == ["drift-c"], "the test alarms on the day on which it was seen to last"
    assert told(ALARM - 9, ALARM - 5, ALARM) == ["drift-c"], "or on its last day"
    assert told(ALARM - 9, ALARM - 5, ALARM - 1) == ["drift-c", alarm], "or after it, which is another change"
    assert told(ALARM, ALARM + 2, ALARM + 9) == [alarm], "on its first day the alarm is its signal"
    assert told(ALARM + 1, ALARM + 3, ALARM + 9) == [alarm, "drift-c"], "before it, it is another"


def test_the_five_columns_that_moved_most_are_named() -> None:
    columns = tuple("abcdef")
    (change,) = drift([], YEARLY, [Change("c", "001", "003", "004", columns)])
    assert change.message == "The inputs are no longer those of history since 001. Moved most: a, b, c, d, e."
    assert change.evidence == {"since": "001", "until": "003", "moved": list(columns)}
    alarms = drift([DriftBlock(day, score, columns) for day, score in zip(DAYS, STREAM, strict=True)], YEARLY)
    assert alarms[0].message.endswith(f"seen at {DAYS[ALARM]}. Moved most: a, b, c, d, e.")
    assert alarms[0].evidence == {"until": DAYS[ALARM], "score": 9.0, "moved": list(columns)}
    unnamed = drift([DriftBlock(day, score) for day, score in zip(DAYS, STREAM, strict=True)], YEARLY)
    assert unnamed[0].message.endswith(f"seen at {DAYS[ALARM]}.")
