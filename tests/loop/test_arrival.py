"""What a loop learns of its own labels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from small_world import Small
from tidemill.loop.arrival import arrival, measure_arrivals
from tidemill.loop.documents.arrival import ArrivalDocument
from tried_versions import DAY, FIRST, HOUR, label, row, tried

GIVEN_UP = timedelta(days=14)


def asked(it: Small, day: int, keys: list[str], hour: int = 12) -> None:
    it.context.ports.log.append([row(key, FIRST + day * DAY + hour * HOUR) for key in keys])


def keys(day: int, number: int, of: str = "k") -> list[str]:
    return [f"{of}{day}-{n}" for n in range(number)]


def measured(it: Small, days: int) -> None:
    measure_arrivals(it.context, FIRST, FIRST + days * DAY + GIVEN_UP)


def test_days_without_requests_say_nothing_of_how_many_labels_come(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for day in (0, 2, 4):
        asked(it, day, keys(day, 40))
        label(it, keys(day, 40), FIRST + (day + 1) * DAY)
    measured(it, 12)
    assert arrival(it.context, FIRST + 30 * DAY).usual == 1.0


def test_days_whose_labels_never_came_say_nothing_either(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for day in range(12):
        asked(it, day, keys(day, 40))
        if day < 4:
            label(it, keys(day, 30), FIRST + (day + 1) * DAY)
    measured(it, 12)
    assert arrival(it.context, FIRST + 30 * DAY).usual == 0.75


def test_days_that_a_clock_ran_ahead_over_are_passed_over(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for day in range(4):
        asked(it, day, keys(day, 40))
        label(it, keys(day, 40), FIRST + (day + 1) * DAY)
    measured(it, 4)
    measured(it, 60)
    assert arrival(it.context, FIRST + 30 * DAY).usual == 1.0


def test_the_age_is_that_of_the_block_in_which_the_event_lies(tmp_path: Path) -> None:
    """Labels come four hours after the event, on the same day: at midnight all are there."""
    it = tried(tmp_path)
    for day in range(3):
        asked(it, day, keys(day, 40, "n") + keys(day, 40, "p"))
        label(it, keys(day, 40, "n"), FIRST + day * DAY + 12 * HOUR, 0.0)
        label(it, keys(day, 40, "p"), FIRST + day * DAY + 16 * HOUR, 1.0)
    measured(it, 3)
    now = FIRST + 30 * DAY
    assert arrival(it.context, now).settled == timedelta(0)
    assert arrival(it.context, now, 1).settled == 3 * HOUR
    assert arrival(it.context, now, 3).settled == 3 * HOUR, "of a length that is not measured, as of an hour"
    assert arrival(it.context, now, 8).settled == timedelta(0)


def test_a_class_of_few_labels_a_day_is_waited_for_as_late_as_on_most_days(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for day in range(10):
        asked(it, day, keys(day, 97, "n") + keys(day, 3, "p"))
        label(it, keys(day, 97, "n"), FIRST + day * DAY + 13 * HOUR, 0.0)
        label(it, keys(day, 3, "p"), FIRST + (day + 1) * DAY + (70 if day else 300) * HOUR, 1.0)
    measured(it, 10)
    known = arrival(it.context, FIRST + 30 * DAY)
    assert known.settled == 70 * HOUR
    assert known.rarer == 0.03


def test_of_a_class_that_was_seen_too_rarely_nothing_is_known(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for day in range(4):
        asked(it, day, keys(day, 50))
        label(it, keys(day, 50)[1:], FIRST + (day + 1) * DAY, 0.0)
        label(it, keys(day, 50)[:1], FIRST + (day + 1) * DAY, 1.0)
    measured(it, 4)
    assert arrival(it.context, FIRST + 30 * DAY).settled is None


def test_what_the_first_release_measured_counts_for_days(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        old = ArrivalDocument.read({"id": day, "due": 100, "share": 0.9, "ages": {"0": 60.0, "1": 120.0}})
        it.context.state.put(it.context.name, old.kind, day, old.stored())
    assert arrival(it.context, FIRST).settled == timedelta(seconds=120)
    assert arrival(it.context, FIRST, 1).settled is None
