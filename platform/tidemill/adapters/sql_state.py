"""The state store on SQLAlchemy Core: SQLite (WAL) on a laptop, PostgreSQL on a cluster.

Documents are JSON under (loop, kind, id); the ledger is a table that is only ever inserted into. One method is one
transaction, so a process killed anywhere leaves all of it or none.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from tidemill.loop.errors import LeaseHeld, TemporaryError
from tidemill.loop.ports import Entry, Write

SCHEMA_VERSION = 1
_LEASE = timedelta(seconds=30)

_metadata = sa.MetaData()
_documents = sa.Table(
    "documents",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("loop", sa.String(63), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.UniqueConstraint("loop", "kind", "id"),
)
_ledger = sa.Table(
    "ledger",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("loop", sa.String(63), nullable=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.UniqueConstraint("loop", "id"),
)
_leases = sa.Table(
    "leases",
    _metadata,
    sa.Column("loop", sa.String(63), primary_key=True),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("expires", sa.String(40), nullable=False),
)
_schema = sa.Table("schema_version", _metadata, sa.Column("version", sa.Integer, primary_key=True))


class SqlState:
    """`url` is an SQLAlchemy URL. Creates its tables; refuses a store written by a newer Tidemill."""

    def __init__(self, url: str, busy_seconds: float = 10.0) -> None:
        self.url = url
        connect_args: dict[str, Any] = {}
        if url.startswith("sqlite:///"):
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            connect_args = {"timeout": busy_seconds, "check_same_thread": False}
        self._engine = sa.create_engine(url, connect_args=connect_args, json_deserializer=orjson.loads)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _sqlite_pragmas)
        with self._transaction() as connection:
            _metadata.create_all(connection)
            found = connection.execute(sa.select(sa.func.max(_schema.c.version))).scalar()
            if found is None:
                connection.execute(_schema.insert().values(version=SCHEMA_VERSION))
            elif found > SCHEMA_VERSION:
                raise TemporaryError(
                    f"The state store {self._where} has schema version {found}, this Tidemill knows {SCHEMA_VERSION}. "
                    "Nothing was changed: use the newer Tidemill that wrote it."
                )

    @property
    def _where(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise TemporaryError(
                f"The state store {self._where} cannot be written or read: {error.orig}. Nothing of this step was "
                "kept; end what locks it or make room, then run again."
            ) from error

    # documents

    def put_once(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> bool:
        try:
            with self._transaction() as connection:
                connection.execute(_documents.insert().values(loop=loop, kind=kind, id=id, body=dict(document)))
            return True
        except IntegrityError:
            return False

    def put(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> None:
        self.transact(loop, [Write(kind, id, document)])

    def get(self, loop: str, kind: str, id: str) -> dict[str, Any] | None:
        query = sa.select(_documents.c.body).where(
            _documents.c.loop == loop, _documents.c.kind == kind, _documents.c.id == id
        )
        with self._transaction() as connection:
            body = connection.execute(query).scalar()
        return dict(body) if body is not None else None

    def documents(self, loop: str, kind: str) -> list[dict[str, Any]]:
        query = (
            sa.select(_documents.c.body)
            .where(_documents.c.loop == loop, _documents.c.kind == kind)
            .order_by(_documents.c.seq)
        )
        with self._transaction() as connection:
            return [dict(row) for row in connection.execute(query).scalars()]

    def transact(self, loop: str, writes: Sequence[Write], ledger: Sequence[Entry] = ()) -> None:
        with self._transaction() as connection:
            for write in writes:
                _upsert(connection, loop, write)
            for entry in ledger:
                _append(connection, loop, entry)

    def ledger(self, loop: str) -> list[dict[str, Any]]:
        query = sa.select(_ledger).where(_ledger.c.loop == loop).order_by(_ledger.c.seq)
        with self._transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [{"id": row["id"], "at": row["at"], "event": row["event"], **row["body"]} for row in rows]

    # the lease

    @contextmanager
    def lease(self, loop: str) -> Iterator[None]:
        holder = f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex[:8]}"
        self._acquire(loop, holder)
        stop = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(loop, holder, stop), daemon=True)
        renewer.start()
        try:
            yield
        finally:
            stop.set()
            renewer.join()
            with self._transaction() as connection:
                connection.execute(_leases.delete().where(_leases.c.loop == loop, _leases.c.holder == holder))

    def _acquire(self, loop: str, holder: str) -> None:
        now = datetime.now(UTC)
        with self._transaction() as connection:
            # Written before it is read: the write lock is taken first, so no two processes see a free lease.
            mine = {"holder": holder, "expires": (now + _LEASE).isoformat()}
            free = sa.or_(_leases.c.expires < now.isoformat(), _leases.c.holder == holder)
            taken = connection.execute(_leases.update().where(_leases.c.loop == loop, free).values(**mine)).rowcount
            if taken:
                return
            other = connection.execute(sa.select(_leases.c.holder).where(_leases.c.loop == loop)).scalar()
            if other is None:
                try:
                    connection.execute(_leases.insert().values(loop=loop, **mine))
                    return
                except IntegrityError:
                    other = "another process"
            elif _dead(other):
                # Killed on this machine: no need to wait until its lease runs out.
                won = _leases.update().where(_leases.c.loop == loop, _leases.c.holder == other).values(**mine)
                if connection.execute(won).rowcount:
                    return
            host, pid = [*other.split(":"), "?"][:2]
            raise LeaseHeld(
                f"Loop {loop} is kept by another process (pid {pid} on {host}). One at a time acts for a loop: stop "
                "that one, or wait until its lease ends (30 s after its last sign of life)."
            )

    def _renew(self, loop: str, holder: str, stop: threading.Event) -> None:
        while not stop.wait(_LEASE.total_seconds() / 3):
            expires = (datetime.now(UTC) + _LEASE).isoformat()
            try:
                with self._transaction() as connection:
                    connection.execute(
                        _leases.update()
                        .where(_leases.c.loop == loop, _leases.c.holder == holder)
                        .values(expires=expires)
                    )
            except TemporaryError:
                continue  # tried again in ten seconds; the lease outlives two misses


def _upsert(connection: sa.Connection, loop: str, write: Write) -> None:
    here = (_documents.c.loop == loop) & (_documents.c.kind == write.kind) & (_documents.c.id == write.id)
    body = dict(write.document)
    if not connection.execute(_documents.update().where(here).values(body=body)).rowcount:
        connection.execute(_documents.insert().values(loop=loop, kind=write.kind, id=write.id, body=body))


def _append(connection: sa.Connection, loop: str, entry: Entry) -> None:
    there = sa.select(_ledger.c.seq).where(_ledger.c.loop == loop, _ledger.c.id == entry.id)
    if connection.execute(there).first() is None:
        connection.execute(
            _ledger.insert().values(
                loop=loop, id=entry.id, at=entry.at.isoformat(), event=entry.event, body=dict(entry.document)
            )
        )


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _started(pid: int) -> str:
    """When a process began, in clock ticks: tells a dead holder from a stranger who got its pid."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


def _dead(holder: str) -> bool:
    host, pid, started, *_ = [*holder.split(":"), "?", "?"]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return started != "?" and _started(int(pid)) != started
