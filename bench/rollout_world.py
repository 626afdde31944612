"""A rollout as it is wired: real ticks over a real data plane without HTTP, on simulated predictions and outcomes.

Nothing is trained. The two models answer with the columns `champion` and `challenger` of the frame they are asked with;
log, labels, blocks, repair, judge, split and route are the product's own. Time is simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from memory_state import MemoryState
from tidemill.adapters.memory_stores import MemoryOutcomes, MemoryPredictionLog
from tidemill.adapters.notifiers import NoNotifier
from tidemill.gateway.inline import InlineDataPlane
from tidemill.loop.context import Context, Ports
from tidemill.loop.documents.turn import TurnDocument
from tidemill.loop.errors import VersionUnknown
from tidemill.loop.model import ModelVersion, Phase, TurnStatus
from tidemill.loop.replay import SetClock
from tidemill.loop.rollouts import begin_rollout
from tidemill.loop.tick import tick
from tidemill.spec.model_loop import ModelLoop

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PAST = 30  # days of the champion alone, before the rollout begins
NAME = "simulated"


def loop(recalibrate: str = "daily", **spec: Any) -> ModelLoop:
    rollout = {
        "steps": [{"shadow": "100%", "minOutcomes": 100}],
        "judge": {"metrics": [{"metric": "log_loss", "margin": 0.02}, {"metric": "error_rate", "margin": 0.01}]},
        "maxDuration": "28d",
        "onInconclusive": "abort",
    } | spec.pop("rollout", {})
    label = {"column": "y", "arrivesAfter": "1h", "giveUpAfter": "14d"} | spec.pop("label", {})
    return ModelLoop.model_validate(
        {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "ModelLoop",
            "metadata": {"name": NAME},
            "spec": {
                "model": {
                    "task": "binary-classification",
                    "trainer": "none:none",
                    "baseline": "none:none",
                    "recalibrate": {"when": recalibrate},
                },
                "data": {"source": {"parquet": "data/"}, "key": "id", "eventTime": "at", "label": label},
                "rollout": rollout,
            },
        }
    )


@dataclass(frozen=True)
class Stream:
    """Predictions of two models and what came true, shape (days, rows): logits, labels, hour of the day, key; the delay
    of each label in days (NaN: never); and the batch that each row belongs to, where rows have one."""

    champion: np.ndarray[Any, Any]
    challenger: np.ndarray[Any, Any]
    label: np.ndarray[Any, Any]
    hour: np.ndarray[Any, Any]
    delay: np.ndarray[Any, Any]
    batch: np.ndarray[Any, Any] | None = None

    @property
    def days(self) -> int:
        return len(self.label)

    def frame(self, day: int) -> pd.DataFrame:
        at = START + day * DAY
        return pd.DataFrame(
            {
                "id": [f"{day}-{n}" for n in range(self.label.shape[1])],
                "at": pd.Timestamp(at) + pd.to_timedelta(self.hour[day], unit="h"),
                "champion": self.champion[day],
                "challenger": self.challenger[day],
                **({} if self.batch is None else {"batch": self.batch[day]}),
            }
        )

    def arrivals(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Of each label that comes: the hour in which it does, in order, and its place among all rows."""
        at = (np.arange(self.days)[:, None] * 24 + self.hour + self.delay * 24).ravel()
        order = np.argsort(at, kind="stable")[: np.isfinite(at).sum()]
        return at[order], order

    def labels(self, places: np.ndarray[Any, Any]) -> pd.DataFrame:
        day, row = np.divmod(places, self.label.shape[1])
        keys = [f"{one}-{other}" for one, other in zip(day.tolist(), row.tolist(), strict=True)]
        return pd.DataFrame({"key": keys, "label": self.label.ravel()[places].astype(float)})


class _Column:
    def __init__(self, name: str) -> None:
        self._name = name

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray[Any, Any]:
        p = 1 / (1 + np.exp(-X[self._name].to_numpy(float)))
        return np.column_stack([1 - p, p])


class _Registry:
    def get(self, name: str, version: str) -> ModelVersion:
        if version not in ("1", "2"):
            raise VersionUnknown(version)
        return ModelVersion(version, "memory:", "", "")

    def aliases(self, name: str) -> dict[str, str]:
        return {}

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        return None


class _Nothing:
    """No data, no runs."""

    place = "nowhere"

    def partitions(self) -> list[Any]:
        return []

    def status(self, turn: str) -> TurnStatus:
        return TurnStatus(Phase.UNKNOWN)

    def failures(self, frame: Any, suite: str, per_partition: bool = True) -> list[str]:
        return []


