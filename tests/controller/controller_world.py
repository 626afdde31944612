"""Loops for the controller whose every port is on disk and in this process: real ticks, state, turns, no Pods.

python controller_world.py FOLDER NAMESPACE PORT     # the real operator over such loops, until SIGTERM; PORT: health
"""

from __future__ import annotations

import functools
import os
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "loop"))

from durable import LOOP, WORLD, FrameLog, KeptDataPlane, KeptPipelines, KeptRegistry
from small_world import NoExpectations, deliver, write_project
from tidemill.adapters.file_source import FileSource
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.adapters.sql.state import SqlState
from tidemill.controller.rollouts import Rollouts
from tidemill.controller.wanted import Owner
from tidemill.loop.context import Context, Ports
from tidemill.loop.errors import TemporaryError
from tidemill.loop.model import Phase, TurnStatus
from tidemill.loop.ports import Notifier, State
from tidemill.loop.replay import SetClock
from tidemill.spec.model_loop import ModelLoop

NOW = datetime.combine(WORLD.live_from, time(7), UTC)
SPEC: dict[str, Any] = LOOP.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]


class FilePlace:
    """As controller.place, with each loop's things in a folder below `folder`."""

    def __init__(self, folder: Path, api: Any, database: Database) -> None:
        self.folder, self._api, self._database = folder, api, database

    def context(self, loop: ModelLoop, owner: Owner, notifier: Notifier) -> Context:
        home = self.folder / owner.namespace / owner.name
        home.mkdir(parents=True, exist_ok=True)
        registry = KeptRegistry(home / "registry")
        outcomes = SqlOutcomes(self._database, f"{owner.namespace}/{owner.name}")
        log = FrameLog(home / "predictions")
        ports = Ports(
            source=FileSource(home, "data/", "parquet", loop.spec.data.key),
            log=log,
            outcomes=outcomes,
            registry=registry,
            serving=KeptDataPlane(home / "route", registry, log, outcomes, SetClock(NOW)),
            pipelines=LoggedPipelines(registry, home / "pipelines"),
            validator=NoExpectations(),
            notifier=notifier,
            state=self.state(owner),
        )
        return Context(loop, self.folder, home, "memory:", ports)

    def state(self, owner: Owner) -> State:
        return ScopedState(SqlState(self._database), owner.namespace)

    def rollouts(self, owner: Owner) -> Rollouts:
        return Rollouts(self._api, owner)


class LoggedPipelines(KeptPipelines):
    """Writes down what was cancelled. `cancel.refused` beside it: the backend is broken."""

    def __init__(self, registry: KeptRegistry, path: Path) -> None:
        super().__init__(registry, path)
        self._folder = path.parent

    def submit(self, request: Any) -> None:
        if (self._folder / "never-ends").exists():
            return
        super().submit(request)

    def status(self, turn: str) -> Any:
        if (self._folder / "never-ends").exists():
            return TurnStatus(Phase.RUNNING)
        return super().status(turn)

    def cancel(self, turn: str) -> None:
        if (self._folder / "cancel.refused").exists():
            raise TemporaryError("Kubeflow does not answer.")
        super().cancel(turn)
        with (self._folder / "cancelled").open("a") as file:
            file.write(f"{turn}\n")


def prepare(folder: Path, namespace: str, name: str, database: Database) -> Path:
    """The code, and the history of a loop with its labels: its first tick makes the first champion of them."""
    write_project(folder)
    home = folder / namespace / name
    for n in range((WORLD.live_from - WORLD.start).days):
        day = WORLD.start + timedelta(days=n)
        deliver(home / "data", day, WORLD.delivered(day))
    labels = WORLD.labels(NOW, datetime.combine(WORLD.start, time(0), UTC))
    SqlOutcomes(database, f"{namespace}/{name}").record(labels, NOW, "history")
    return home


def main(folder: Path, namespace: str, port: int) -> None:
    import logging

    # Before it acts, not within a turn: here a turn dies with its controller, and is given up at the third time.
    import sklearn.compose
    import sklearn.linear_model  # noqa: F401
    import tidemill.loop.tick
    import tidemill.loop.turn.training  # noqa: F401
    from tidemill.adapters.kubernetes.api import KubernetesApi
    from tidemill.controller.start import run_in

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    api = KubernetesApi()
    database = Database(os.environ.get("TIDEMILL_STATE_URL", f"sqlite:///{folder}/state.db"))
    place: Any = FilePlace(folder, api, database)
    health = f"http://127.0.0.1:{port}/healthz"
    # By this module's own name: the process that ticks knows no other's __main__.
    from controller_world import opened

    run_in(place, database, api, [namespace], 60.0, 2, health, functools.partial(opened, folder))


def opened(folder: Path) -> Any:
    from tidemill.adapters.kubernetes.api import KubernetesApi

    url = os.environ.get("TIDEMILL_STATE_URL", f"sqlite:///{folder}/state.db")
    return FilePlace(folder, KubernetesApi(), Database(url))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
