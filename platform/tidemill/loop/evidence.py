"""Predictions joined with outcomes, one closed day at a time.

A day is closed once its labels had time to arrive. What is read for a closed day is what was known when it closed, so
reading it again, after a crash or a year later, gives the same rows: evidence does not change under a judge's hands.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .ports import Outcomes, PredictionReader

if TYPE_CHECKING:
    import pandas as pd

_KEPT_DAYS = 64


class Evidence:
    def __init__(self, log: PredictionReader, outcomes: Outcomes, arrives_after: timedelta) -> None:
        self._log, self._outcomes, self._arrives_after = log, outcomes, arrives_after
        self._days: OrderedDict[tuple[datetime, datetime], pd.DataFrame] = OrderedDict()

    def predictions(self, day: datetime) -> pd.DataFrame:
        """Everything that was logged for events of the day, in the columns of ports.PredictionReader."""
        return self._log.read(day, day + timedelta(days=1))

    def labelled(self, day: datetime, known_by: datetime) -> pd.DataFrame:
        """Successful predictions of the day that have a label known by then: the log's columns and `label`."""
        wanted = (day, known_by)
        if wanted not in self._days:
            rows = self.predictions(day)
            rows = rows[rows["status"] == "ok"]
            labels = self._outcomes.known(known_by, since=day)[["key", "label"]]
            self._days[wanted] = rows.merge(labels, on="key", how="inner")
            while len(self._days) > _KEPT_DAYS:
                self._days.popitem(last=False)
        return self._days[wanted]
