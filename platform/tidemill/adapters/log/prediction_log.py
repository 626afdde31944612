"""The prediction log: write-ahead JSON lines, then Parquet by day of the event.

    folder/wal/<time>-<unique>.jsonl             what was appended and not yet moved
    folder/day=2013-03-01/part-<time>-<unique>.parquet

A part takes its name from the write-ahead file that it was made of: a process killed while moving makes the same part
again. Rows that are in both, or in a part and its merger, are one row when read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.adapters.log.rows import as_table, by_day, days, first_of_each, joined, merged_name
from tidemill.adapters.log.write_ahead import Writer, finished, folder_lock, lines
from tidemill.adapters.remedy import remedy
from tidemill.loop.errors import TemporaryError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

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

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Survives a killed process when it returns (not a power cut: that costs the last seconds). All rows or none.
        Raises TemporaryError where the disk is full or broken."""
        if rows:
            with self._lock:
                self._writer.append(rows)

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        """start <= event_time < end, one row per (key, version): the one that was logged first."""
        with self._lock:
            self._writer.seal()
        try:
            with self._reading, folder_lock(self._folder):
                fresh = self._compact()
                tables = [self._day(day) for day in days(start, end)]
        except OSError as error:
            raise TemporaryError(
                f"The prediction log in {self._folder} could not be read or compacted: {error}. "
                f"Nothing is lost. {remedy(error)}"
            ) from error
        return first_of_each(joined([*tables, fresh]), start, end)

    def _compact(self) -> pa.Table:
        """Moves finished write-ahead files into parts; returns the rows of those that still grow."""
        growing: dict[Path, tuple[int, pa.Table]] = {}
        for path in sorted(self._wal.glob("*.jsonl")):
            with finished(path) as yes:
                if not yes:
                    growing[path] = self._grown(path)
                    continue
                for day, table in by_day(as_table(lines(path)[0])).items():
                    _write(table, self._folder / f"day={day}" / f"part-{path.stem}.parquet")
                path.unlink()
        self._growing = growing
        return joined(table for _, table in growing.values())

    def _grown(self, path: Path) -> tuple[int, pa.Table]:
        """Only what is new since the last look is parsed."""
        end, table = self._growing.get(path, (0, as_table([])))
        rows, end = lines(path, end)
        return end, joined([table, as_table(rows)]) if rows else table

    def _day(self, day: str) -> pa.Table:
        import pyarrow.parquet as pq

        parts = tuple(sorted((self._folder / f"day={day}").glob("part-*.parquet")))
        if parts not in self._days:
            table = joined(pq.ParquetFile(part).read() for part in parts)
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


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)