class World:
    """One loop. `ticks`: the hour of the day after at which it ticks, or several whole hours, 1 to 24, of the day."""

    def __init__(self, loop: ModelLoop, stream: Stream, ticks: tuple[float, ...] = (7.0,), past: int = PAST) -> None:
        self.loop, self.stream, self.ticks, self.past = loop, stream, ticks, past
        self.clock = SetClock(START)
        self.log, self.outcomes, self.state = MemoryPredictionLog(), MemoryOutcomes(), MemoryState()
        columns = {"1": "champion", "2": "challenger"}
        self.plane = InlineDataPlane(
            loop.spec.data, self.log, self.outcomes, self.clock, lambda found: _Column(columns[found.version])
        )
        nothing: Any = _Nothing()
        ports = Ports(
            source=nothing, log=self.log, outcomes=self.outcomes, registry=_Registry(),  # type: ignore[arg-type]
            serving=self.plane, pipelines=nothing, validator=nothing, notifier=NoNotifier(), state=self.state,
        )  # fmt: skip
        self.context = Context(loop, Path(), Path(), "memory:", ports)
        self._arrive, self._places = stream.arrivals()
        self._sent = 0
        champion = {"version": "1", "turn": "t", "since": START.isoformat(), "first_since": START.isoformat(),
                    "previous": None, "baseline": None, "excess": 0.0, "reason": "Bootstrap"}  # fmt: skip
        self.state.put(NAME, "champion", "current", champion)
        self.state.put(NAME, "reign", "1", champion)

    def live(self) -> dict[str, Any]:
        """The past, then the rollout, until it ends; returns its document, with `days` it took."""
        self.clock.time = START
        tick(self.context, START)
        for day in range(self.past):
            self._ask(day)
            if day % 7 == 6 or day == self.past - 1:
                self._tick(START + (day + 1) * DAY + 7 * HOUR)
        self._begin()
        for day in range(self.past, self.stream.days):
            for now in self._looks(day):
                self._tick(now)
                rollout = self.rollout()
                if rollout["status"] in ("promoted", "aborted"):
                    return rollout
        return self.rollout()

    def rollout(self) -> dict[str, Any]:
        return self.state.documents(NAME, "rollout")[-1]

    def _begin(self) -> None:
        result = {"register": {"version": "2"}, "evaluate": {}}
        turn = TurnDocument(
            id="r", number=1, status="accepted", reason="Bootstrap", message="", signals=(), snapshot="", partitions=(),
            rows=0, started_at=self.clock.time, work_uri="memory:", attempts=1, champion="1",
        )  # fmt: skip
        self.state.transact(NAME, begin_rollout(self.context, turn, result, self.clock.time))
        tick(self.context, self.clock.time)

    def _looks(self, day: int) -> Iterator[datetime]:
        """When the loop ticks. Where it looks once, it is on the day after, and the day's requests come at noon; else
        they come hour by hour, and those since the last look before the next one."""
        if len(self.ticks) == 1:
            self._ask(day)
            yield START + (day + 1) * DAY + self.ticks[0] * HOUR
            return
        frame = self.stream.frame(day)
        for hour in range(24):
            end = START + day * DAY + (hour + 1) * HOUR
            if end > self.clock.time:  # the rollout began at 7 h on its first day
                self._predict(frame[self.stream.hour[day] // 1 == hour], end - timedelta(minutes=1))
            if hour + 1 in self.ticks and end > self.clock.time:
                yield end

    def _ask(self, day: int) -> None:
        self._predict(self.stream.frame(day), START + day * DAY + 12 * HOUR)

    def _predict(self, frame: pd.DataFrame, at: datetime) -> None:
        if len(frame):
            self.clock.time = at
            self.plane.predict(frame.reset_index(drop=True))

    def _tick(self, now: datetime) -> None:
        until = int(np.searchsorted(self._arrive, (now - START) / HOUR, side="right"))
        # By the hour of their arrival: how late labels are is learnt from it.
        hours = np.ceil(self._arrive[self._sent : until])
        for hour in np.unique(hours):
            first, last = self._sent + np.searchsorted(hours, [hour, hour + 0.5])
            at = min(START + float(hour) * HOUR, now)
            self.outcomes.record(self.stream.labels(self._places[first:last]), at, "simulated")
        self._sent = until
        self.clock.time = now
        tick(self.context, now)
