"""The rows on which a rollout's two versions are compared, and what was compared on earlier days.

A key has one label, and the label joins each day on which the key was scored before the label came. So a key counts on
the day of events on which it first came in the rollout; and so does a value of the column that parts the outcomes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .blocks import midnight
from .context import Context
from .counting import Came
from .documents.rollout import RolloutDocument
from .evidence import AGAIN, DAY

if TYPE_CHECKING:
    import pandas as pd


def compared(rows: pd.DataFrame, rollout: RolloutDocument) -> pd.DataFrame:
    """Rows of the champion with the challenger's score, where both answered since the first step began."""
    rows = rows[rows["at"] >= rollout.steps[0].started_at]
    mine = rows[rows["version"] == rollout.champion].drop_duplicates("key")
    theirs = rows[rows["version"] == rollout.challenger].drop_duplicates("key")
    both = mine.merge(theirs[["key", "score", "unit"]], on="key", suffixes=("", "_challenger"))
    # A champion that was asked first before the route named the column has no unit of its own.
    return both.assign(unit=both["unit"].where(both["unit"].notna(), both["unit_challenger"]))


class Earlier:
    """What was compared in the rollout before a day, labelled or not, by the prediction log. A day is read once; again
    in later ticks while predictions may still come late into the log."""

    def __init__(self, context: Context, rollout: RolloutDocument, now: datetime) -> None:
        self._context, self._rollout, self._over = context, rollout, now - AGAIN - DAY
        self._days: dict[datetime, Came] = {}
        remembered = context.compared.get(rollout.id, {})
        # A day that is still to come was read by a clock that ran ahead.
        self._settled = {day: came for day, came in remembered.items() if day <= self._over}
        context.compared.clear()  # there is one rollout at a time
        context.compared[rollout.id] = self._settled

    def has(self, keys: pd.Series, day: datetime) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of the keys came on a day before `day`, shape (n,)."""
        found, hashes = np.zeros(len(keys), dtype=bool), _hashes(keys)
        for each in self._before(day):
            found |= np.isin(hashes, each.keys)
        return found

    def units(self, day: datetime) -> set[str]:
        """The values that came on a day before `day`."""
        return set().union(*(each.units for each in self._before(day)))

    def _before(self, day: datetime) -> list[Came]:
        first = midnight(self._rollout.steps[0].started_at)
        return [self._came(first + number * DAY) for number in range((day - first) // DAY)]

    def _came(self, day: datetime) -> Came:
        days = self._settled if day <= self._over else self._days
        if day not in days:
            rows = compared(self._context.evidence.scored(day, day + DAY), self._rollout)
            days[day] = Came(_hashes(rows["key"]), set(rows["unit"].dropna()))
        return days[day]


def _hashes(keys: pd.Series) -> np.ndarray[Any, np.dtype[np.uint64]]:
    from pandas.util import hash_array

    return hash_array(keys.to_numpy(object))
