"""What every prediction log does, whichever it is."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from logged import DAY, row
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.log.shipped import ShippedPredictionLog
from tidemill.adapters.memory_stores import MemoryPredictionLog
from tidemill.loop.ports import PredictionLog

HOUR = timedelta(hours=1)
COLUMNS = {"request_id", "key", "event_time", "at", "version", "role", "served", "status", "raw", "score",
           "calibrator", "fallback", "latency_ms", "weight", "unit"}  # fmt: skip


LOGS: dict[str, Callable[[Path], PredictionLog]] = {
    "parquet": ParquetPredictionLog,
    "memory": lambda _: MemoryPredictionLog(),
    "shipped to a folder": lambda path: ShippedPredictionLog(path / "spool", (path / "store").as_uri()),
    "shipped to a store": lambda path: ShippedPredictionLog(path / "spool", f"memory:/{path}"),
}

S3 = os.environ.get("E2E_S3_URL", "")  # a bucket's; AWS_ENDPOINT_URL and the like say where, and who we are


@pytest.fixture(params=[*LOGS, pytest.param("shipped to S3", marks=pytest.mark.e2e)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> PredictionLog:
    if request.param in LOGS:
        return LOGS[request.param](tmp_path)
    if not S3:
        pytest.skip("E2E_S3_URL names no bucket")
    return ShippedPredictionLog(tmp_path / "spool", f"{S3}/{uuid.uuid4().hex}/predictions")


def keys(log: PredictionLog, start: datetime = DAY, end: datetime = DAY + 24 * HOUR) -> list[str]:
    return sorted(log.read(start, end)["key"])


def test_the_columns_are_there_with_and_without_rows(log: PredictionLog) -> None:
    empty = log.read(DAY, DAY + HOUR)
    assert set(empty.columns) == COLUMNS
    assert str(empty["event_time"].dtype).endswith("UTC]")
    log.append([])
    log.append([row("a", status="error", raw=None, score=None, served=False, calibrator="c1")])
    found = log.read(DAY, DAY + HOUR)
    assert set(found.columns) == COLUMNS
    assert found.loc[0, ["key", "status", "calibrator"]].tolist() == ["a", "error", "c1"]
    assert found["raw"].isna().all()
    assert found["raw"].dtype == found["score"].dtype == float
    assert found["served"].dtype == bool
    assert found["event_time"].iloc[0] == DAY


def test_a_key_has_one_row_for_each_version_the_first_logged(log: PredictionLog) -> None:
    log.append([row("a", score=0.2, at=DAY + HOUR), row("a", version="2", role="shadow", score=0.9)])
    log.append([row("a", score=0.1, at=DAY + 2 * HOUR), row("a", score=0.3, at=DAY)])
    found = log.read(DAY, DAY + HOUR).set_index("version")["score"]
    assert found.to_dict() == {"1": 0.3, "2": 0.9}


def test_the_start_belongs_and_the_end_does_not(log: PredictionLog) -> None:
    log.append([row("start"), row("within", DAY + HOUR), row("end", DAY + 24 * HOUR)])
    assert keys(log) == ["start", "within"]
    assert keys(log, DAY + 24 * HOUR, DAY + 48 * HOUR) == ["end"]


def test_a_stretch_over_midnight_has_both_days(log: PredictionLog) -> None:
    log.append([row("evening", DAY + 20 * HOUR), row("morning", DAY + 27 * HOUR), row("noon", DAY + 36 * HOUR)])
    assert keys(log, DAY + 18 * HOUR, DAY + 30 * HOUR) == ["evening", "morning"]


def test_times_of_other_zones_are_the_same_instants(log: PredictionLog) -> None:
    york = timezone(timedelta(hours=-5))
    log.append([row("late", datetime(2013, 3, 1, 22, tzinfo=york))])
    assert keys(log) == []
    assert keys(log, datetime(2013, 3, 1, 21, tzinfo=york), datetime(2013, 3, 1, 23, tzinfo=york)) == ["late"]


def test_a_version_that_was_asked_for_by_name_is_no_evidence(log: PredictionLog) -> None:
    log.append([row("a", role="fixed"), row("b", role="canary")])
    assert keys(log) == ["b"]


def answered(log: PredictionLog, start: datetime, end: datetime) -> list[str]:
    return log.answers(start, end)["key"].tolist()


def test_answers_are_found_by_when_they_were_given_whatever_the_time_of_the_event(log: PredictionLog) -> None:
    week = 7 * 24 * HOUR
    log.append([row("of next week", DAY + week, at=DAY + HOUR), row("of last week", DAY - week, at=DAY + 2 * HOUR)])
    log.append([row("later", at=DAY + 3 * HOUR)])
    assert answered(log, DAY, DAY + 3 * HOUR) == ["of next week", "of last week"]
    assert answered(log, DAY + 2 * HOUR, DAY + 4 * HOUR) == ["of last week", "later"]
    assert answered(log, DAY + 4 * HOUR, DAY + 9 * HOUR) == []


def test_answers_hold_every_try_and_each_row_once(log: PredictionLog) -> None:
    log.append([row("a", at=DAY, status="error", served=False), row("a", at=DAY + HOUR / 2, request_id="again")])
    assert answered(log, DAY, DAY + HOUR) == ["a", "a"]
    assert answered(log, DAY, DAY + HOUR) == ["a", "a"], "read twice"
    assert set(log.answers(DAY, DAY + HOUR).columns) == COLUMNS
