"""Which loops a server stands for, and the stores of each: all of a shared database, or a laptop's projects."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql import queries as sql_queries
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.adapters.sql.queries import Overview
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.documents.loop import LoopDocument
from tidemill.loop.documents.store import read_one
from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Receipt
from tidemill.loop.ports import State

LOCAL = "default"  # the namespace of a laptop's loops


class LoopUnknown(TidemillError):
    """There is no such loop."""


class Labels(Protocol):
    """The part of a store of outcomes that a server needs."""

    def record_pairs(self, pairs: Iterable[tuple[Any, Any]], at: datetime, source: str) -> Receipt: ...

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int: ...


@dataclass(frozen=True)
class LoopStore:
    """The stores of one loop; `state` knows it by its `name`."""

    name: str
    state: State
    outcomes: Labels
    _database: Database
    _key: str

    def history(
        self, after: int, limit: int, events: Sequence[str], newest: bool
    ) -> tuple[list[dict[str, Any]], int | None]:
        return sql_queries.page(self._database, self._key, after, limit, events, newest)


class Catalog(Protocol):
    def names(self, namespace: str) -> list[str]: ...

    def find(self, namespace: str, name: str) -> LoopStore:
        """Raises LoopUnknown naming the nearest."""

    def overview(self) -> dict[tuple[str, str], Overview]:
        """By (namespace, name)."""


class SharedCatalog:
    """Every loop of every namespace in one database."""

    def __init__(self, database: Database) -> None:
        self._database, self._state = database, SqlState(database)

    def names(self, namespace: str) -> list[str]:
        prefix = f"{namespace}/"
        return [key.removeprefix(prefix) for key in sql_queries.loops(self._database, prefix)]

    def find(self, namespace: str, name: str) -> LoopStore:
        state = ScopedState(self._state, namespace)
        about = read_one(state, name, LoopDocument, LoopDocument.id)
        if about is None or about.deleted_at is not None:
            raise unknown(namespace, name, self.names(namespace))
        key = state.key(name)
        return LoopStore(name, state, SqlOutcomes(self._database, key), self._database, key)

    def overview(self) -> dict[tuple[str, str], Overview]:
        split = ((key.partition("/"), found) for key, found in sql_queries.overview(self._database).items())
        return {(namespace, name): found for (namespace, slash, name), found in split if slash}


class LocalCatalog:
    """The loops of projects, each with stores of its own: (name, state store, outcomes)."""

    def __init__(self, projects: Iterable[tuple[str, SqlState, Labels]]) -> None:
        self._stores: Mapping[str, LoopStore] = {
            name: LoopStore(name, state, outcomes, state.database, name) for name, state, outcomes in projects
        }

    def names(self, namespace: str) -> list[str]:
        return sorted(self._stores) if namespace == LOCAL else []

    def find(self, namespace: str, name: str) -> LoopStore:
        if namespace != LOCAL or name not in self._stores:
            raise unknown(namespace, name, self.names(namespace))
        return self._stores[name]

    def overview(self) -> dict[tuple[str, str], Overview]:
        found = {}
        for name, store in self._stores.items():
            found[LOCAL, name] = sql_queries.overview(store._database).get(name, Overview())
        return found


def unknown(namespace: str, name: str, names: Sequence[str]) -> LoopUnknown:
    near = difflib.get_close_matches(name, names, n=1)
    hint = (
        f" Did you mean {near[0]}?" if near else f" It has {', '.join(names[:10])}." if names else " It has none yet."
    )
    return LoopUnknown(f"There is no loop {name!r} in namespace {namespace}.{hint}")
