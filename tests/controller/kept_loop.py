"""One loop that a keeper keeps, over a real state store and real turns; the API server is a double."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from api_double import ApiDouble
from controller_world import NOW, SPEC, FilePlace, prepare
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.state import SqlState
from tidemill.controller.keeper import Keeper
from tidemill.controller.operator import Operator
from tidemill.controller.queue import Queue
from tidemill.controller.ticker import Ticker
from tidemill.loop.asking import ask
from tidemill.loop.replay import SetClock

KEY = ("team", "small")


class World:
    """One loop. `look` does what watch and worker do: it hands over what the API server has, and looks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.api = folder, ApiDouble()
        self.database = Database(f"sqlite:///{folder}/state.db")
        self.told: list[tuple[str, str]] = []
        self.place: Any = FilePlace(folder, self.api, self.database)
        self.start()

    def start(self) -> None:
        """As a controller that was just started: it remembers nothing."""
        self.queue = Queue()
        self.keeper = Keeper(Ticker(self.place, SetClock(NOW), self.tell), 60.0, self.tell)
        self.operator = Operator(self.keeper, self.api, self.queue, 60.0, self.tell)  # type: ignore[arg-type]

    def tell(self, _: Any, event: str, message: str) -> None:
        self.told.append((event, message))

    def make(self, spec: dict[str, Any] = SPEC, history: bool = True) -> Path:
        home = prepare(self.folder, *KEY, self.database) if history else self.folder
        self.api.apply({"kind": "ModelLoop", "metadata": {"namespace": "team", "name": "small"}, "spec": spec})
        return home

    def look(self) -> float | None:
        for (kind, _, _), item in list(self.api.objects.items()):
            saw = self.operator.saw_loop if kind == "ModelLoop" else self.operator.saw_rollout
            saw(copy.deepcopy(item), False)
        known = self.operator._seen.wanted(KEY)
        for name in [] if known is None else known.rollouts:
            if ("ModelRollout", "team", name) not in self.api.objects:
                self.operator.saw_rollout(known.rollouts[name], True)
        return self.operator.step(KEY)

    @property
    def state(self) -> SqlState:
        return SqlState(self.database)

    def documents(self, kind: str) -> list[dict[str, Any]]:
        return self.state.documents("team/small", kind)

    def ask(self, what: str, by: str = "ann") -> None:
        once = f"{what}-{len(self.documents('request'))}"
        ask(ScopedState(self.state, "team"), "small", what, by, "", NOW, once=once)

    def note(self, name: str, value: str | None) -> None:
        self.api.merge("", "ModelLoop", *KEY, {"metadata": {"annotations": {f"tidemill.dev/{name}": value}}})

    def with_champion(self) -> None:
        self.make()
        self.look()  # the turn runs
        self.look()  # and is harvested

    def with_rollout(self) -> dict[str, Any]:
        self.with_champion()
        self.ask("train")
        self.look()
        self.look()
        (rollout,) = self.api.rollouts()
        return rollout
