"""Partitions as files in a folder, one a day, which the file's name holds: 2013-03-01.parquet, date=2013-03-01.csv."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.adapters.one_a_day import Doubled, one_a_day, refuse_doubled
from tidemill.loop.errors import DataUnreadable
from tidemill.loop.model import Partition
from tidemill.loop.turn.request import folder_of
from tidemill.spec.forms import glob_of

if TYPE_CHECKING:
    import pandas as pd

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class FileSource:
    """`pattern` is a folder (its files of that format) or a glob; `key` the column of the rows' keys. A file being
    written must have another ending."""

    def __init__(self, folder: Path, pattern: str, format: str, key: str) -> None:
        self._folder, self._format, self._key = folder, format, key
        self._pattern = glob_of(pattern, format)
        self._digests: dict[Path, tuple[int, int, str]] = {}
        self._doubled: Doubled = {}

    @property
    def place(self) -> str:
        return str(self._folder / self._pattern)

    def partitions(self) -> list[Partition]:
        found = []
        for path in sorted(self._folder.glob(self._pattern)):
            start = day_of(path.name)
            if start is not None:
                found.append(partition_of(start, self._digest(path), path.as_uri()))
        found, self._doubled = one_a_day(found)
        return found

    def read(self, partition: Partition) -> pd.DataFrame:
        refuse_doubled(partition, self._doubled)
        return read_table(folder_of(partition.uri), self._key)

    def _digest(self, path: Path) -> str:
        try:
            stat = path.stat()
        except OSError:  # a dangling link, say: reading it will tell
            return "unreadable"
        known = self._digests.get(path)
        if known is None or known[:2] != (stat.st_mtime_ns, stat.st_size):
            try:
                digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError:
                return f"unreadable:{stat.st_mtime_ns}"
            known = self._digests[path] = (stat.st_mtime_ns, stat.st_size, digest)
        return known[2]


def day_of(name: str) -> datetime | None:
    """The day that a file's name holds, as its start in UTC; None where it holds none."""
    match = _DAY.search(name)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match.group()).replace(tzinfo=UTC)
    except ValueError:
        return None


def partition_of(start: datetime, digest: str, uri: str) -> Partition:
    return Partition(f"{start:%Y-%m-%d}", start, start + timedelta(days=1), digest, uri)


def read_table(path: Path, key: str, content: bytes | None = None) -> pd.DataFrame:
    """A Parquet or CSV file as a frame; `content` is its bytes where it is not on this machine. The column `key` of a
    CSV is text as it stands there: 000123 is another key than 123, and both are others than 123.0. Raises
    DataUnreadable naming the file and what the reader said."""
    import pandas as pd

    source = path if content is None else io.BytesIO(content)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(source)
        return pd.read_csv(source, converters={key: lambda text: text or None})
    except Exception as error:  # readers raise a dozen kinds; all mean the same to the loop
        raise DataUnreadable(f"{path.name} is no readable {path.suffix[1:]} table: {error}") from error
