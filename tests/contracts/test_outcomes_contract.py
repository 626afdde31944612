"""What every store of outcomes does, whichever it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.memory_stores import MemoryOutcomes
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.loop.errors import LabelRefused
from tidemill.loop.model import Receipt
from tidemill.loop.ports import Outcomes

MONDAY = datetime(2013, 3, 4, 6, 30, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
INSTANT = timedelta(microseconds=1)


@pytest.fixture(params=["sqlite", "memory", "sql-sqlite", "sql-postgres"])
def outcomes(request: pytest.FixtureRequest, tmp_path: Path) -> Outcomes:
    if request.param == "memory":
        return MemoryOutcomes()
    if request.param == "sqlite":
        return SqliteOutcomes(tmp_path)
    if request.param == "sql-sqlite":
        return SqlOutcomes(f"sqlite:///{tmp_path}/state.db", "shop/visits")
    return SqlOutcomes(request.getfixturevalue("postgres").new_store(), "shop/visits")


def labels(*pairs: tuple[Any, Any], index: list[int] | None = None) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["key", "label"], index=index)


def known(outcomes: Outcomes, by: datetime = TUESDAY, since: datetime | None = None) -> dict[str, float]:
    frame = outcomes.known(by, since)
    assert list(frame.columns) == ["key", "label", "arrived_at"]
    assert frame["key"].is_unique
    return dict(zip(frame["key"], frame["label"], strict=True))


def test_the_first_label_stays_and_the_receipt_counts_what_came(outcomes: Outcomes) -> None:
    assert outcomes.record(labels(("a", 1), ("b", 0)), MONDAY, "file") == Receipt(2, 0, 0)
    assert outcomes.record(labels(("a", 0), ("b", 0), ("c", 1)), TUESDAY, "http") == Receipt(1, 1, 1)
    assert known(outcomes) == {"a": 1.0, "b": 0.0, "c": 1.0}


def test_within_one_delivery_too(outcomes: Outcomes) -> None:
    assert outcomes.record(labels(("a", 1), ("a", 1), ("a", 0), ("b", 1)), MONDAY, "file") == Receipt(2, 1, 1)
    assert known(outcomes) == {"a": 1.0, "b": 1.0}


def test_deliveries_put_together_from_several_frames(outcomes: Outcomes) -> None:
    """Their index repeats, which means nothing."""
    outcomes.record(labels(("a", 1), ("b", 0), index=[0, 1]), MONDAY, "file")
    again = labels(("a", 1), ("c", 0), ("b", 1), ("d", 1), index=[0, 1, 0, 1])
    assert outcomes.record(again, TUESDAY, "file") == Receipt(2, 1, 1)


def test_labels_count_from_their_arrival(outcomes: Outcomes) -> None:
    outcomes.record(labels(("late", 1)), TUESDAY, "file")
    outcomes.record(labels(("early", 0)), MONDAY, "file")
    assert known(outcomes, MONDAY - INSTANT) == {}
    assert known(outcomes, MONDAY) == {"early": 0.0}
    assert list(outcomes.known(TUESDAY)["key"]) == ["late", "early"]
    assert known(outcomes, TUESDAY, since=MONDAY) == {"late": 1.0}
    assert known(outcomes, TUESDAY, since=MONDAY - INSTANT) == {"late": 1.0, "early": 0.0}


def test_what_is_known_can_be_counted_without_reading_it(outcomes: Outcomes) -> None:
    assert outcomes.count() == 0
    outcomes.record(labels(("late", 1)), TUESDAY, "file")
    outcomes.record(labels(("early", 0), ("early", 1)), MONDAY, "file")
    assert outcomes.count() == 2
    for by, since in ((MONDAY - INSTANT, None), (MONDAY, None), (TUESDAY, MONDAY), (TUESDAY, MONDAY - INSTANT)):
        assert outcomes.count(by, since) == len(outcomes.known(by, since))


def test_rows_without_a_label_and_nothing_at_all_are_ignored(outcomes: Outcomes) -> None:
    assert outcomes.record(labels(("a", float("nan")), ("b", 1)), MONDAY, "file") == Receipt(1, 0, 0)
    assert outcomes.record(labels(), MONDAY, "file") == Receipt(0, 0, 0)
    assert known(outcomes) == {"b": 1.0}


@pytest.mark.parametrize("wrong", [2, 0.5, "1", float("inf")])
def test_what_is_no_label_is_refused_and_takes_its_delivery_with_it(outcomes: Outcomes, wrong: Any) -> None:
    with pytest.raises(LabelRefused, match="'bad'"):
        outcomes.record(labels(("good", 1), ("bad", wrong)), MONDAY, "file")
    assert known(outcomes) == {}


def test_columns_have_the_same_types_with_and_without_rows(outcomes: Outcomes) -> None:
    empty = outcomes.known(TUESDAY)
    outcomes.record(labels((7, True)), MONDAY, "file")
    frame = outcomes.known(TUESDAY)
    pd.testing.assert_frame_equal(empty, frame.head(0))
    assert frame.iloc[0].tolist() == ["7", 1.0, MONDAY]
