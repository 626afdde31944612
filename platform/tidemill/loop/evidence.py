"""Predictions, and predictions joined with outcomes, for whoever closes a block of them.

What is read for a closed block is what was known when it closed, so reading it again, after a crash or a year later,
gives the same rows: evidence does not change under a judge's hands.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .ports import Outcomes, PredictionReader

if TYPE_CHECKING:
    import pandas as pd

_KEPT = 64
DAY = timedelta(days=1)


class Evidence:
    def __init__(self, log: PredictionReader, outcomes: Outcomes) -> None:
        self._log, self._outcomes = log, outcomes
        self._labelled: OrderedDict[tuple[datetime, datetime, datetime], pd.DataFrame] = OrderedDict()

    def predictions(self, start: datetime, end: datetime) -> pd.DataFrame:
        """What was logged for events in [start, end), in the columns of ports.PredictionReader."""
        return self._log.read(start, end)

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        """What was logged in [start, end), whatever the time of its events."""
        return self._log.answers(start, end)

    def joined(self, start: datetime, end: datetime, known_by: datetime) -> pd.DataFrame:
        """Successful predictions for events in [start, end): the log's columns, `label` and `arrived_at`; both are
        missing where no label is known by then."""
        rows = self.predictions(start, end)
        labels = self._outcomes.known(known_by, since=start)
        return rows[rows["status"] == "ok"].merge(labels[["key", "label", "arrived_at"]], on="key", how="left")

    def labelled(self, start: datetime, end: datetime, known_by: datetime) -> pd.DataFrame:
        """Those of `joined` that have a label."""
        wanted = (start, end, known_by)
        if wanted not in self._labelled:
            self._labelled[wanted] = self.joined(start, end, known_by).dropna(subset=["label"])
            while len(self._labelled) > _KEPT:
                self._labelled.popitem(last=False)
        return self._labelled[wanted]
