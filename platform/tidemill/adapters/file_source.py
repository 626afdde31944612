"""Partitions as files in a folder, one a day, which the file's name holds: 2013-03-01.parquet, date=2013-03-01.csv."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.loop.errors import DataUnreadable
from tidemill.loop.model import Partition

if TYPE_CHECKING:
    import pandas as pd

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class FileSource:
    """`pattern` is a folder (its files of that format) or a glob. A file being written must have another ending."""

    def __init__(self, folder: Path, pattern: str, format: str) -> None:
        self._folder, self._format = folder, format
        is_glob = any(character in pattern for character in "*?[")
        self._pattern = pattern if is_glob else pattern.rstrip("/") + f"/*.{format}"
        self._digests: dict[Path, tuple[int, int, str]] = {}

    @property
    def place(self) -> str:
        return str(self._folder / self._pattern)

    def partitions(self) -> list[Partition]:
        found = []
        for path in sorted(self._folder.glob(self._pattern)):
            start = day_of(path.name)
            if start is not None:
                found.append(partition_of(start, self._digest(path), path.as_uri()))
        return sorted(found, key=lambda partition: partition.id)

    def read(self, partition: Partition) -> pd.DataFrame:
        return read_table(Path(partition.uri.removeprefix("file://")))

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        known = self._digests.get(path)
        if known is None or known[:2] != (stat.st_mtime_ns, stat.st_size):
            digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
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


def read_table(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """A Parquet or CSV file as a frame; `content` is its bytes where it is not on this machine. Raises DataUnreadable
    naming the file and what the reader said."""
    import pandas as pd

    source = path if content is None else io.BytesIO(content)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(source)
        return pd.read_csv(source)
    except Exception as error:  # readers raise a dozen kinds; all mean the same to the loop
        raise DataUnreadable(f"{path.name} is no readable {path.suffix[1:]} table: {error}") from error
