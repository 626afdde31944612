"""What arrived is judged once, and anew where people changed what it was judged by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_world import Small, deliver, events, model_loop, small
from tidemill.adapters.file_source import FileSource
from tidemill.decisions.verdict import Reason
from tidemill.loop.admission import admit_arrivals
from tidemill.loop.errors import SuiteUnusable, TemporaryError
from tidemill.loop.judgement import standing
from tidemill.loop.tick import tick

DATA = {
    "source": {"parquet": "data/"},
    "key": "id",
    "eventTime": "at",
    "label": {"column": "y", "arrivesAfter": "6h"},
}
DAY = date(2020, 1, 1)


def rows(it: Small) -> pd.DataFrame:
    day = it.world._day(DAY)
    it.clock.time = datetime(2020, 1, 2, 6, tzinfo=UTC)
    return day


def with_data(it: Small, **data: Any) -> None:
    it.context = replace(it.context, loop=model_loop(data={**DATA, **data}))


def partitions(it: Small) -> list[tuple[str, str]]:
    tick(it.context, it.clock.now())
    return [(p["status"], p["reason"]) for p in it.context.state.documents("small", "partition")]


def known(it: Small) -> list[str]:
    return sorted(it.context.ports.outcomes.known(it.clock.now())["key"])


def test_a_day_that_was_held_for_a_wrong_name_in_the_spec_is_judged_anew_when_that_is_mended(tmp_path: Path) -> None:
    it = small(tmp_path)
    deliver(tmp_path / "data", DAY, rows(it))
    with_data(it, key="idd")
    assert partitions(it) == [("quarantined", Reason.SCHEMA_CHANGED)]
    assert partitions(it) == [("quarantined", Reason.SCHEMA_CHANGED)]
    (held,) = events(it.context, "partition.quarantined")
    assert "correct the names in spec.data" in held["message"]
    with_data(it)
    assert partitions(it) == [("admitted", Reason.ADMITTED)]
    assert len(known(it)) == it.world.rows
    partitions(it)
    assert len(events(it.context, "partition.admitted")) == 1


def test_what_is_admitted_stays_so_whatever_is_changed(tmp_path: Path) -> None:
    it = small(tmp_path)
    deliver(tmp_path / "data", DAY, rows(it))
    assert partitions(it) == [("admitted", Reason.ADMITTED)]
    with_data(it, gate="off", key="idd")
    assert partitions(it) == [("admitted", Reason.ADMITTED)]


def test_a_judgement_stands_on_the_content_of_the_suite_and_not_on_its_name(tmp_path: Path) -> None:
    it = small(tmp_path)
    with_data(it, expectations="suite.json")
    absent = standing(it.context)
    (tmp_path / "suite.json").write_text("{}")
    first = standing(it.context)
    (tmp_path / "suite.json").write_text("[]")
    assert len({absent, first, standing(it.context)}) == 3


def test_labels_are_looked_for_again_where_they_are_now_said_to_be(tmp_path: Path) -> None:
    it = small(tmp_path)
    deliver(tmp_path / "data", DAY, rows(it))
    with_data(it, label={"column": "why", "arrivesAfter": "6h"})
    partitions(it)
    assert known(it) == []
    with_data(it)
    partitions(it)
    assert len(known(it)) == it.world.rows


@pytest.mark.parametrize("label", ["maybe", 2.0])
def test_labels_that_are_none_hold_their_day_back_and_the_loop_goes_on(tmp_path: Path, label: Any) -> None:
    it = small(tmp_path)
    day = rows(it)
    day["y"] = [label, *day["y"].astype(type(label))[1:]]
    deliver(tmp_path / "data", DAY, day)
    assert partitions(it) == [("quarantined", Reason.BAD_LABELS)]
    (held,) = events(it.context, "partition.quarantined")
    assert f"such as {label!r} (key 2020-01-01-0)" in held["message"]


def test_keys_of_a_csv_are_what_they_are_in_the_file(tmp_path: Path) -> None:
    it = small(tmp_path)
    day = rows(it)
    day["id"] = [f"{n:06}" for n in range(len(day))]
    (tmp_path / "data").mkdir()
    day.to_csv(tmp_path / "data" / f"{DAY}.csv", index=False)
    ports = replace(it.context.ports, source=FileSource(tmp_path, "data/", "csv", "id"))
    it.context = replace(it.context, ports=ports)
    assert partitions(it) == [("admitted", Reason.ADMITTED)]
    assert known(it)[:2] == ["000000", "000001"]


def test_whole_numbers_as_keys_stay_so_beside_one_that_is_missing(tmp_path: Path) -> None:
    it = small(tmp_path)
    day = rows(it)
    day["id"] = [None, *range(1, len(day))]
    deliver(tmp_path / "data", DAY, day)
    partitions(it)
    assert {"1", "2", "3"} <= set(known(it))
    assert len(known(it)) == len(day) - 1


class Broken:
    """A source of two days whose first raises `error` when it is read."""

    def __init__(self, real: Any, error: Exception) -> None:
        self._real, self._error = real, error
        self.place = "somewhere"

    def partitions(self) -> Any:
        return self._real.partitions()

    def read(self, partition: Any) -> pd.DataFrame:
        if partition.id == f"{DAY}":
            raise self._error
        return self._real.read(partition)


def two_days(it: Small, source: Any = None, validator: Any = None) -> None:
    deliver(Path(it.context.project) / "data", DAY, rows(it))
    deliver(Path(it.context.project) / "data", date(2020, 1, 2), it.world._day(date(2020, 1, 2)))
    it.clock.time = datetime(2020, 1, 3, 6, tzinfo=UTC)
    ports = it.context.ports
    it.context = replace(
        it.context, ports=replace(ports, source=source or ports.source, validator=validator or ports.validator)
    )


@pytest.mark.parametrize("error", [OverflowError("out of bounds"), KeyError("x"), MemoryError(), AttributeError("z")])
def test_whatever_one_partition_raises_is_its_own_verdict_and_the_others_are_judged(
    tmp_path: Path, error: Exception
) -> None:
    it = small(tmp_path)
    two_days(it, source=Broken(it.context.ports.source, error))
    assert partitions(it) == [("quarantined", Reason.UNREADABLE), ("admitted", Reason.ADMITTED)]
    (held,) = events(it.context, "partition.quarantined")
    assert type(error).__name__ in held["message"]


def test_times_beyond_the_calendar_hold_their_day_back_alone(tmp_path: Path) -> None:
    it = small(tmp_path)
    two_days(it)
    day = it.world._day(DAY)
    deliver(tmp_path / "data", DAY, day.assign(at=["9999-12-31 25:00"] * len(day)))
    assert partitions(it) == [("quarantined", Reason.UNREADABLE), ("admitted", Reason.ADMITTED)]


def test_two_columns_of_one_name_hold_their_day_back_alone(tmp_path: Path) -> None:
    it = small(tmp_path)

    class Doubled(Broken):
        def read(self, partition: Any) -> pd.DataFrame:
            frame = self._real.read(partition)
            return frame if partition.id != f"{DAY}" else frame.set_axis(["id", "at", "x", "at", "y"], axis=1)

    two_days(it, source=Doubled(it.context.ports.source, ValueError()))
    assert partitions(it) == [("quarantined", Reason.UNREADABLE), ("admitted", Reason.ADMITTED)]


def test_a_store_that_is_away_for_one_partition_is_no_verdict_and_the_others_are_judged(tmp_path: Path) -> None:
    it = small(tmp_path)
    two_days(it, source=Broken(it.context.ports.source, TemporaryError("503")))
    with pytest.raises(TemporaryError, match="503"):
        admit_arrivals(it.context, it.clock.now())
    assert [p["id"] for p in it.context.state.documents("small", "partition")] == ["2020-01-02"]


class Suite:
    """A validator whose suite raises, or not."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = 0

    def failures(self, frame: pd.DataFrame, suite: str, per_partition: bool = True) -> list[str]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return []


