"""What arrived is judged once, and anew where people changed what it was judged by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_world import Small, deliver, events, model_loop, small
from tidemill.adapters.file_source import FileSource
from tidemill.decisions.verdict import Reason
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
