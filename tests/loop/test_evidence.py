"""What is kept of a day's evidence between two nights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
from tidemill.adapters.memory_stores import COLUMNS, MemoryOutcomes, MemoryPredictionLog
from tidemill.loop.evidence import Evidence

DAY = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 5000


def evidence() -> Evidence:
    log, outcomes = MemoryPredictionLog(), MemoryOutcomes()
    keys = [f"customer-{n:012}" for n in range(ROWS)]
    fixed = {"request_id": "r", "event_time": pd.Timestamp(DAY), "at": pd.Timestamp(DAY), "version": "1",
             "role": "champion", "served": True, "status": "ok", "raw": 0.4, "score": 0.5, "calibrator": None,
             "fallback": False, "latency_ms": 0.0, "weight": 1.0, "unit": None}  # fmt: skip
    log.append_frame(pd.DataFrame({"key": keys}).assign(**fixed)[COLUMNS])
    labels = pd.DataFrame({"key": keys[: ROWS // 2], "label": 1.0})
    outcomes.record(labels, DAY + timedelta(hours=3), "test")
    return Evidence(log, outcomes)


def test_labelled_rows_are_those_whose_label_was_known_by_then() -> None:
    rows = evidence().labelled(DAY, DAY + timedelta(days=2))
    assert len(rows) == ROWS // 2
    assert rows.loc[rows["version"] == "1", ["raw", "score", "label"]].drop_duplicates().to_numpy().tolist() == [
        [0.4, 0.5, 1.0]
    ]
    assert evidence().labelled(DAY, DAY + timedelta(hours=2)).empty


def test_weeks_of_labelled_rows_are_kept_in_fifty_bytes_a_row() -> None:
    rows = evidence().labelled(DAY, DAY + timedelta(days=2))
    assert rows.memory_usage(deep=True).sum() < 50 * len(rows) + 1000, "two weeks of a million requests a day fit"
