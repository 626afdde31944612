"""Labels that came true, wherever they are kept. The first label of a key stays; contradictions are kept aside.

Two stores have this in common: a file for a laptop's one loop (adapters.local.outcomes), and a database that many loops
share (adapters.sql.outcomes). They differ in their tables and in how these are reached, not in what a label is.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from tidemill.loop.errors import LabelRefused
from tidemill.loop.model import Receipt

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Labelled = Sequence[tuple[str, float]]  # key and label
Arrived = tuple[int, str, float, int]  # number in the order of arrival, key, label, microseconds since 1970


class Transaction(Protocol):
    """What the tables of one loop are asked for, all or nothing. Times are in microseconds since 1970."""

    def first(self, keys: Sequence[str]) -> dict[str, float]:
        """The labels of those of the keys that have one."""

    def add(self, rows: Labelled, at: int, source: str) -> None: ...

    def put_aside(self, rows: Labelled, at: int, source: str) -> None:
        """Labels that contradict an earlier one; each once."""

    def arrived(self, after: int) -> Sequence[Arrived]:
        """In the order of arrival, from the number after that on."""

    def aside(self) -> Sequence[tuple[str, float, int, str]]:
        """Key, label, time, source of contradictions."""

    def count(self, by: int | None, since: int | None) -> int: ...


class StoredOutcomes(ABC):
    """Any number of processes and threads. Labels of unknown keys are kept, too: the prediction may be logged later, or
    the label may be for training alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: pd.DataFrame | None = None  # what known() has read so far, in the order of arrival
        self._last = 0

    @abstractmethod
    def _transaction(self, write: bool) -> AbstractContextManager[Transaction]:
        """Raises TemporaryError where the store is away, locked, full or unreadable."""

    def record(self, labels: pd.DataFrame, at: datetime, source: str) -> Receipt:
        """Columns key, label; rows without a label are ignored. On disk when it returns; all or nothing.

        Raises LabelRefused for a label that is neither 0 nor 1, naming its key; TemporaryError where the store is away,
        locked, full or unreadable."""
        return self._record(checked(labels), at, source)

    def record_pairs(self, pairs: Iterable[tuple[Any, Any]], at: datetime, source: str) -> Receipt:
        """As `record`, without a data frame: a server that only passes labels on need not import pandas."""
        return self._record(checked_pairs(pairs), at, source)

    def count(self, by: datetime | None = None, since: datetime | None = None) -> int:
        """How many keys have a label that arrived in that time."""
        limits = (None if moment is None else microseconds(moment) for moment in (by, since))
        with self._transaction(write=False) as tables:
            return tables.count(*limits)

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

        with self._transaction(write=False) as tables:
            rows = tables.aside()
        frame = pd.DataFrame([tuple(row) for row in rows], columns=["key", "label", "arrived_at", "source"])
        return frame.assign(arrived_at=pd.to_datetime(frame["arrived_at"], unit="us", utc=True))

    def _record(self, given: Labelled, at: datetime, source: str) -> Receipt:
        moment = microseconds(at)
        with self._transaction(write=True) as tables:
            first = tables.first([key for key, _ in given])
            new, duplicate, against = [], 0, []
            for key, label in given:
                if key not in first:
                    first[key] = label
                    new.append((key, label))
                elif first[key] == label:
                    duplicate += 1
                else:
                    against.append((key, label))
            tables.add(new, moment, source)
            tables.put_aside(against, moment, source)
        return Receipt(len(new), duplicate, len(against))

    def _refresh(self) -> pd.DataFrame:
        import pandas as pd

        with self._transaction(write=False) as tables:
            rows = tables.arrived(self._last)
        if rows or self._seen is None:
            numbers, keys, labels, moments = zip(*rows, strict=True) if rows else ((), (), (), ())
            arrived = pd.Series(moments, dtype="int64").astype("datetime64[us]").dt.tz_localize(UTC)
            more = pd.DataFrame(
                {"key": pd.Series(keys, dtype="str"), "label": pd.Series(labels, dtype=float), "arrived_at": arrived}
            )
            self._seen = more if self._seen is None else pd.concat([self._seen, more], ignore_index=True)
            self._last = numbers[-1] if numbers else self._last
        return self._seen


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