def test_a_suite_that_is_none_is_told_once_and_partitions_wait_for_it(tmp_path: Path) -> None:
    it = small(tmp_path)
    suite = Suite(SuiteUnusable("suite.json is no suite"))
    two_days(it, validator=suite)
    with_data(it, expectations="suite.json")
    with pytest.raises(SuiteUnusable, match=r"suite\.json"):
        admit_arrivals(it.context, it.clock.now())
    assert it.context.state.documents("small", "partition") == []
    assert suite.asked == 1
    suite.error = None
    assert partitions(it) == [("admitted", Reason.ADMITTED)] * 2


def test_a_suite_that_breaks_on_one_partition_is_that_partitions_verdict(tmp_path: Path) -> None:
    it = small(tmp_path)
    two_days(it, validator=Suite(ZeroDivisionError("division by zero")))
    with_data(it, expectations="suite.json")
    assert partitions(it) == [("quarantined", Reason.EXPECTATION_FAILED)] * 2
    assert (
        "suite.json cannot be evaluated on it (ZeroDivisionError"
        in events(it.context, "partition.quarantined")[0]["message"]
    )


def test_original_bytes_that_are_delivered_again_after_a_change_are_an_entry(tmp_path: Path) -> None:
    it = small(tmp_path)
    good, empty = rows(it), rows(it).head(0)
    for day in (good, empty, good, empty):
        deliver(tmp_path / "data", DAY, day)
        partitions(it)
    said = [entry["event"] for entry in it.context.state.ledger("small") if entry["event"].startswith("partition.")]
    assert said == ["partition.admitted", "partition.quarantined"] * 2


def test_a_day_in_the_future_is_judged_again_once_its_events_have_happened(tmp_path: Path) -> None:
    it = small(tmp_path)
    day = rows(it)
    deliver(tmp_path / "data", DAY, day.assign(at=day["at"] + timedelta(days=3)))
    assert partitions(it) == [("quarantined", Reason.IN_THE_FUTURE)]
    it.clock.time += timedelta(days=1)
    partitions(it)
    assert len(events(it.context, "partition.quarantined")) == 1
    it.clock.time += timedelta(days=4)
    assert partitions(it) == [("admitted", Reason.ADMITTED)]
