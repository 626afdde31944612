"""Labels that came true, of many loops in one database. The first label of a key stays; contradictions are kept aside.

For SQLite and PostgreSQL alike; a laptop's single loop keeps its labels in a file of their own (adapters.outcomes).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidemill.adapters.outcomes import checked, checked_pairs, microseconds
from tidemill.adapters.sql.database import Database, insert_once, lock
from tidemill.adapters.sql.schema import conflicts as _conflicts
from tidemill.adapters.sql.schema import labels as _labels
from tidemill.loop.errors import LabelRefused
from tidemill.loop.model import Receipt

if TYPE_CHECKING:
    import pandas as pd

_KEYS_A_QUERY = 500  # a parameter costs SQLAlchemy some KiB, which a process that has had thousands keeps
_LONGEST_KEY = 1000  # characters; an index of PostgreSQL takes no more than 2.7 KB
_WHAT = "store of outcomes"


class SqlOutcomes:
    """The labels of `loop` (its key in the store). Any number of processes and threads."""

    def __init__(self, store: str | Database, loop: str) -> None:
        self._database = Database(store) if isinstance(store, str) else store
        self._loop = loop
        self._lock = threading.Lock()
        self._seen: pd.DataFrame | None = None  # what known() has read so far, in the order of arrival
        self._last = 0

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        """Columns key, label; rows without a label are ignored. On disk when it returns; all or nothing.

        Raises LabelRefused for a label that is neither 0 nor 1, naming its key; TemporaryError where the database is
        away, locked or full."""
        return self._record(checked(labels), at, source)

    def record_pairs(self, pairs: Iterable[tuple[Any, Any]], at: datetime, source: str) -> Receipt:
        """As `record`, without a data frame: a server that only passes labels on need not import pandas."""
        return self._record(checked_pairs(pairs), at, source)

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int:
        """How many keys have a label that arrived in that time."""
        query = sa.select(sa.func.count()).select_from(_labels).where(_labels.c.loop == self._loop)
        if by is not None:
            query = query.where(_labels.c.arrived_at <= microseconds(by))
        if since is not None:
            query = query.where(_labels.c.arrived_at > microseconds(since))
        with self._database.transaction(write=False, what=_WHAT) as connection:
            return int(connection.execute(query).scalar_one())

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

        table = _conflicts.c
        query = sa.select(table.key, table.label, table.arrived_at, table.source).where(table.loop == self._loop)
        with self._database.transaction(write=False, what=_WHAT) as connection:
            rows = connection.execute(query.order_by(table.arrived_at)).fetchall()
        frame = pd.DataFrame([tuple(row) for row in rows], columns=["key", "label", "arrived_at", "source"])
        return frame.assign(arrived_at=pd.to_datetime(frame["arrived_at"], unit="us", utc=True))

    def _record(self, given: Sequence[tuple[str, float]], at: datetime, source: str) -> Receipt:
        _storable(given)
        about = {"loop": self._loop, "arrived_at": microseconds(at), "source": source}
        with self._database.transaction(what=_WHAT) as connection:
            # Whoever records for this loop takes turns: see `lock` for why readers rely on it.
            lock(connection, f"outcomes/{self._loop}")
            first = self._first(connection, [key for key, _ in given])
            new, duplicate, against = [], 0, []
            for key, label in given:
                if key not in first:
                    first[key] = label
                    new.append({**about, "key": key, "label": label})
                elif first[key] == label:
                    duplicate += 1
                else:
                    against.append({**about, "key": key, "label": label})
            if new:
                connection.execute(_labels.insert(), new)
            for row in against:
                insert_once(connection, _conflicts, row)
        return Receipt(len(new), duplicate, len(against))

    def _first(self, connection: sa.Connection, keys: Sequence[str]) -> dict[str, float]:
        found: dict[str, float] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            asked = keys[start : start + _KEYS_A_QUERY]
            query = sa.select(_labels.c.key, _labels.c.label)
            rows = connection.execute(query.where(_labels.c.loop == self._loop, _labels.c.key.in_(asked)))
            found.update((row.key, row.label) for row in rows)
        return found

    def _refresh(self) -> pd.DataFrame:
        import pandas as pd

        table = _labels.c
        query = sa.select(table.n, table.key, table.label, table.arrived_at)
        query = query.where(table.loop == self._loop, table.n > self._last).order_by(table.n)
        with self._database.transaction(write=False, what=_WHAT) as connection:
            rows = connection.execute(query).fetchall()
        if rows or self._seen is None:
            numbers, keys, labels, moments = zip(*rows, strict=True) if rows else ((), (), (), ())
            arrived = pd.Series(moments, dtype="int64").astype("datetime64[us]").dt.tz_localize(UTC)
            more = pd.DataFrame(
                {"key": pd.Series(keys, dtype="str"), "label": pd.Series(labels, dtype=float), "arrived_at": arrived}
            )
            self._seen = more if self._seen is None else pd.concat([self._seen, more], ignore_index=True)
            self._last = numbers[-1] if numbers else self._last
        return self._seen


def _storable(given: Sequence[tuple[str, float]]) -> None:
    for key, _ in given:
        if len(key) > _LONGEST_KEY or "\0" in key:
            raise LabelRefused(
                f"The key {key[:40]!r}... cannot be stored: keys have at most {_LONGEST_KEY} characters, none of them "
                "NUL. No label of this request was recorded."
            )
