"""A loop whose every port survives a kill, and a life for it: for tests that kill it."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import pandas as pd
from small_world import NoExpectations, SmallWorld, deliver, model_loop, write_project
from tidemill.adapters.file_source import FileSource
from tidemill.adapters.local.inline import InlinePipelines
from tidemill.adapters.local.outcomes import SqliteOutcomes
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.adapters.notifiers import NoNotifier
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.adapters.sql.state import SqlState
from tidemill.gateway.inline import InlineDataPlane
from tidemill.loop.context import Context, Ports
from tidemill.loop.model import Route
from tidemill.loop.ports import Clock
from tidemill.loop.replay import SetClock
from tidemill.loop.requests import ask
from tidemill.loop.tick import settle

DAYS = 5
LOOP = model_loop(
    triggers={"limits": {"cooldown": "0d", "minNewOutcomes": 0}},
    evaluation={"accept": {"minRows": 50, "minGain": -1.0, "sliceTolerance": 1.0}},
    window={"holdOut": "3d"},
    rollout={
        "steps": [{"shadow": "100%", "minOutcomes": 10}],
        "judge": {"alpha": 0.4, "metrics": [{"metric": "log_loss", "margin": 0.5}]},
    },
)
WORLD = SmallWorld(start=date(2020, 1, 1), live_from=date(2020, 1, 12), rows=40, turn=date(2020, 1, 12))

# What is killed at: the loop's ways of changing anything.
WRITES = {
    "state": ("put", "put_once", "transact"),
    "outcomes": ("record",),
    "log": ("append_frame",),
    "registry": ("register", "set_alias"),
    "serving": ("set_route",),
    "pipelines": ("submit",),
}


class Killer:
    """Counts writes, and dies of SIGKILL at the n-th: before it, or right after it."""

    def __init__(self, at: int | None, after: bool) -> None:
        self.at, self.after, self.writes = at, after, 0

    def wrap(self, port: Any, methods: tuple[str, ...]) -> Any:
        for name in methods:
            setattr(port, name, self._counted(getattr(port, name)))
        return port

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.writes += 1
            now = self.writes == self.at  # asked here, since a write may make others
            if now and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(*args, **kwargs)
            if now:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted


class KeptRegistry(MemoryRegistry):
    """The registry in memory, pickled at each change."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        if path.exists():
            self.__dict__.update(pickle.loads(path.read_bytes()))

    def put(self, model: Any) -> str:
        uri = super().put(model)
        self._keep()
        return uri

    def register(self, *args: Any, **kwargs: Any) -> Any:
        version = super().register(*args, **kwargs)
        self._keep()
        return version

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        super().set_alias(name, alias, version)
        self._keep()

    def _keep(self) -> None:
        kept = {key: self.__dict__[key] for key in ("_versions", "_aliases", "_models")}
        aside = self._path.with_suffix(".part")
        aside.write_bytes(cloudpickle.dumps(kept))
        aside.replace(self._path)


class KeptPipelines(InlinePipelines):
    """Remembers on disk how each turn ended, as every backend does."""

    def __init__(self, registry: MemoryRegistry, path: Path) -> None:
        super().__init__(registry)
        self._path = path
        if path.exists():
            self._ended = pickle.loads(path.read_bytes())

    def submit(self, request: Any) -> None:
        super().submit(request)
        aside = self._path.with_suffix(".part")
        aside.write_bytes(pickle.dumps(self._ended))
        aside.replace(self._path)


class KeptDataPlane(InlineDataPlane):
    """Answers from its last route as soon as it starts, as the gateway does."""

    def __init__(self, path: Path, registry: MemoryRegistry, log: Any, outcomes: SqliteOutcomes, clock: Clock) -> None:
        super().__init__(LOOP.spec.data, log, outcomes, clock, registry.load)
        self._path = path
        if path.exists():
            route = pickle.loads(path.read_bytes())
            serving = {arm.version for arm in route.arms} | set(route.fallback)
            for version in registry.versions(route.loop):
                if version.version in serving:
                    self.prepare(version)
            super().set_route(route)

    def set_route(self, route: Route) -> None:
        super().set_route(route)
        aside = self._path.with_suffix(".part")
        aside.write_bytes(pickle.dumps(route))
        aside.replace(self._path)


class FrameLog:
    """The real log, written to in frames."""

    def __init__(self, folder: Path) -> None:
        self._log = ParquetPredictionLog(folder)

    def append_frame(self, frame: pd.DataFrame) -> None:
        self._log.append(frame.to_dict("records"))

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        return self._log.read(start, end)

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        return self._log.answers(start, end)


