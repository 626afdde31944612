"""The labels of a laptop's one loop, in a SQLite file of their own (write-ahead log).

Not in the state store's tables: the file is there where nothing else of a database is wanted (a gateway that serves one
model), and is opened for each transaction, so that processes may fork as they like.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tidemill.adapters.outcomes import Arrived, Labelled, StoredOutcomes
from tidemill.adapters.remedy import remedy
from tidemill.loop.errors import TemporaryError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS labels (
  n INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, label REAL NOT NULL, arrived_at INTEGER NOT NULL,
  source TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS conflicts (
  key TEXT NOT NULL, label REAL NOT NULL, arrived_at INTEGER NOT NULL, source TEXT NOT NULL, PRIMARY KEY (key, label)
) WITHOUT ROWID;
"""
_FIRST = "SELECT labels.key, labels.label FROM json_each(?) AS asked JOIN labels ON labels.key = asked.value"
_COUNT = "SELECT count(*) FROM labels WHERE arrived_at <= ifnull(?, arrived_at) AND arrived_at > ifnull(?, -1)"
_BUSY_SECONDS = 5.0


class SqliteOutcomes(StoredOutcomes):
    """One file, `outcomes.db` of the folder."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._path = Path(folder) / "outcomes.db"

    @contextmanager
    def _transaction(self, write: bool) -> Iterator[_Tables]:
        try:
            if write:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            # Who only reads makes no file: what is not there yet is empty.
            file = self._path if write or self._path.exists() else ":memory:"
            with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.executescript(_SCHEMA)
                database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield _Tables(database)
                database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise TemporaryError(
                f"The outcomes in {self._path} could not be {'written' if write else 'read'}: {error}. Nothing was "
                f"recorded. {remedy(error)}"
            ) from error


class _Tables:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def first(self, keys: Sequence[str]) -> dict[str, float]:
        return dict(self._database.execute(_FIRST, (json.dumps(keys),)))

    def add(self, rows: Labelled, at: int, source: str) -> None:
        self._many("INSERT INTO labels (key, label, arrived_at, source) VALUES (?, ?, ?, ?)", rows, at, source)

    def put_aside(self, rows: Labelled, at: int, source: str) -> None:
        self._many("INSERT OR IGNORE INTO conflicts VALUES (?, ?, ?, ?)", rows, at, source)

    def arrived(self, after: int) -> Sequence[Arrived]:
        query = "SELECT n, key, label, arrived_at FROM labels WHERE n > ? ORDER BY n"
        return self._database.execute(query, (after,)).fetchall()

    def aside(self) -> Sequence[tuple[str, float, int, str]]:
        query = "SELECT key, label, arrived_at, source FROM conflicts ORDER BY arrived_at"
        return self._database.execute(query).fetchall()

    def count(self, by: int | None, since: int | None) -> int:
        return int(self._database.execute(_COUNT, (by, since)).fetchone()[0])

    def _many(self, statement: str, rows: Labelled, at: int, source: str) -> None:
        self._database.executemany(statement, [(key, label, at, source) for key, label in rows])
