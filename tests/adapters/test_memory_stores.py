"""What the stores in memory have besides their contracts (tests/contracts): whole frames, as a backtest writes them."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from tidemill.adapters.memory_stores import COLUMNS, MemoryOutcomes, MemoryPredictionLog
from turn_world import DAYS, ROWS, START, rows_of


def predictions(day: int) -> pd.DataFrame:
    rows = rows_of(day)
    times = pd.to_datetime(rows["at"], utc=True)
    fixed = {"request_id": "r", "version": "1", "role": "champion", "served": True, "status": "ok", "raw": 0.5,
             "score": 0.5, "calibrator": None, "fallback": False, "latency_ms": 0.0,
             "weight": 1.0, "unit": None}  # fmt: skip
    return pd.DataFrame({"key": rows["id"], "event_time": times, "at": times}).assign(**fixed)[COLUMNS]


def test_frames_are_kept_by_the_day_of_their_events() -> None:
    log = MemoryPredictionLog()
    log.append_frame(pd.concat([predictions(day) for day in range(DAYS)], ignore_index=True))
    log.append_frame(predictions(0).assign(score=0.9))
    found = log.read(START + timedelta(days=2), START + timedelta(days=5))
    assert len(found) == 3 * ROWS
    assert found["key"].str.split("-").str[0].unique().tolist() == ["2", "3", "4"]
    assert set(log.read(START, START + timedelta(days=1))["score"]) == {0.5}, "said again, it stays as it was"


def test_a_year_of_keys_is_known_by_day_of_arrival() -> None:
    outcomes = MemoryOutcomes()
    for day in range(DAYS):
        labels = rows_of(day)[["id", "y"]].rename(columns={"id": "key", "y": "label"})
        outcomes.record(labels, START + timedelta(days=day + 1), "backtest")
    assert len(outcomes.known(START + timedelta(days=4))) == 4 * ROWS
    assert len(outcomes.known(START + timedelta(days=4), since=START + timedelta(days=3))) == ROWS
