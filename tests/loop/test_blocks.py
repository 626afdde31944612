"""When a day closes, and what it counts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_world import Small
from stored import partition
from tidemill.decisions.verdict import Reason
from tidemill.loop.blocks import close_days, sound_days
from tidemill.loop.documents.arrival import ArrivalDocument
from tidemill.loop.looking import LATE
from tried_versions import DAY, FIRST, HOUR, MINUTE, label, row, tried

NOON = FIRST + 12 * HOUR
MORNING = FIRST + DAY + 7 * HOUR
KEYS = [f"k{n}" for n in range(100)]


def asked(it: Small, keys: list[str] = KEYS, at: datetime = NOON) -> None:
    it.context.ports.log.append([row(key, at) for key in keys])


def days(it: Small) -> list[str]:
    return [block["id"] for block in it.context.state.documents(it.context.name, "block")]


def usual(it: Small, share: float, settled: float = 0.0) -> None:
    """Three days of which it is known how many labels came, and after how many seconds those of each class."""
    for n in range(3):
        document = {"id": f"2024-01-0{n + 1}", "due": 100, "share": share, "ages": {"0": 0.0, "1": settled}}
        it.context.state.put(it.context.name, "arrival", document["id"], document)


def test_one_early_label_closes_no_day(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0, settled=3 * 86400.0)
    asked(it)
    label(it, KEYS[:1], NOON + HOUR)
    close_days(it.context, MORNING)
    assert days(it) == []
    label(it, KEYS[1:], MORNING + HOUR)
    close_days(it.context, MORNING + 2 * HOUR)
    assert days(it) == ["2024-03-01"]
    (day,) = sound_days(it.context)
    assert (day.due, day.labelled, day.served.n) == (100, 100, 100)


def test_labels_that_come_sooner_for_one_class_wait_for_those_of_the_other(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0, settled=2 * 86400.0)
    asked(it)
    label(it, KEYS[:90], NOON + HOUR, 0.0)
    for hours in (7, 24, 40):
        close_days(it.context, FIRST + DAY + hours * HOUR)
    assert days(it) == []
    label(it, KEYS[90:], FIRST + 3 * DAY, 1.0)
    close_days(it.context, FIRST + 3 * DAY + HOUR)
    (day,) = sound_days(it.context)
    assert day.labelled == 100


def test_a_day_that_lost_many_labels_closes_when_the_others_are_usually_all_there(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0, settled=9 * 3600.0)
    asked(it)
    label(it, KEYS[:60], NOON + HOUR)
    close_days(it.context, FIRST + DAY + 17 * HOUR)
    assert days(it) == [], "the rest may only be late"
    close_days(it.context, FIRST + DAY + 19 * HOUR)
    assert days(it) == ["2024-03-01"], "not after two weeks: it is a hard day, and those teach the most"


def test_a_loop_that_knows_nothing_of_its_labels_waits_until_they_are_given_up(tmp_path: Path) -> None:
    it = tried(tmp_path)
    asked(it)
    label(it, KEYS, NOON + HOUR)
    close_days(it.context, MORNING)
    assert days(it) == []
    close_days(it.context, FIRST + DAY + it.context.spec.data.label.give_up_after)
    assert days(it) == ["2024-03-01"]


def test_the_history_that_came_with_its_labels_says_how_many_are_usual(tmp_path: Path) -> None:
    it = tried(tmp_path)
    frame = pd.DataFrame({"id": [f"h{n}" for n in range(50)], "at": FIRST - 30 * DAY, "x": 0.0, "z": 0.0})
    (tmp_path / "data").mkdir()
    frame.to_parquet(tmp_path / "data" / "2024-01-31.parquet", index=False)
    it.context.state.put(it.context.name, "partition", "2024-01-31", partition("2024-01-31"))
    label(it, [f"h{n}" for n in range(40)], FIRST)
    asked(it)
    label(it, KEYS[:78], NOON + HOUR)
    close_days(it.context, MORNING)
    assert days(it) == [], ".78 is less than .98 of .8"
    label(it, KEYS[78:79], MORNING)
    close_days(it.context, MORNING + HOUR)
    assert days(it) == ["2024-03-01"]


def test_a_young_history_says_it_too_by_its_largest_share_and_is_asked_again_the_next_day(tmp_path: Path) -> None:
    it = tried(tmp_path)
    frame = pd.DataFrame({"id": [f"h{n}" for n in range(50)], "at": FIRST - DAY, "x": 0.0, "z": 0.0})
    (tmp_path / "data").mkdir()
    frame.to_parquet(tmp_path / "data" / "2024-02-29.parquet", index=False)
    it.context.state.put(it.context.name, "partition", "2024-02-29", partition("2024-02-29"))
    label(it, [f"h{n}" for n in range(40)], FIRST)
    asked(it)
    label(it, KEYS[:79], NOON + HOUR)
    label(it, ["h40"], MORNING - HOUR)
    close_days(it.context, MORNING)
    assert days(it) == [], ".79 is less than .98 of .82"
    label(it, KEYS[79:81], MORNING)
    close_days(it.context, MORNING + DAY)
    assert days(it) == ["2024-03-01"]


def test_what_is_measured_of_old_days_is_their_final_share_and_how_late_each_class_is(tmp_path: Path) -> None:
    it = tried(tmp_path)
    asked(it)
    label(it, KEYS[:40], FIRST + DAY + HOUR, 0.0)
    label(it, KEYS[40:80], FIRST + 4 * DAY, 1.0)
    close_days(it.context, FIRST + 16 * DAY)
    (measured,) = it.context.state.documents(it.context.name, "arrival")[:1]
    found = ArrivalDocument.read(measured)
    assert (found.due, found.share, found.labels) == (100, 0.8, {"0": 40, "1": 40})
    assert found.ages == {"0": 3600.0, "1": 3 * 86400.0}


def test_labels_that_come_while_a_day_is_read_are_seen_by_the_next_look(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0)
    asked(it, ["k"])
    outcomes = it.context.ports.outcomes
    known = outcomes.known

    def known_and_then_more(by: datetime, since: datetime | None = None) -> pd.DataFrame:
        found = known(by, since)
        if since is not None:  # the day is read, and not only counted
            label(it, ["k"], MORNING)
        return found

    outcomes.known = known_and_then_more  # type: ignore[method-assign]
    close_days(it.context, MORNING)
    assert days(it) == [], "they came too late for this look"
    outcomes.known = known  # type: ignore[method-assign]
    close_days(it.context, MORNING + 25 * MINUTE)
    assert days(it) == ["2024-03-01"]


def test_a_day_without_labels_is_read_again_when_some_have_come_and_once_in_a_while(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0)
    asked(it, ["k"])
    reads: list[datetime] = []
    read = it.context.ports.log.read
    it.context.ports.log.read = lambda start, end: reads.append(start) or read(start, end)  # type: ignore[method-assign]

    def looked(now: datetime) -> list[datetime]:
        reads.clear()
        close_days(it.context, now)
        return list(reads)

    assert looked(MORNING) == [FIRST]
    assert looked(MORNING + 50 * MINUTE) == [], "nothing has come since"
    assert looked(MORNING + LATE) == [FIRST], "a request may have been logged late"
    label(it, ["k"], MORNING + LATE)
    assert looked(MORNING + LATE + 30 * MINUTE) == [FIRST]
    assert days(it) == ["2024-03-01"]


def test_a_day_whose_data_is_at_fault_is_no_evidence_and_one_unlike_history_is(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0)
    asked(it, ["k"])
    label(it, ["k"], NOON)
    close_days(it.context, MORNING)

    def held_for(reason: Reason) -> dict[str, Any]:
        return partition("2024-03-01", status="quarantined", reason=str(reason))

    it.context.state.put(it.context.name, "partition", "2024-03-01", held_for(Reason.UNLIKE_HISTORY))
    assert [day.id for day in sound_days(it.context)] == ["2024-03-01"]
    it.context.state.put(it.context.name, "partition", "2024-03-01", held_for(Reason.EXPECTATION_FAILED))
    assert sound_days(it.context) == []


def test_what_stands_in_for_the_champion_is_what_was_served_and_no_part_of_the_champions_day(tmp_path: Path) -> None:
    it = tried(tmp_path)
    usual(it, 1.0)
    asked(it, KEYS[:60])
    it.context.ports.log.append([row(key, NOON + HOUR, "0", fallback=True, score=0.01) for key in KEYS[60:]])
    label(it, KEYS, NOON + 2 * HOUR)
    close_days(it.context, MORNING)
    (day,) = sound_days(it.context)
    assert (day.served.n, day.versions["1"].n, day.versions["0"].n) == (100, 60, 40)
    assert day.versions["1"].loss == pytest.approx(0.6931, abs=1e-3)
