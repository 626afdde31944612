"""A server over a store of the test's own, with loops put into it by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.testclient import TestClient
from stored import partition, turn
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql.catalog import SharedCatalog
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.heartbeat import beat
from tidemill.loop.ports import Entry, Write
from tidemill.server.access import Guard, NoGuard
from tidemill.server.api import Api
from tidemill.server.app import create_app

NOW = datetime(2013, 3, 8, 12, tzinfo=UTC)
LOOP = "/v1/namespaces/shop/loops/visits"


class SetClock:
    time = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class World:
    """`woken` holds what the server told the controller."""

    database: Database
    guard: Guard = field(default_factory=NoGuard)
    woken: list[tuple[str, str]] = field(default_factory=list)
    clock: SetClock = field(default_factory=SetClock)

    def api(self) -> Api:
        async def wake(namespace: str, name: str) -> bool:
            self.woken.append((namespace, name))
            return True

        return Api(SharedCatalog(self.database), self.guard, self.clock, wake)

    def client(self) -> TestClient:
        return TestClient(create_app(self.api()), raise_server_exceptions=False)

    def state(self, namespace: str = "shop") -> ScopedState:
        return ScopedState(SqlState(self.database), namespace)

    def outcomes(self, loop: str = "shop/visits") -> SqlOutcomes:
        return SqlOutcomes(self.database, loop)


def add_loop(state: ScopedState, name: str, **more: Any) -> None:
    """A loop that has lived: a champion, a rollout at its first step, a quarantined partition, two lines of ledger."""
    rollout = {"id": "r1", "status": "running", "challenger": "2", "champion": "1", "reason": "Started",
               "message": "Version 2 is tried.", "started_at": NOW.isoformat(),
               "steps": [{"index": 0, "shadow": 1.0, "started_at": NOW.isoformat()}]}  # fmt: skip
    champion = {"version": "1", "since": NOW.isoformat(), "reason": "Bootstrap", "previous": None, "baseline": None,
                "turn": "t1", "first_since": NOW.isoformat(), "excess": 0.0}  # fmt: skip
    writes = [
        Write("loop", "self", {"since": NOW.isoformat(), "spec": {}, **more}),
        Write("champion", "current", champion),
        Write("rollout", "r1", rollout),
        Write("turn", "t1", turn("t1", status="accepted", reason="Accepted", message="Better.")),
        Write("partition", "2013-03-01", partition("2013-03-01", rows=1200)),
        Write("partition", "2013-03-02", partition(
            "2013-03-02", rows=3, status="quarantined", reason="ExpectationFailed",
            message="Partition 2013-03-02 fails.")),
        Write("block", "2013-03-01", {"id": "2013-03-01", "served": {"n": 7, "loss": 0.5}}),
        Write("tick", "waiting", {"waiting": [
            {"event": "turn.waiting", "reason": "RolloutRunning", "message": "A challenger is being rolled out."}]}),
    ]  # fmt: skip
    entries = [
        Entry(f"e{n}", NOW, event, {"reason": "Manual", "message": f"line {n}", "evidence": {}})
        for n, event in enumerate(["champion.promoted", "partition.quarantined", "turn.started"])
    ]
    state.transact(name, writes, entries)
    beat(state, name, NOW)
