"""The state store on SQLAlchemy Core: SQLite (WAL) on a laptop, PostgreSQL on a cluster.

Documents are JSON under (loop, kind, id); the ledger is a table that is only ever inserted into. One method is one
transaction, so a process killed anywhere leaves all of it or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from tidemill.adapters.sql.database import Database, insert_once, lock
from tidemill.adapters.sql.lease import Leases
from tidemill.adapters.sql.schema import documents as _documents
from tidemill.adapters.sql.schema import ledger as _ledger
from tidemill.loop.ports import Entry, Write


class SqlState:
    """`store` is an SQLAlchemy URL, or a Database that is shared. Creates its tables, and brings older ones up;
    refuses a store written by a newer Tidemill."""

    def __init__(self, store: str | Database, busy_seconds: float = 10.0) -> None:
        self.database = Database(store, busy_seconds) if isinstance(store, str) else store
        self._leases = Leases(self.database)

    @property
    def _engine(self) -> sa.Engine:
        return self.database.engine

    # documents

    def put_once(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> bool:
        with self.database.transaction() as connection:
            self._begin(connection, loop)
            row = {"loop": loop, "kind": kind, "id": id, "body": dict(document)}
            return insert_once(connection, _documents, row)

    def put(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> None:
        self.transact(loop, [Write(kind, id, document)])

    def get(self, loop: str, kind: str, id: str) -> dict[str, Any] | None:
        query = sa.select(_documents.c.body).where(
            _documents.c.loop == loop, _documents.c.kind == kind, _documents.c.id == id
        )
        with self.database.transaction(write=False) as connection:
            body = connection.execute(query).scalar()
        return dict(body) if body is not None else None

    def documents(self, loop: str, kind: str) -> list[dict[str, Any]]:
        query = (
            sa.select(_documents.c.body)
            .where(_documents.c.loop == loop, _documents.c.kind == kind)
            .order_by(_documents.c.seq)
        )
        with self.database.transaction(write=False) as connection:
            return [dict(row) for row in connection.execute(query).scalars()]

    def transact(self, loop: str, writes: Sequence[Write], ledger: Sequence[Entry] = ()) -> None:
        with self.database.transaction() as connection:
            self._begin(connection, loop)
            for write in writes:
                _upsert(connection, loop, write)
            for entry in ledger:
                row = {"loop": loop, "id": entry.id, "at": entry.at.isoformat(), "event": entry.event}
                insert_once(connection, _ledger, {**row, "body": dict(entry.document)})

    def ledger(self, loop: str) -> list[dict[str, Any]]:
        query = sa.select(_ledger).where(_ledger.c.loop == loop).order_by(_ledger.c.seq)
        with self.database.transaction(write=False) as connection:
            return [line(row) for row in connection.execute(query).mappings()]

    def lease(self, loop: str) -> AbstractContextManager[None]:
        return self._leases.hold(loop)

    def _begin(self, connection: sa.Connection, loop: str) -> None:
        lock(connection, f"state/{loop}")
        self._leases.confirm(connection, loop)


def line(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of the ledger as it is read."""
    return {"id": row["id"], "at": row["at"], "event": row["event"], **row["body"]}


def _upsert(connection: sa.Connection, loop: str, write: Write) -> None:
    # The loop's lock is held: nobody else puts a document between these two.
    here = (_documents.c.loop == loop) & (_documents.c.kind == write.kind) & (_documents.c.id == write.id)
    body = dict(write.document)
    if not connection.execute(_documents.update().where(here).values(body=body)).rowcount:
        connection.execute(_documents.insert().values(loop=loop, kind=write.kind, id=write.id, body=body))