def live(folder: Path, killer: Killer, database: str | None = None) -> Context:
    """Lives the life from where it was left, to its end. State and outcomes are in files, or in `database` (an URL).

    Each day has two steps: in the evening requests are answered, next morning data and labels arrive and the loop
    ticks. A step that was killed is taken again, at its own time: what the world sends it sends until it is taken, and
    time never runs backwards.
    """
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    write_project(folder)
    clock = SetClock(_morning(WORLD.live_from))
    registry = killer.wrap(KeptRegistry(home / "registry"), WRITES["registry"])
    store = SqlState(database or f"sqlite:///{home}/state.db")
    labels = SqlOutcomes(store.database, LOOP.metadata.name) if database else SqliteOutcomes(home / "outcomes")
    outcomes = killer.wrap(labels, WRITES["outcomes"])
    log = killer.wrap(FrameLog(home / "predictions"), WRITES["log"])
    plane = killer.wrap(KeptDataPlane(home / "route", registry, log, outcomes, clock), WRITES["serving"])
    ports = Ports(
        source=FileSource(folder, "data/", "parquet", LOOP.spec.data.key),
        log=log,
        outcomes=outcomes,
        registry=registry,
        serving=plane,
        pipelines=killer.wrap(KeptPipelines(registry, home / "pipelines"), WRITES["pipelines"]),
        validator=NoExpectations(),
        notifier=NoNotifier(),
        state=killer.wrap(store, WRITES["state"]),
    )
    context = Context(LOOP, folder, home, "memory:", ports)
    progress = home / "step"
    begun = int(progress.read_text()) if progress.exists() else 0
    with context.state.lease(context.name):
        _bootstrap(folder, context)
        if begun % 2 == 0:  # as a daemon does when it starts: it finishes what the last tick began
            settle(context, _morning(WORLD.live_from + timedelta(days=begun // 2)))
        for step in range(begun, 2 * DAYS):
            progress.write_text(str(step))
            day = WORLD.live_from + timedelta(days=step // 2)
            if step % 2 == 0:
                clock.time = datetime.combine(day, time(20), UTC)
                plane.predict(WORLD.delivered(day))
                continue
            clock.time = _morning(day + timedelta(days=1))
            deliver(folder / "data", day, WORLD.delivered(day))
            if step == 3:
                _ask_once(context, clock.time)
            plane.send_labels(WORLD.labels(clock.time, clock.time - timedelta(days=1)))
            settle(context, clock.time)
    return context


def _bootstrap(folder: Path, context: Context) -> None:
    """The history and its labels, of which the first tick makes the first champion."""
    for n in range((WORLD.live_from - WORLD.start).days):
        day = WORLD.start + timedelta(days=n)
        if not (folder / "data" / f"{day}.parquet").exists():
            deliver(folder / "data", day, WORLD.delivered(day))
    moment = _morning(WORLD.live_from)
    if context.state.get(context.name, "champion", "current") is None:
        context.ports.outcomes.record(
            WORLD.labels(moment, datetime.combine(WORLD.start, time(0), UTC)), moment, "history"
        )


def _ask_once(context: Context, now: datetime) -> None:
    ask(context.state, context.name, "train", "ann", "", now)  # its id is of who, what and when: asked again, the same


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(7), UTC)


def end_state(context: Context) -> dict[str, Any]:
    """Everything that a loop remembers, but for how often a run had to be submitted."""
    kinds = ("partition", "block", "signal", "turn", "rollout", "champion", "reign", "request", "repair", "alert",
             "arrival", "route")  # fmt: skip
    documents = {kind: context.state.documents(context.name, kind) for kind in kinds}
    for turn in documents["turn"]:
        turn.pop("attempts")
    versions = [(v.version, v.turn, v.tags.get("tidemill.role")) for v in context.ports.registry.versions(context.name)]
    for rollout in documents["rollout"]:
        for kind in ("pairs", "operation"):
            documents[f"{kind} of {rollout['id']}"] = context.state.documents(context.name, f"{kind}/{rollout['id']}")
    fits = {version: context.calibrators(version) for version, _, _ in versions}
    return {
        **{kind: sorted(found, key=lambda d: str(d.get("id", d))) for kind, found in documents.items()},
        "ledger": sorted(
            (line["id"], line["event"], line["reason"], line["message"]) for line in context.state.ledger(context.name)
        ),
        "versions": versions,
        "calibrators": fits,
        "aliases": context.ports.registry.aliases(context.name),
        "route": context.ports.serving.route(context.name),
    }
