"""A database: SQLite (WAL) on a laptop, PostgreSQL on a cluster. Connections, transactions, and errors in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tidemill.adapters.remedy import is_damaged, remedy
from tidemill.adapters.sql.schema import SCHEMA_VERSION, migrate, version_of
from tidemill.loop.errors import TemporaryError, TidemillError

# Of a session on PostgreSQL. Set by a statement, since a PgBouncer in between refuses them among the options.
_SESSION = (
    "SET statement_timeout = '30s'",
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET timezone = 'UTC'",
)
_SUCH_AS = (
    "Give an URL such as sqlite:///folder/state.db, or postgresql://user@host/database with the password in PGPASSWORD "
    "or a PGPASSFILE."
)


class Database:
    """One pool of connections, for as many stores as like to share it. Brings the tables up when it is opened."""

    def __init__(self, url: str, busy_seconds: float = 10.0, pool_size: int = 5, durable: bool = False) -> None:
        """`durable`: on SQLite, too, what is written outlives the machine's power (as it always does on PostgreSQL),
        not the process alone. For who tells others that it is recorded."""
        self.engine = _engine(url, busy_seconds, pool_size, "FULL" if durable else "NORMAL")
        self.is_postgres = self.engine.dialect.name == "postgresql"
        with self.transaction(write=False) as connection:
            version = version_of(connection, self.where)
        if version < SCHEMA_VERSION:
            with self.transaction() as connection:
                lock(connection, "schema")
                migrate(connection, self.where)

    @property
    def where(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def transaction(self, write: bool = True, what: str = "state store") -> Iterator[sa.Connection]:
        """All or nothing. Raises TemporaryError where the database is away, locked, full, not ours to write, or too
        slow to answer; TidemillError where its file is damaged."""
        try:
            with self.engine.connect() as connection:
                connection.info["tidemill_write"] = write
                with connection.begin():
                    yield connection
        except (OperationalError, InterfaceError, InternalError, PoolTimeout) as error:
            raise TemporaryError(self._told(what, getattr(error, "orig", None) or error)) from error
        except DBAPIError as error:
            if is_damaged(error.orig):
                raise TidemillError(self._told(what, error.orig)) from error
            if not error.connection_invalidated:
                raise
            raise TemporaryError(self._told(what, error.orig)) from error

    def _told(self, what: str, error: Any) -> str:
        said = str(error).strip().replace("\n", " ")
        todo = "See that the database is up and reachable." if self.is_postgres else remedy(error)
        return f"The {what} {self.where} cannot be written or read: {said}. Nothing of this step was kept. {todo}"


def lock(connection: sa.Connection, name: str) -> None:
    """Until the end of the transaction no other one has this lock. On SQLite a writer is alone anyhow.

    Numbers that a table counts up are given before the commit. Where writers of one loop take turns, their order is
    also the order in which readers come to see them: whoever has seen number 10 has missed no number 9.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7464))"), {"name": name})


def insert_once(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """False where a row of the same id is there already; that one stays."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(table).values(**row).on_conflict_do_nothing()
    # Without the option the number of inserted rows is not kept, and reads -1.
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount > 0


def _engine(url: str, busy_seconds: float, pool_size: int, synchronous: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:  # nothing of it is quoted: there may be a password in it
        raise TidemillError(f"The state store's URL is none. {_SUCH_AS}") from error
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        arguments = {"timeout": busy_seconds, "check_same_thread": False}
        engine = sa.create_engine(parsed, connect_args=arguments, json_deserializer=orjson.loads)
        sa.event.listen(engine, "connect", lambda connection, _: _sqlite_session(connection, synchronous))
        sa.event.listen(engine, "begin", _sqlite_begin)
        return engine
    if parsed.get_backend_name() != "postgresql":
        raise TidemillError(f"The state store {parsed.render_as_string()} is neither SQLite nor PostgreSQL. {_SUCH_AS}")
    try:
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            json_deserializer=orjson.loads,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_recycle=1800,
            pool_pre_ping=True,  # a connection that died while it lay idle is replaced before it is used
            connect_args={"connect_timeout": 5, "application_name": "tidemill"},
        )
    except ModuleNotFoundError as error:
        raise TidemillError(
            "PostgreSQL needs its driver, which is not installed: pip install 'tidemill[postgres]'."
        ) from error
    sa.event.listen(engine, "connect", _postgres_session)
    return engine


def _postgres_session(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)
    connection.commit()


def _sqlite_session(connection: Any, synchronous: str) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={synchronous}")
    cursor.close()


def _sqlite_begin(connection: sa.Connection) -> None:
    # A transaction that will write takes the lock first: one that reads and then writes could be refused in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("tidemill_write", True) else "BEGIN")
