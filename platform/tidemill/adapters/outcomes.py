"""Labels that came true, in SQLite (write-ahead log). The first label of a key stays; contradictions are kept aside."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import LabelRefused, TemporaryError
from tidemill.loop.model import Receipt

if TYPE_CHECKING:
    import pandas as pd

_SCHEMA = """
CREATE TABLE IF NOT EXISTS labels (
  n INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, label REAL NOT NULL, arrived_at INTEGER NOT NULL,
  source TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS conflicts (
  key TEXT NOT NULL, label REAL NOT NULL, arrived_at INTEGER NOT NULL, source TEXT NOT NULL, PRIMARY KEY (key, label)
) WITHOUT ROWID;
"""
_KNOWN = "SELECT labels.key, labels.label FROM json_each(?) AS asked JOIN labels ON labels.key = asked.value"
_BUSY_SECONDS = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqliteOutcomes:
    """One file, any number of processes and threads. Labels of unknown keys are kept too: the prediction may be logged
    later, or the label may be for training alone."""

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / "outcomes.db"
        self._lock = threading.Lock()
        self._seen: pd.DataFrame | None = None  # what known() has read so far, in the order of arrival
        self._last = 0

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        """Columns key, label; rows without a label are ignored. On disk when it returns; all or nothing.

        Raises LabelRefused for a label that is neither 0 nor 1, naming its key; TemporaryError where the store is
        locked, full or unreadable."""
        return self._record(checked(labels), at, source)

    def record_pairs(self, pairs: Iterable[tuple[Any, Any]], at: datetime, source: str) -> Receipt:
        """As `record`, without a data frame: a server that only passes labels on need not import pandas."""
        return self._record(checked_pairs(pairs), at, source)

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int:
        """How many keys have a label that arrived in that time."""
        limits = [None if moment is None else microseconds(moment) for moment in (by, since)]
        query = "SELECT count(*) FROM labels WHERE arrived_at <= ifnull(?, arrived_at) AND arrived_at > ifnull(?, -1)"
        with self._transaction(write=False) as database:
            return int(database.execute(query, limits).fetchone()[0])

    def _record(self, given: Sequence[tuple[str, float]], at: datetime, source: str) -> Receipt:
        moment = microseconds(at)
        with self._transaction(write=True) as database:
            first = dict(database.execute(_KNOWN, (json.dumps([key for key, _ in given]),)))
            new, duplicate, conflicts = [], 0, []
            for key, label in given:
                if key not in first:
                    first[key] = label
                    new.append((key, label, moment, source))
                elif first[key] == label:
                    duplicate += 1
                else:
                    conflicts.append((key, label, moment, source))
            database.executemany("INSERT INTO labels (key, label, arrived_at, source) VALUES (?, ?, ?, ?)", new)
            database.executemany("INSERT OR IGNORE INTO conflicts VALUES (?, ?, ?, ?)", conflicts)
        return Receipt(len(new), duplicate, len(conflicts))

    def known(self, by: datetime, since: datetime | None = None) -> pd.DataFrame:
        """Columns key, label, arrived_at (UTC) of labels with since < arrived_at <= by. Costs what is new since the
        last call, and a copy."""
        with self._lock:
            seen = self._refresh()
        chosen = seen["arrived_at"] <= by
        if since is not None:
            chosen &= seen["arrived_at"] > since
        return seen[chosen].reset_index(drop=True)

    def conflicts(self) -> pd.DataFrame:
        """Columns key, label, arrived_at, source: labels that contradict an earlier one."""
        import pandas as pd

        with self._transaction(write=False) as database:
            rows = database.execute(
                "SELECT key, label, arrived_at, source FROM conflicts ORDER BY arrived_at"
            ).fetchall()
        frame = pd.DataFrame(rows, columns=["key", "label", "arrived_at", "source"])
        return frame.assign(arrived_at=pd.to_datetime(frame["arrived_at"], unit="us", utc=True))

    def _refresh(self) -> pd.DataFrame:
        import pandas as pd

        with self._transaction(write=False) as database:
            rows = database.execute(
                "SELECT n, key, label, arrived_at FROM labels WHERE n > ? ORDER BY n", (self._last,)
            ).fetchall()
        if rows or self._seen is None:
            numbers, keys, labels, moments = zip(*rows, strict=True) if rows else ((), (), (), ())
            arrived = pd.Series(moments, dtype="int64").astype("datetime64[us]").dt.tz_localize(UTC)
            more = pd.DataFrame(
                {"key": pd.Series(keys, dtype="str"), "label": pd.Series(labels, dtype=float), "arrived_at": arrived}
            )
            self._seen = more if self._seen is None else pd.concat([self._seen, more], ignore_index=True)
            self._last = numbers[-1] if numbers else self._last
        return self._seen

    @contextmanager
    def _transaction(self, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.executescript(_SCHEMA)
                database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield database
                database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise TemporaryError(
                f"The outcomes in {self._path} could not be {'written' if write else 'read'}: {error}. Nothing was "
                "recorded. Try again when the disk has room and no other process holds the file."
            ) from error


def checked(labels: pd.DataFrame) -> list[tuple[str, float]]:
    """(key, label) of the rows that have a label. Raises LabelRefused naming the first that is none."""
    given = labels[labels["label"].notna()]
    return checked_pairs(zip(given["key"].tolist(), given["label"].tolist(), strict=True))


def checked_pairs(given: Iterable[tuple[Any, Any]]) -> list[tuple[str, float]]:
    """The same for pairs that all have a label."""
    pairs = []
    for key, label in given:
        if key is None or key != key:  # noqa: PLR0124 - NaN
            raise LabelRefused(f"A label ({label!r}) has no key. No label of this request was recorded.")
        if isinstance(label, str) or label not in (0, 1):
            raise LabelRefused(
                f"The label of key {key!r} is {label!r}: it must be 0 or 1. No label of this request was recorded."
            )
        pairs.append((str(key), float(label)))
    return pairs


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    difference = moment.astimezone(UTC) - _EPOCH
    return (difference.days * 86400 + difference.seconds) * 1_000_000 + difference.microseconds
