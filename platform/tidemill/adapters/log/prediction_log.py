"""The prediction log: write-ahead JSON lines, then Parquet by day of the event.

    folder/wal/<time>-<unique>.jsonl             what was appended and not yet moved
    folder/day=2013-03-01/part-<time>-<unique>.parquet

A part takes its name from the write-ahead file that it was made of: a process killed while moving makes the same part
again. Rows that are in both, or in a part and its merger, are one row when read. What is damaged is set aside.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.adapters.log.damaged import SUFFIX, PartDamaged, read_lines, read_part, set_aside
from tidemill.adapters.log.rows import (
    all_between,
    as_parquet,
    as_table,
    by_day,
    days,
    first_of_each,
    joined,
    logged_between,
    merged_name,
)
from tidemill.adapters.log.write_ahead import Writer, finished, folder_lock, whole_lines
from tidemill.adapters.remedy import remedy
from tidemill.loop.errors import TemporaryError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_log = logging.getLogger(__name__)

MANY_PARTS = 8
_KEPT_DAYS = 4


class ParquetPredictionLog:
    """Any number of processes may append and read; threads too. See ports.PredictionLog for the columns."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._wal = self._folder / "wal"
        self._writer = Writer(self._wal)
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._days: OrderedDict[tuple[Path, ...], pa.Table] = OrderedDict()
        self._growing: dict[Path, tuple[int, pa.Table]] = {}
        self._spans: dict[Path, tuple[datetime, datetime] | None] = {}

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Survives a killed process when it returns (not a power cut: that costs the last seconds). All rows or none.
        Raises TemporaryError where the disk is full or broken."""
        if rows:
            with self._lock:
                self._writer.append(rows)

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        """start <= event_time < end, one row per (key, version): the one that was logged first."""
        return first_of_each(self._tables(lambda: [self._day(day) for day in days(start, end)]), start, end)

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        """start <= at < end, whatever the event_time: every row."""

        def parts() -> list[pa.Table]:
            every = sorted(self._folder.glob("day=*/part-*.parquet"))
            held = [part for part in every if self._holds(part, start, end)]
            return [table for part in held if (table := _whole(part)) is not None]

        return all_between(self._tables(parts), start, end)

    def _tables(self, moved: Callable[[], list[pa.Table]]) -> pa.Table:
        """What is in parts already, and what is not yet."""
        with self._lock:
            self._writer.seal()
        try:
            with self._reading, folder_lock(self._folder):
                fresh = self._compact()  # first: what it moves must be among the parts
                return joined([*moved(), fresh])
        except OSError as error:
            raise TemporaryError(
                f"The prediction log in {self._folder} could not be read or compacted: {error}. "
                f"Nothing is lost. {remedy(error)}"
            ) from error

    def _holds(self, part: Path, start: datetime, end: datetime) -> bool:
        """Whether a part may hold rows that were logged in [start, end). Its content never changes under its name, so
        its bounds are read once."""
        if part not in self._spans:
            self._spans[part] = logged_between(part)
        span = self._spans[part]
        return span is None or (span[0] < end and span[1] >= start)

    def _compact(self) -> pa.Table:
        """Moves finished write-ahead files into parts; returns the rows of those that still grow."""
        growing: dict[Path, tuple[int, pa.Table]] = {}
        for path in sorted(self._wal.glob("*.jsonl")):
            with finished(path) as yes:
                if not yes:
                    growing[path] = self._grown(path)
                    continue
                moved, damaged = read_lines(path.read_bytes())
                set_aside(path, damaged)
                for day, table in by_day(moved).items():
                    _write(table, self._folder / f"day={day}" / f"part-{path.stem}.parquet")
                path.unlink()
        self._growing = growing
        return joined(table for _, table in growing.values())

    def _grown(self, path: Path) -> tuple[int, pa.Table]:
        """Only what is new since the last look is parsed."""
        end, table = self._growing.get(path, (0, as_table([])))
        content, end = whole_lines(path, end)
        return end, joined([table, read_lines(content)[0]]) if content else table

    def _day(self, day: str) -> pa.Table:
        parts = tuple(sorted((self._folder / f"day={day}").glob("part-*.parquet")))
        if parts not in self._days:
            tables = {part: table for part in parts if (table := _whole(part)) is not None}
            parts, table = tuple(tables), joined(tables.values())
            if len(parts) >= MANY_PARTS:
                parts = self._merge(parts, table)
            self._days[parts] = table
            while len(self._days) > _KEPT_DAYS:
                self._days.popitem(last=False)
        return self._days[parts]

    def _merge(self, parts: tuple[Path, ...], table: pa.Table) -> tuple[Path, ...]:
        merged = parts[0].with_name(merged_name([part.name for part in parts]))
        _write(table, merged)
        for part in parts:
            part.unlink()
        return (merged,)


def _whole(part: Path) -> pa.Table | None:
    try:
        return read_part(part)
    except PartDamaged as error:
        aside = part.with_suffix(SUFFIX)
        part.rename(aside)
        _log.error(
            "The part %s of the prediction log is damaged (%s) and was renamed to %s. All other parts are used. "
            "Restore the part from a copy, or delete the file.", part, error, aside.name,
        )  # fmt: skip
        return None


def _write(table: pa.Table, path: Path) -> None:
    """On disk when it returns: what it was made of is deleted next, and a power cut may not take both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        file.write(as_parquet(table))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
