"""Prediction log and outcomes in memory: for backtests, which live through a year in a minute and keep nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tidemill.adapters.outcomes import checked
from tidemill.loop.model import Receipt, Role

COLUMNS = [
    "request_id", "key", "event_time", "at", "version", "role", "served", "status", "raw", "score", "calibrator",
    "fallback", "latency_ms", "weight", "unit",
]  # fmt: skip

_TIME = "datetime64[us, UTC]"
_KINDS = {"event_time": _TIME, "at": _TIME, "served": "bool", "fallback": "bool", "raw": "float64",
          "score": "float64", "latency_ms": "float64", "weight": "float64"}  # fmt: skip
_EMPTY = pd.DataFrame({name: pd.Series(dtype=_KINDS.get(name, "object")) for name in COLUMNS})
_EVIDENCE = [str(role) for role in Role]  # a version that was asked for by name is not an arm of anything


class MemoryPredictionLog:
    def __init__(self) -> None:
        self._days: dict[str, list[pd.DataFrame]] = {}
        self._logged: list[tuple[pd.Timestamp, pd.Timestamp, pd.DataFrame]] = []  # from, until, rows

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            frame = pd.DataFrame(rows, columns=COLUMNS)
            times = {name: pd.to_datetime(frame[name], utc=True) for name in ("event_time", "at")}
            numbers = {name: frame[name].astype(float) for name in ("raw", "score", "weight")}
            self.append_frame(frame.assign(**times, **numbers))

    def append_frame(self, frame: pd.DataFrame) -> None:
        """The same for rows that are a frame already, times as UTC."""
        for day, part in frame.groupby(frame["event_time"].dt.floor("D")):
            self._days.setdefault(str(day.date()), []).append(part)
        if len(frame):
            self._logged.append((frame["at"].min(), frame["at"].max(), frame))

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        frames = [frame for day in _days(start, end) for frame in self._days.get(day, [])]
        rows = pd.concat(frames or [_EMPTY])
        rows = rows[(rows["event_time"] >= start) & (rows["event_time"] < end) & rows["role"].isin(_EVIDENCE)]
        # Stable: what was logged at the same time stays in the order in which it was written.
        rows = rows.sort_values("at", kind="stable")
        return rows.drop_duplicates(["key", "version"]).reset_index(drop=True)

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        frames = [frame for first, last, frame in self._logged if start <= last and first < end]
        rows = pd.concat(frames or [_EMPTY])
        rows = rows[(rows["at"] >= start) & (rows["at"] < end) & rows["role"].isin(_EVIDENCE)]
        return rows.sort_values("at", kind="stable", ignore_index=True)


def _days(start: datetime, end: datetime) -> list[str]:
    first, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]


class MemoryOutcomes:
    """First label wins, as everywhere."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._counts: list[tuple[datetime, int]] = []
        self._known = _arrivals({}, datetime.fromtimestamp(0, UTC))  # in the order of arrival
        self._new: list[pd.DataFrame] = []  # arrived since somebody last asked what is known

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        given = checked(labels)
        new: dict[str, float] = {}
        conflicting = 0
        for key, label in given:
            known = self._seen.get(key)
            if known is None:
                self._seen[key] = new[key] = label
            else:
                conflicting += known != label
        if new:
            self._counts.append((at, len(new)))
            self._new.append(_arrivals(new, at))
        return Receipt(len(new), len(given) - len(new) - conflicting, conflicting)

    def known(self, by: datetime, since: datetime | None = None) -> pd.DataFrame:
        if self._new:
            self._known = pd.concat([self._known, *self._new], ignore_index=True)
            self._new = []
        chosen = self._known["arrived_at"] <= by
        if since is not None:
            chosen &= self._known["arrived_at"] > since
        return self._known[chosen].reset_index(drop=True)

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int:
        floor = datetime.min.replace(tzinfo=UTC) if since is None else since
        return sum(count for at, count in self._counts if floor < at and (by is None or at <= by))


def _arrivals(labels: dict[str, float], at: datetime) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": pd.Series(list(labels), dtype="str"),
            "label": np.fromiter(labels.values(), dtype=float, count=len(labels)),
            "arrived_at": pd.DatetimeIndex([at], dtype=_TIME).repeat(len(labels)),
        }
    )
