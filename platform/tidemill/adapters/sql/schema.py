"""The tables, and how an older store becomes one of today: forward only, all steps in one transaction.

No Alembic: there is one line of versions, no branches and no way back; its revision files, environment and templates
would be more than the steps. A step is a function from a connection, run once, in order, with the store locked. What a
release wrote, every later one brings up: tests keep each old version's tables as they were.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from tidemill.loop.errors import TemporaryError

SCHEMA_VERSION = 2
KEY = 127  # characters of a loop's key: <namespace>/<name>, 63 each

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up by itself for INTEGER alone

metadata = sa.MetaData()
documents = sa.Table(
    "documents",
    metadata,
    sa.Column("seq", _BIG, primary_key=True, autoincrement=True),
    sa.Column("loop", sa.String(KEY), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.UniqueConstraint("loop", "kind", "id"),
    sa.Index("documents_of_a_kind", "kind", "loop"),
)
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("seq", _BIG, primary_key=True, autoincrement=True),
    sa.Column("loop", sa.String(KEY), nullable=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.UniqueConstraint("loop", "id"),
    sa.Index("ledger_in_order", "loop", "seq"),
)
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("loop", sa.String(KEY), primary_key=True),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("expires", sa.String(40), nullable=False),
)
labels = sa.Table(
    "labels",
    metadata,
    sa.Column("n", _BIG, primary_key=True, autoincrement=True),
    sa.Column("loop", sa.String(KEY), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("label", sa.Float(53), nullable=False),
    sa.Column("arrived_at", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("source", sa.Text, nullable=False),
    sa.UniqueConstraint("loop", "key"),
    sa.Index("labels_in_order", "loop", "n"),
)
conflicts = sa.Table(
    "conflicts",
    metadata,
    sa.Column("loop", sa.String(KEY), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("label", sa.Float(53), primary_key=True),
    sa.Column("arrived_at", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
)
_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))


def version_of(connection: sa.Connection, where: str) -> int:
    """0 for a store that is none yet. Raises TemporaryError for one that a newer Tidemill wrote."""
    found = 0
    if sa.inspect(connection).has_table(_version.name):
        found = connection.execute(sa.select(sa.func.max(_version.c.version))).scalar() or 0
    if found > SCHEMA_VERSION:
        raise TemporaryError(
            f"The state store {where} has schema version {found}, this Tidemill knows {SCHEMA_VERSION}. "
            "Nothing was changed: use the newer Tidemill that wrote it."
        )
    return found


def migrate(connection: sa.Connection, where: str) -> None:
    """Makes a new store, or brings an older one up. The caller's transaction holds the store's lock."""
    found = version_of(connection, where)
    if found == 0:
        metadata.create_all(connection)
    for version in range(found + 1, SCHEMA_VERSION + 1) if found else ():
        STEPS[version](connection)
    if found < SCHEMA_VERSION:
        connection.execute(_version.insert().values(version=SCHEMA_VERSION))


def _to_2(connection: sa.Connection) -> None:
    """Many loops of many namespaces in one database: longer keys, larger numbers, their labels, and two indexes."""
    if connection.dialect.name == "postgresql":  # SQLite checks no lengths, and all its integers are large
        for table in ("documents", "ledger", "leases"):
            connection.execute(sa.text(f"ALTER TABLE {table} ALTER COLUMN loop TYPE VARCHAR(127)"))
        for table in ("documents", "ledger"):
            connection.execute(sa.text(f"ALTER TABLE {table} ALTER COLUMN seq TYPE BIGINT"))
            connection.execute(sa.text(f"ALTER SEQUENCE {table}_seq_seq AS BIGINT"))
    number = "BIGSERIAL" if connection.dialect.name == "postgresql" else "INTEGER NOT NULL"
    for statement in (
        "CREATE INDEX documents_of_a_kind ON documents (kind, loop)",
        "CREATE INDEX ledger_in_order ON ledger (loop, seq)",
        f"CREATE TABLE labels (n {number} PRIMARY KEY, loop VARCHAR(127) NOT NULL, key TEXT NOT NULL, "
        "label DOUBLE PRECISION NOT NULL, arrived_at BIGINT NOT NULL, source TEXT NOT NULL, UNIQUE (loop, key))",
        "CREATE INDEX labels_in_order ON labels (loop, n)",
        "CREATE TABLE conflicts (loop VARCHAR(127) NOT NULL, key TEXT NOT NULL, label DOUBLE PRECISION NOT NULL, "
        "arrived_at BIGINT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (loop, key, label))",
    ):
        connection.execute(sa.text(statement))


# What leads to each version from the one before. Written out rather than taken from the tables above, which change.
STEPS: dict[int, Callable[[sa.Connection], None]] = {2: _to_2}
