from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tidemill.adapters.local.outcomes as module
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.loop.errors import LabelRefused, TemporaryError
from tidemill.loop.model import Receipt

MONDAY = datetime(2013, 3, 4, 6, 30, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def labels(**pairs: Any) -> pd.DataFrame:
    return pd.DataFrame({"key": list(pairs), "label": list(pairs.values())})


def known(outcomes: SqliteOutcomes, by: datetime, since: datetime | None = None) -> dict[str, float]:
    frame = outcomes.known(by, since)
    return dict(zip(frame["key"], frame["label"], strict=True))


@pytest.fixture
def outcomes(tmp_path: Path) -> SqliteOutcomes:
    return SqliteOutcomes(tmp_path)


def test_the_first_label_stays_and_contradictions_are_kept_aside(outcomes: SqliteOutcomes) -> None:
    assert outcomes.record(labels(a=1, b=0), MONDAY, "file") == Receipt(2, 0, 0)
    assert outcomes.record(labels(a=0, b=0, c=1), TUESDAY, "http") == Receipt(1, 1, 1)
    assert known(outcomes, TUESDAY) == {"a": 1.0, "b": 0.0, "c": 1.0}
    conflict = outcomes.conflicts().iloc[0]
    assert (conflict["key"], conflict["label"], conflict["source"]) == ("a", 0.0, "http")
    assert conflict["arrived_at"] == TUESDAY


def test_sending_again_changes_nothing(outcomes: SqliteOutcomes) -> None:
    outcomes.record(labels(a=1, b=0), MONDAY, "file")
    before = outcomes.known(TUESDAY)
    assert outcomes.record(labels(a=1, b=0), TUESDAY, "file") == Receipt(0, 2, 0)
    pd.testing.assert_frame_equal(outcomes.known(TUESDAY), before)


def test_the_same_key_twice_in_one_delivery(outcomes: SqliteOutcomes) -> None:
    twice = pd.DataFrame({"key": ["a", "a", "a"], "label": [1, 1, 0]})
    assert outcomes.record(twice, MONDAY, "file") == Receipt(1, 1, 1)
    assert known(outcomes, MONDAY) == {"a": 1.0}


def test_labels_count_from_when_they_arrived_late_or_not(outcomes: SqliteOutcomes) -> None:
    outcomes.record(labels(late=1), TUESDAY, "http")
    outcomes.record(labels(early=0), MONDAY, "file")  # out of order
    assert known(outcomes, MONDAY - timedelta(microseconds=1)) == {}
    assert known(outcomes, MONDAY) == {"early": 0.0}
    assert known(outcomes, TUESDAY) == {"late": 1.0, "early": 0.0}
    assert known(outcomes, TUESDAY, since=MONDAY) == {"late": 1.0}


def test_what_another_process_recorded_is_seen(outcomes: SqliteOutcomes, tmp_path: Path) -> None:
    outcomes.record(labels(a=1), MONDAY, "file")
    assert known(outcomes, TUESDAY) == {"a": 1.0}
    SqliteOutcomes(tmp_path).record(labels(b=0), MONDAY, "file")
    assert known(outcomes, TUESDAY) == {"a": 1.0, "b": 0.0}


def test_rows_without_a_label_are_ignored(outcomes: SqliteOutcomes) -> None:
    assert outcomes.record(labels(a=float("nan"), b=1.0), MONDAY, "file") == Receipt(1, 0, 0)
    assert outcomes.record(labels(), MONDAY, "file") == Receipt(0, 0, 0)
    assert known(outcomes, MONDAY) == {"b": 1.0}


@pytest.mark.parametrize("wrong", [2, 0.5, float("inf"), -1, "1"])
def test_a_wrong_label_is_refused_naming_its_key_and_nothing_is_recorded(outcomes: SqliteOutcomes, wrong: Any) -> None:
    with pytest.raises(LabelRefused, match="'bad'"):
        outcomes.record(labels(good=1, bad=wrong), MONDAY, "file")
    assert known(outcomes, TUESDAY) == {}


def test_a_label_without_a_key_is_refused(outcomes: SqliteOutcomes) -> None:
    with pytest.raises(LabelRefused, match="has no key"):
        outcomes.record(pd.DataFrame({"key": [None], "label": [1]}), MONDAY, "file")


def test_an_empty_store_has_the_same_columns_and_types(outcomes: SqliteOutcomes) -> None:
    empty = outcomes.known(TUESDAY)
    outcomes.record(labels(a=1), MONDAY, "file")
    pd.testing.assert_frame_equal(empty, outcomes.known(TUESDAY).head(0))
    assert outcomes.known(TUESDAY)["arrived_at"].iloc[0] == MONDAY


def test_a_locked_store_is_a_temporary_error_and_nothing_is_half_recorded(
    outcomes: SqliteOutcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.01)
    outcomes.record(labels(a=1), MONDAY, "file")
    other = sqlite3.connect(tmp_path / "outcomes.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TemporaryError, match="locked"):
        outcomes.record(labels(b=1), MONDAY, "file")
    assert known(outcomes, TUESDAY) == {"a": 1.0}, "a writer does not stop readers"
    other.execute("ROLLBACK")
    other.close()
    assert outcomes.record(labels(b=1), MONDAY, "file") == Receipt(1, 0, 0)
