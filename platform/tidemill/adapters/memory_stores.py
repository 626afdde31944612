"""Prediction log and outcomes in memory: for backtests, which live through a year in a minute and keep nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from tidemill.loop.model import Receipt

COLUMNS = [
    "request_id", "key", "event_time", "at", "version", "role", "served", "status", "raw", "score", "calibrator",
    "fallback", "latency_ms",
]  # fmt: skip


class MemoryPredictionLog:
    def __init__(self) -> None:
        self._days: dict[str, list[pd.DataFrame]] = {}

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.append_frame(pd.DataFrame(rows, columns=COLUMNS))

    def append_frame(self, frame: pd.DataFrame) -> None:
        for day, part in frame.groupby(frame["event_time"].dt.strftime("%Y-%m-%d")):
            self._days.setdefault(str(day), []).append(part)

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        days = [f"{start + timedelta(days=n):%Y-%m-%d}" for n in range((end - start).days + 1)]
        frames = [frame for day in days for frame in self._days.get(day, [])]
        if not frames:
            return pd.DataFrame(columns=COLUMNS)
        rows = pd.concat(frames)
        rows = rows[(rows["event_time"] >= start) & (rows["event_time"] < end)]
        return rows.drop_duplicates(["key", "version"]).reset_index(drop=True)


class MemoryOutcomes:
    """First label wins, as everywhere."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._arrivals: list[pd.DataFrame] = []

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        labels = labels.dropna(subset=["label"])
        first = labels.drop_duplicates("key")
        fresh = [key not in self._seen for key in first["key"]]  # not isin: that would sort a year of keys each day
        new = first[fresh]
        self._seen.update(zip(new["key"], new["label"].astype(float), strict=True))
        known = labels.loc[~labels.index.isin(new.index)]
        pairs = zip(known["key"], known["label"], strict=True)
        conflicting = sum(self._seen[key] != label for key, label in pairs)
        self._arrivals.append(
            pd.DataFrame({"key": new["key"], "label": new["label"].astype(float), "arrived_at": pd.Timestamp(at)})
        )
        return Receipt(len(new), len(known) - conflicting, conflicting)

    def known(self, by: datetime, since: datetime | None = None) -> pd.DataFrame:
        floor = datetime.min.replace(tzinfo=UTC) if since is None else since
        frames = [frame for frame in self._arrivals if len(frame) and floor < frame["arrived_at"].iloc[0] <= by]
        if not frames:
            return pd.DataFrame(columns=["key", "label", "arrived_at"])
        return pd.concat(frames, ignore_index=True)
