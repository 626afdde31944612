"""A small world and in-process ports, so that a loop lives through months in seconds: real decisions, real state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tidemill.adapters.file_source import FileSource
from tidemill.adapters.local.inline import InlinePipelines
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.adapters.memory_stores import MemoryOutcomes, MemoryPredictionLog
from tidemill.adapters.notifiers import NoNotifier
from tidemill.adapters.sql.state import SqlState
from tidemill.gateway.inline import InlineDataPlane
from tidemill.loop.context import Context, Ports
from tidemill.loop.replay import Replay, SetClock
from tidemill.spec.model_loop import ModelLoop

MODEL = """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer


def train(X, y, previous=None):
    chosen = make_column_transformer(("passthrough", ["x", "z"]))
    return make_pipeline(chosen, LogisticRegression()).fit(X, y.astype(int))


def base(X, y, previous=None):
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior").fit(X, y.astype(int))
"""


def model_loop(**spec: Any) -> ModelLoop:
    document: dict[str, Any] = {
        "apiVersion": "tidemill.dev/v1alpha1",
        "kind": "ModelLoop",
        "metadata": {"name": "small"},
        "spec": {
            "model": {"task": "binary-classification", "trainer": "small_model:train", "baseline": "small_model:base"},
            "data": {
                "source": {"parquet": "data/"},
                "key": "id",
                "eventTime": "at",
                "label": {"column": "y", "arrivesAfter": "6h"},
                "gate": {"falseAlarms": "1%", "minHistory": 20},
            },
            "window": {"holdOut": "5d"},
            "evaluation": {"accept": {"minRows": 200, "minGain": -0.05}},
            "triggers": {"newData": {"growth": "50%"}, "limits": {"cooldown": "3d", "minNewOutcomes": 0}},
            "rollout": {
                "steps": [{"shadow": "100%", "minOutcomes": 100}, {"canary": "50%", "minOutcomes": 100}],
                "judge": {"metrics": [{"metric": "log_loss", "margin": 0.05}]},
                "maxDuration": "30d",
            },
        },
    }
    for key, value in spec.items():
        document["spec"][key] = value
    return ModelLoop.model_validate(document)


@dataclass
class SmallWorld:
    """`rows` a day; the label follows x, and from `turn` on the base rate rises (a shift that a correction mends)."""

    start: date = date(2020, 1, 1)
    live_from: date = date(2020, 2, 1)
    end: date = date(2020, 3, 31)
    rows: int = 120
    turn: date = date(2021, 1, 1)
    corrupt: dict[date, Callable[[pd.DataFrame], pd.DataFrame]] = field(default_factory=dict)
    spoil: Callable[[int], Any] = lambda _number: None

    def _day(self, day: date) -> pd.DataFrame:
        rng = np.random.default_rng(day.toordinal())
        x, z = rng.normal(size=self.rows), rng.normal(size=self.rows)
        shift = 1.5 if day >= self.turn else 0.0
        y = rng.random(self.rows) < 1 / (1 + np.exp(-(1.5 * x - 0.5 + shift)))
        moment = datetime.combine(day, time(0), UTC)
        return pd.DataFrame(
            {
                "id": [f"{day}-{n}" for n in range(self.rows)],
                "at": [moment + timedelta(minutes=n) for n in range(self.rows)],
                "x": x,
                "z": z,
                "y": y.astype(float),
            }
        )

    def delivered(self, day: date) -> pd.DataFrame:
        batch = self._day(day).drop(columns="y")
        return self.corrupt[day](batch) if day in self.corrupt else batch

    def labels(self, now: datetime, since: datetime) -> pd.DataFrame:
        days = [since.date() + timedelta(days=n) for n in range((now.date() - since.date()).days)]
        frames = [self._day(day)[["id", "y"]] for day in days]
        return pd.concat(frames).rename(columns={"id": "key", "y": "label"})

    def truth(self, day: date) -> pd.DataFrame:
        return self._day(day)[["id", "y"]].rename(columns={"id": "key", "y": "label"})

    def sabotage(self, number: int) -> Any:
        return self.spoil(number)


class NoExpectations:
    def failures(self, frame: pd.DataFrame, suite: str, per_partition: bool = True) -> list[str]:
        return []


@dataclass
class Small:
    context: Context
    world: SmallWorld
    clock: SetClock
    plane: InlineDataPlane
    registry: MemoryRegistry
    replay: Replay


def small(folder: Path, world: SmallWorld | None = None, loop: ModelLoop | None = None) -> Small:
    """A loop in `folder`, bootstrapped by nobody yet."""
    world, loop = world or SmallWorld(), loop or model_loop()
    write_project(folder)
    clock = SetClock(datetime.combine(world.start, time(0), UTC))
    registry, outcomes, log = MemoryRegistry(), MemoryOutcomes(), MemoryPredictionLog()
    plane = InlineDataPlane(loop.spec.data, log, outcomes, clock, registry.load)
    ports = Ports(
        source=FileSource(folder, "data/", "parquet", loop.spec.data.key),
        log=log,
        outcomes=outcomes,
        registry=registry,
        serving=plane,
        pipelines=InlinePipelines(registry),
        validator=NoExpectations(),
        notifier=NoNotifier(),
        state=SqlState(f"sqlite:///{folder}/home/state.db"),
    )
    context = Context(loop, folder, folder / "home", "memory:", ports)
    return Small(
        context, world, clock, plane, registry, Replay(context, world, clock, plane, partial(deliver, folder / "data"))
    )


def write_project(folder: Path, code: str = MODEL) -> None:
    """Writes small_model.py, and forgets the one that another test imported under that name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small_model.py").write_text(code)
    sys.modules.pop("small_model", None)


def deliver(folder: Path, day: date, batch: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    batch.to_parquet(folder / f"{day}.parquet", index=False)


def events(context: Context, *names: str) -> list[dict[str, Any]]:
    return [line for line in context.state.ledger(context.name) if line["event"] in names]
