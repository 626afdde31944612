"""The labels of many loops in one database, SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from tidemill.adapters.outcomes import Arrived, Labelled, StoredOutcomes
from tidemill.adapters.sql.database import Database, insert_once, lock
from tidemill.adapters.sql.schema import conflicts as _conflicts
from tidemill.adapters.sql.schema import labels as _labels
from tidemill.loop.errors import LabelRefused

_KEYS_A_QUERY = 500  # a parameter costs SQLAlchemy some KiB, which a process that has had thousands keeps
_LONGEST_KEY = 1000  # characters; an index of PostgreSQL takes no more than 2.7 KB


class SqlOutcomes(StoredOutcomes):
    """The labels of `loop` (its key in the store)."""

    def __init__(self, store: str | Database, loop: str) -> None:
        super().__init__()
        self._database = Database(store) if isinstance(store, str) else store
        self._loop = loop

    @contextmanager
    def _transaction(self, write: bool) -> Iterator[_Tables]:
        with self._database.transaction(write, what="store of outcomes") as connection:
            if write:
                # Whoever records for this loop takes turns: see `lock` for why readers rely on it.
                lock(connection, f"outcomes/{self._loop}")
            yield _Tables(connection, self._loop)


class _Tables:
    def __init__(self, connection: sa.Connection, loop: str) -> None:
        self._connection, self._loop = connection, loop

    def first(self, keys: Sequence[str]) -> dict[str, float]:
        _storable(keys)
        found: dict[str, float] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            asked = keys[start : start + _KEYS_A_QUERY]
            query = sa.select(_labels.c.key, _labels.c.label)
            rows = self._connection.execute(query.where(_labels.c.loop == self._loop, _labels.c.key.in_(asked)))
            found.update((row.key, row.label) for row in rows)
        return found

    def add(self, rows: Labelled, at: int, source: str) -> None:
        if rows:
            self._connection.execute(_labels.insert(), self._full(rows, at, source))

    def put_aside(self, rows: Labelled, at: int, source: str) -> None:
        for row in self._full(rows, at, source):
            insert_once(self._connection, _conflicts, row)

    def arrived(self, after: int) -> Sequence[Arrived]:
        table = _labels.c
        query = sa.select(table.n, table.key, table.label, table.arrived_at)
        query = query.where(table.loop == self._loop, table.n > after).order_by(table.n)
        return self._connection.execute(query).fetchall()

    def aside(self) -> Sequence[tuple[str, float, int, str]]:
        table = _conflicts.c
        query = sa.select(table.key, table.label, table.arrived_at, table.source).where(table.loop == self._loop)
        return self._connection.execute(query.order_by(table.arrived_at)).fetchall()

    def count(self, by: int | None, since: int | None) -> int:
        query = sa.select(sa.func.count()).select_from(_labels).where(_labels.c.loop == self._loop)
        if by is not None:
            query = query.where(_labels.c.arrived_at <= by)
        if since is not None:
            query = query.where(_labels.c.arrived_at > since)
        return int(self._connection.execute(query).scalar_one())

    def _full(self, rows: Labelled, at: int, source: str) -> list[dict[str, object]]:
        about = {"loop": self._loop, "arrived_at": at, "source": source}
        return [{**about, "key": key, "label": label} for key, label in rows]


def _storable(keys: Sequence[str]) -> None:
    for key in keys:
        if len(key) > _LONGEST_KEY or "\0" in key:
            raise LabelRefused(
                f"The key {key[:40]!r}... cannot be stored: keys have at most {_LONGEST_KEY} characters, none of them "
                "NUL. No label of this request was recorded."
            )
