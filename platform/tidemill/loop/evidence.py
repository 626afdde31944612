"""Predictions, and predictions joined with outcomes, for whoever closes a block of them.

What is read for a closed block is what was known when it closed, so reading it again, after a crash or a year later,
gives the same rows: evidence does not change under a judge's hands.

A score that is not a number is a failure, whatever status it was logged with: one NaN makes every mean of its block
NaN, which the state store refuses and no correction can be fitted on.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .ports import Outcomes, PredictionReader

if TYPE_CHECKING:
    import pandas as pd

_LABELLED = 64  # days: a correction is fitted on the same two weeks every night
_KEPT = ["version", "served", "event_time", "raw", "score", "label"]  # a large day is kept, too: as little as it takes
_JOINED = 2
DAY = timedelta(days=1)
AGAIN = timedelta(hours=2)  # predictions that come later than this into the log are in no operational block


class Evidence:
    def __init__(self, log: PredictionReader, outcomes: Outcomes) -> None:
        self._log, self._outcomes = log, outcomes
        self._days: OrderedDict[tuple[datetime, datetime], pd.DataFrame] = OrderedDict()
        self._labelled: OrderedDict[tuple[datetime, datetime], pd.DataFrame] = OrderedDict()

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        """What was logged in [start, end), whatever the time of its events."""
        return _failures_named(self._log.answers(start, end))

    def scored(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Successful predictions for events in [start, end), with a label or without."""
        rows = _failures_named(self._log.read(start, end))
        return rows[rows["status"] == "ok"]

    def joined(self, start: datetime, end: datetime, known_by: datetime) -> pd.DataFrame:
        """Successful predictions for events in [start, end), within one day: the log's columns, `label` and
        `arrived_at`; both are missing where no label is known by then."""
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        rows = self._day(day, known_by)
        return rows[(rows["event_time"] >= start) & (rows["event_time"] < end)]

    def labelled(self, day: datetime, known_by: datetime) -> pd.DataFrame:
        """Those of a day's `joined` that have a label, and of their columns what later nights ask for; `key_hash` tells
        keys from each other in eight bytes."""
        if (day, known_by) not in self._labelled:
            from pandas.util import hash_pandas_object

            rows = self.joined(day, day + DAY, known_by)
            found = rows[rows["label"].notna()]
            kept = found[_KEPT].assign(key_hash=hash_pandas_object(found["key"], index=False))
            self._labelled[day, known_by] = kept.astype({"version": "category"})
            _forget(self._labelled, _LABELLED)
        return self._labelled[day, known_by]

    def _day(self, day: datetime, known_by: datetime) -> pd.DataFrame:
        """Read once for all blocks of the day that are looked at in one tick."""
        if (day, known_by) not in self._days:
            rows = self.scored(day, day + DAY)
            labels = self._outcomes.known(known_by, since=day)[["key", "label", "arrived_at"]]
            self._days[day, known_by] = rows.merge(labels, on="key", how="left")
            _forget(self._days, _JOINED)
        return self._days[day, known_by]


def _failures_named(rows: pd.DataFrame) -> pd.DataFrame:
    """With the status error where a probability is not a number."""
    number = (rows[["raw", "score"]].abs() < float("inf")).all(axis=1)  # False for NaN, too
    wrong = (rows["status"] == "ok") & ~number
    return rows.assign(status=rows["status"].mask(wrong, "error")) if wrong.any() else rows


def _forget(cache: OrderedDict[tuple[datetime, datetime], pd.DataFrame], most: int) -> None:
    while len(cache) > most:
        cache.popitem(last=False)
