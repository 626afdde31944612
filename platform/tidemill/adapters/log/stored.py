"""Reads the prediction log of a cluster: Parquet parts below a URL, which gateways add to all the time.

A part's content never changes under its name, so each is fetched once. Whoever acts for the loop (and holds its lease)
merges small parts into larger ones, tier by tier, so that a day of parts of two seconds stays a few files and no row is
rewritten more than a few times. Rows that are in a part and its merger are one row when read.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import logging
import shutil
import tempfile
from collections import OrderedDict, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tidemill.adapters.log.damaged import PartDamaged, read_part
from tidemill.adapters.log.part_files import (
    fetch_part_files,
    list_changed_part_files,
    list_part_files,
    remove_part_files,
)
from tidemill.adapters.log.rows import all_between, as_parquet, days, first_of_each, joined, merged_name
from tidemill.loop.errors import TemporaryError
from tidemill.loop.turn import files

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_log = logging.getLogger(__name__)

MANY_PARTS = 16  # of one tier: they become one of the next
_TIER, _FIRST = 8, 32 << 10  # each tier's parts are this many times as large; bytes of the first
_KEPT_DAYS = 45  # fetched days on disk, of one log
_ATTEMPTS = 3
_SKEW = timedelta(minutes=5)  # between the clocks of a gateway and of the store


class StoredPredictionLog:
    """`merge`: for the one reader that holds the loop's lease. `cache`: a folder for fetched parts; by default one that
    all readers of the URL in this process share, and that goes with it."""

    def __init__(self, url: str, merge: bool = False, cache: Path | None = None) -> None:
        self._url, self._merge = url, merge
        self._cache = cache or _scratch() / hashlib.blake2b(url.encode(), digest_size=16).hexdigest()
        self._lock = Lock()
        self._damaged: set[str] = set()
        self._asked = OrderedDict.fromkeys(sorted(path.name for path in self._cache.glob("????-??-??")))

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        """start <= event_time < end, one row per (key, version): the one that was logged first. Raises
        TemporaryError."""
        with self._lock:
            try:
                found = list_part_files(self._url, days(start, end))
                tables = [self._day(day, parts) for day, parts in found.items()]
                self._forget_days(list(found))
            except OSError as error:
                raise TemporaryError(f"The prediction log at {self._url} could not be read: {error}.") from error
        return first_of_each(joined(tables), start, end)

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        """start <= at < end, whatever the event_time: every row. Raises TemporaryError."""
        with self._lock:
            try:
                # A stated clock may be far from the store's: then every day is looked into.
                found = list_changed_part_files(self._url, start - _SKEW)
                tables = [self._day(day, parts) for day, parts in found.items()]
                self._forget_days(list(found))
            except OSError as error:
                raise TemporaryError(f"The prediction log at {self._url} could not be read: {error}.") from error
        return all_between(joined(tables), start, end)

    def _day(self, day: str, parts: dict[str, int]) -> pa.Table:
        """`parts`: size in bytes by name."""
        for attempt in range(_ATTEMPTS):
            try:
                self._fetch(day, parts)
                tables = {name: table for name in sorted(parts) if (table := self._table(day, name)) is not None}
                break
            except FileNotFoundError:  # merged under our eyes
                if attempt == _ATTEMPTS - 1:
                    raise
                parts = list_part_files(self._url, [day]).get(day, {})
        if self._merge:
            self._merge_tiers(day, parts, tables)
        return joined(tables.values())

    def _merge_tiers(self, day: str, parts: dict[str, int], tables: dict[str, pa.Table]) -> None:
        tiers: defaultdict[int, list[str]] = defaultdict(list)
        for name in sorted(tables):
            tiers[_tier(parts[name])].append(name)
        for names in tiers.values():
            if len(names) < MANY_PARTS:
                continue
            content = as_parquet(joined(tables[name] for name in names))
            # First the merger, then away with its parts: killed in between, both are there, and read as one.
            files.write_bytes(files.join(self._url, f"day={day}", merged_name(names)), content)
            remove_part_files([files.join(self._url, f"day={day}", name) for name in names])
            self._forget(day, names)

    def _fetch(self, day: str, parts: dict[str, int]) -> None:
        folder = self._cache / day
        have = {path.name for path in folder.glob("part-*")} if folder.exists() else set()
        self._forget(day, sorted(have - set(parts)))
        missing = [name for name in parts if name not in have and name not in self._damaged]
        if missing:
            fetch_part_files(files.join(self._url, f"day={day}"), missing, folder)

    def _table(self, day: str, name: str) -> pa.Table | None:
        """None for a part that is damaged: told once, and never merged, so that it stays where it is."""
        if name in self._damaged:
            return None
        try:
            return TABLES.get(self._cache / day / name)
        except PartDamaged as error:
            self._damaged.add(name)
            self._forget(day, [name])  # the copy here may be what is damaged: the next process fetches it anew
            _log.error(
                "The part %s of the prediction log is damaged (%s) and is not used. All other parts are used. Restore "
                "the part from a copy and restart this process, or delete it.", f"{self._url}/day={day}/{name}", error,
            )  # fmt: skip
            return None

    def _forget(self, day: str, names: list[str]) -> None:
        for name in names:
            TABLES.drop(self._cache / day / name)
            (self._cache / day / name).unlink(missing_ok=True)

    def _forget_days(self, asked: list[str]) -> None:
        """Those that nobody asked for lately."""
        for day in asked:
            self._asked[day] = None
            self._asked.move_to_end(day)
        while len(self._asked) > max(_KEPT_DAYS, len(asked)):
            folder = self._cache / self._asked.popitem(last=False)[0]
            for path in folder.glob("part-*"):
                TABLES.drop(path)
            shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _scratch() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="tidemill-log-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


class Tables:
    """Parts in memory: of all logs of the process together no more than `limit` bytes, the last used ones."""

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit
        self._lock = Lock()
        self._tables: OrderedDict[Path, pa.Table] = OrderedDict()
        self._bytes = 0

    def get(self, path: Path) -> pa.Table:
        """Raises FileNotFoundError, PartDamaged."""
        with self._lock:
            if path in self._tables:
                self._tables.move_to_end(path)
                return self._tables[path]
        table = read_part(path)
        with self._lock:
            self._drop(path)
            self._tables[path] = table
            self._bytes += table.nbytes
            while self._bytes > self._limit:
                self._drop(next(iter(self._tables)))
        return table

    def drop(self, path: Path) -> None:
        with self._lock:
            self._drop(path)

    @property
    def bytes(self) -> int:
        return self._bytes

    def _drop(self, path: Path) -> None:
        table = self._tables.pop(path, None)
        if table is not None:
            self._bytes -= table.nbytes


TABLES = Tables()


def _tier(size: int) -> int:
    tier, top = 0, _FIRST
    while size > top:
        tier, top = tier + 1, top * _TIER
    return tier
