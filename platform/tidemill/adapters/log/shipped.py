"""The prediction log of a cluster: write-ahead files on this machine, shipped as Parquet parts to a store.

    spool/wal/<time>-<unique>.jsonl                           what was appended and not yet shipped
    <url>/day=2013-03-01/part-<time>-<unique>.parquet         what everybody reads

A part takes its name from the write-ahead file that it was made of: a process killed while shipping makes the same part
again. See stored_log for who reads them, log_shipper for when they are shipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.adapters.log.damaged import read_lines, set_aside
from tidemill.adapters.log.rows import as_parquet, by_day
from tidemill.adapters.log.stored import StoredPredictionLog
from tidemill.adapters.log.write_ahead import Writer, finished
from tidemill.loop.errors import TemporaryError
from tidemill.loop.turn import files

if TYPE_CHECKING:
    import pandas as pd


class ShippedPredictionLog:
    """`full` says why nothing more may be spooled, if so; `appended` is called after each append; `ship` moves the
    finished files of a folder to a URL, here or wherever else the folder can be reached."""

    def __init__(
        self,
        spool: Path,
        url: str,
        full: Callable[[], str | None] = lambda: None,
        appended: Callable[[], None] = lambda: None,
        ship: Callable[[Path, str], None] | None = None,
    ) -> None:
        self._wal, self._url, self._full, self._appended = spool / "wal", url, full, appended
        self._ship = Shipping().ship if ship is None else ship
        self._writer = Writer(self._wal)
        self._lock, self._shipping = threading.Lock(), threading.Lock()
        self._reader: StoredPredictionLog | None = None

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Survives a killed process when it returns, and a lost machine once it is shipped. All rows or none. Raises
        TemporaryError where the disk is full or broken, or too much waits for the store."""
        if not rows:
            return
        if (why := self._full()) is not None:
            raise TemporaryError(why)
        with self._lock:
            self._writer.append(rows)
        self._appended()

    def seal(self) -> None:
        """What was appended so far may be shipped."""
        with self._lock:
            self._writer.seal()

    def waiting(self) -> int:
        """Bytes that were appended and not yet shipped."""
        return sum(_size(path) for path in self._wal.glob("*.jsonl"))

    def ship(self) -> None:
        """Moves finished files to the store. Raises TemporaryError where it is away: they stay."""
        with self._shipping:
            if any(self._wal.glob("*.jsonl")):
                self._ship(self._wal, self._url)

    def read(self, start: datetime, end: datetime) -> pd.DataFrame:
        """As ports.PredictionLog has it: what this process appended, and what all others shipped."""
        return self._shipped().read(start, end)

    def answers(self, start: datetime, end: datetime) -> pd.DataFrame:
        """The same by the time at which it was logged."""
        return self._shipped().answers(start, end)

    def _shipped(self) -> StoredPredictionLog:
        self.seal()
        self.ship()
        if self._reader is None:
            self._reader = StoredPredictionLog(self._url)
        return self._reader


class Shipping:
    """What ships. It needs Arrow and the store's client, which a gateway lets another process have."""

    def ship(self, wal: Path, url: str) -> None:
        """Every finished file of the folder. Raises TemporaryError where the store is away: they stay."""
        for path in sorted(wal.glob("*.jsonl")):
            with finished(path) as yes:
                if yes:
                    _ship(path, url)


def _ship(path: Path, url: str) -> None:
    table, damaged = read_lines(path.read_bytes())
    set_aside(path, damaged)
    for day, rows in by_day(table).items():
        files.write_bytes(files.join(url, f"day={day}", f"part-{path.stem}.parquet"), as_parquet(rows))
    path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # shipped meanwhile
        return 0
