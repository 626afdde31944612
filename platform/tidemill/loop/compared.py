"""The rows on which a rollout's two versions are compared, and what was compared on earlier days.

A key has one label, and the label joins each day on which the key was scored before the label came. So a key counts on
the day of events on which it first came in the rollout; and so does a value of the column that parts the outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from .blocks import midnight
from .context import Context
from .documents.rollout import RolloutDocument

if TYPE_CHECKING:
    import pandas as pd

_DAY = timedelta(days=1)


def compared(rows: pd.DataFrame, rollout: RolloutDocument) -> pd.DataFrame:
    """Rows of the champion with the challenger's score, where both answered since the first step began."""
    rows = rows[rows["at"] >= rollout.steps[0].started_at]
    mine = rows[rows["version"] == rollout.champion].drop_duplicates("key")
    theirs = rows[rows["version"] == rollout.challenger].drop_duplicates("key")
    both = mine.merge(theirs[["key", "score", "unit"]], on="key", suffixes=("", "_challenger"))
    # A champion that was asked first before the route named the column has no unit of its own.
    return both.assign(unit=both["unit"].where(both["unit"].notna(), both["unit_challenger"]))


@dataclass(frozen=True)
class _Came:
    """`keys`: 64-bit hashes, 8 bytes each, because a rollout may hold millions of keys."""

    keys: np.ndarray[Any, np.dtype[np.uint64]]
    units: set[str]


class Earlier:
    """What was compared in the rollout before a day, labelled or not, by the prediction log. A day is read once."""

    def __init__(self, context: Context, rollout: RolloutDocument) -> None:
        self._context, self._rollout = context, rollout
        self._days: dict[datetime, _Came] = {}

    def has(self, keys: pd.Series, day: datetime) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of the keys came on a day before `day`, shape (n,)."""
        found, hashes = np.zeros(len(keys), dtype=bool), _hashes(keys)
        for each in self._before(day):
            found |= np.isin(hashes, each.keys)
        return found

    def units(self, day: datetime) -> set[str]:
        """The values that came on a day before `day`."""
        return set().union(*(each.units for each in self._before(day)))

    def _before(self, day: datetime) -> list[_Came]:
        first = midnight(self._rollout.steps[0].started_at)
        return [self._came(first + number * _DAY) for number in range((day - first) // _DAY)]

    def _came(self, day: datetime) -> _Came:
        if day not in self._days:
            rows = compared(self._context.evidence.scored(day, day + _DAY), self._rollout)
            self._days[day] = _Came(_hashes(rows["key"]), set(rows["unit"].dropna()))
        return self._days[day]


def _hashes(keys: pd.Series) -> np.ndarray[Any, np.dtype[np.uint64]]:
    from pandas.util import hash_array

    return hash_array(keys.to_numpy(object))
