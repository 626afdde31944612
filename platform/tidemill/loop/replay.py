"""Lives through history day by day: the same tick as ever, under a simulated clock, against a world that remembers.

A day: requests come and are answered; the day's batch is delivered after midnight; labels arrive as they did; in the
morning the loop ticks. The clock stands still while a turn runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import numpy as np
import pandas as pd

from tidemill.stats.scores import log_loss_rows

from .context import Context
from .model import TurnStatus
from .tick import TickReport, settle

REQUESTS_AT = time(20)
LABELS_AT = time(6, 30)
TICK_AT = time(7)


class World(Protocol):
    """History, as it could be seen at the time."""

    start: date
    live_from: date
    end: date

    def delivered(self, day: date) -> pd.DataFrame:
        """The day's batch as delivered, faults included; without the label."""

    def labels(self, now: datetime, since: datetime) -> pd.DataFrame:
        """Columns key, label: what became known in (since, now]."""

    def truth(self, day: date) -> pd.DataFrame:
        """Columns key, label: what came true, whether or not a label ever arrived."""


class SetClock:
    """A clock that is told the time."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class Client(Protocol):
    """The loop's data plane as its users see it."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Columns key, probability, version, arm for the rows of `frame` (key, event time and features)."""

    def send_labels(self, labels: pd.DataFrame) -> None:
        """Columns key, label."""


@dataclass(frozen=True)
class Day:
    """What one simulated day came to. `n` outcomes, `loss` the mean log loss of the answers that were given."""

    day: date
    n: int
    loss: float
    reports: list[TickReport]


@dataclass
class Replay:
    """`deliver` writes a day's batch to where the loop's source looks; `finished` hears of every turn that ended."""

    context: Context
    world: World
    clock: SetClock
    client: Client
    deliver: Callable[[date, pd.DataFrame], None]
    finished: Callable[[str, TurnStatus], None] | None = None

    def bootstrap(self) -> list[TickReport]:
        """History before the loop went live: batches and labels at once, then the first tick."""
        for day in _days(self.world.start, self.world.live_from):
            self.deliver(day, self.world.delivered(day))
        before = datetime.combine(self.world.start, time(0), UTC)
        moment = datetime.combine(self.world.live_from, LABELS_AT, UTC)
        self.context.ports.outcomes.record(self.world.labels(moment, before), moment, "history")
        return self._tick(self.world.live_from)

    def days(self) -> Iterator[Day]:
        for day in _days(self.world.live_from, self.world.end + timedelta(days=1)):
            batch = self.world.delivered(day)
            answers = self._serve(day, batch)
            morning = day + timedelta(days=1)
            self.deliver(day, batch)
            self._labels(morning)
            reports = self._tick(morning)
            truth = self.world.truth(day)
            scored = answers.merge(truth, on="key", how="inner")
            losses = log_loss_rows(scored["probability"].to_numpy(float), scored["label"].to_numpy(float))
            yield Day(day, len(scored), float(np.mean(losses)) if len(losses) else float("nan"), reports)

    def _serve(self, day: date, batch: pd.DataFrame) -> pd.DataFrame:
        self.clock.time = datetime.combine(day, REQUESTS_AT, UTC)
        return self.client.predict(batch).drop_duplicates("key")

    def _labels(self, morning: date) -> None:
        self.clock.time = datetime.combine(morning, LABELS_AT, UTC)
        labels = self.world.labels(self.clock.time, self.clock.time - timedelta(days=1))
        if len(labels):
            self.client.send_labels(labels)

    def _tick(self, morning: date) -> list[TickReport]:
        self.clock.time = datetime.combine(morning, TICK_AT, UTC)
        return settle(self.context, self.clock.time, self.finished)


def _days(first: date, end: date) -> Iterator[date]:
    for n in range((end - first).days):
        yield first + timedelta(days=n)
