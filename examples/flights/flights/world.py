"""The world that a replay runs against: what is delivered on which day, and when which label becomes known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from . import data, faults, sabotage


class FlightsYear:
    """2013, deterministic by `seed`. `days` ends it after so many live days, and changes nothing before that;
    `faults=False` delivers every day as it truly was and spoils no challenger."""

    start = date(2013, 1, 1)
    live_from = date(2013, 3, 1)
    last = date(2013, 12, 31)

    def __init__(self, seed: int = 13, days: int | None = None, faults: bool = True) -> None:
        if days is not None and days < 1:
            raise ValueError(f"A replay of {days} days shows nothing: give days=1 or more, or None for all of 2013.")
        self.seed = seed
        self.end = self.last if days is None else min(self.last, self.live_from + timedelta(days=days - 1))
        self._faults = self._drawn() if faults else {}
        self._days = dict(list(data.departures().groupby(data.departures()[data.EVENT_TIME].dt.date)))
        truth = data.outcomes(seed)
        self._truth = truth.dropna(subset=[data.LABEL]).set_index(data.KEY)[data.LABEL]
        self._arrivals = truth.dropna(subset=[data.LABEL_ARRIVAL]).sort_values([data.LABEL_ARRIVAL, data.KEY])
        self._arrival_times = self._arrivals[data.LABEL_ARRIVAL].dt.tz_localize(None).to_numpy()

    def delivered(self, day: date) -> pd.DataFrame:
        """The batch as it arrives, faults applied, without the label: columns `data.DELIVERED`. What is delivered is
        also what is asked of the data plane that day."""
        if day not in self._days:
            raise KeyError(f"There are no flights on {day}: the world is 2013-01-01 to 2013-12-31.")
        batch = self._days[day][list(data.DELIVERED)].reset_index(drop=True)
        fault = self._faults.get(day)
        if fault is None:
            return batch
        return fault.corrupt(batch, np.random.default_rng([self.seed, 3, day.toordinal()])).reset_index(drop=True)

    def labels(self, now: datetime, since: datetime) -> pd.DataFrame:
        """Columns key, label: the outcomes that become known in (since, now], in the order in which they do.

        Flights that a truncated day never delivered land too: some labels are for keys that nobody predicted.
        """
        first, last = (np.searchsorted(self._arrival_times, _naive(time), side="right") for time in (since, now))
        known = self._arrivals.iloc[first : max(first, last)]
        return pd.DataFrame({"key": known[data.KEY].to_numpy(), "label": known[data.LABEL].to_numpy()})

    def truth(self, day: date) -> pd.DataFrame:
        """Columns key, label: the true outcomes of the flights delivered that day, each once, whenever it is known."""
        keys = self.delivered(day)[data.KEY].drop_duplicates()
        labels = self._truth.reindex(keys).dropna()
        return pd.DataFrame({"key": labels.index.to_numpy(), "label": labels.to_numpy()})

    def faults(self) -> list[dict[str, str]]:
        """The corrupted days until `end`: day (ISO), kind, description."""
        return [
            {"day": fault.day.isoformat(), "kind": fault.kind, "description": fault.description}
            for fault in self._faults.values()
            if fault.day <= self.end
        ]

    def sabotage(self, turn_number: int) -> Callable[[Path], None] | None:
        """What happens to the files of the n-th challenger registered after the bootstrap (1 is the first) between
        its evaluation and its rollout; None for an honest one."""
        kind = sabotage.SPOILED.get(turn_number) if self._faults else None
        return None if kind is None else partial(sabotage.spoil, kind=kind)

    def _drawn(self) -> dict[date, faults.Fault]:
        return {fault.day: fault for fault in faults.draw(self.seed, self.live_from, self.last)}


def _naive(time: datetime) -> np.datetime64:
    return np.datetime64(pd.Timestamp(time).tz_convert("UTC").tz_localize(None).to_datetime64())
