"""What of the prediction log cannot be read is set aside and told, and the rest is used.

A power cut leaves lines that are cut off, and runs of NUL bytes in place of others; a failing disk leaves anything. A
write-ahead file's pieces that hold no prediction go to a file of its name, ending in `.damaged`, one a line. A Parquet
part is read or not as a whole, and gets that name itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from tidemill.adapters.log.rows import joined, parsed

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX = ".damaged"
# Without these a row is no prediction; all others may be null.
_NEEDED = ("request_id", "key", "event_time", "at", "version", "role", "served", "status", "fallback")
_PIECES = re.compile(rb"\0+|[^\0\n]+")

_log = logging.getLogger(__name__)


def read_lines(content: bytes) -> tuple[pa.Table, list[bytes]]:
    """The rows of JSON lines, and the pieces that hold no prediction."""
    import pyarrow as pa

    try:
        return _whole(content), []
    except (ValueError, pa.ArrowException):
        rows, damaged = [], []
    for piece in _PIECES.findall(content):
        try:
            orjson.loads(piece)  # one document a line: Arrow would take several
            rows.append(_whole(piece))
        except (ValueError, pa.ArrowException):
            damaged.append(piece)
    return joined(rows), damaged


def set_aside(path: Path, damaged: Sequence[bytes]) -> None:
    """Of a write-ahead file that is about to be moved into Parquet; the same again for one that is moved again."""
    if not damaged:
        return
    aside = path.with_suffix(SUFFIX)
    temporary = path.with_name(f".{aside.name}")
    temporary.write_bytes(b"".join(piece + b"\n" for piece in damaged))
    temporary.replace(aside)
    _log.error(
        "%d damaged line(s) of the prediction log were moved from %s to %s. All other lines are used. A power cut or a "
        "failing disk damages lines: check the disk, then delete the file.",
        len(damaged), path, aside.name,
    )  # fmt: skip


class PartDamaged(Exception):
    """No whole Parquet file."""


def read_part(path: Path) -> pa.Table:
    """Raises PartDamaged, and OSError where the disk cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None) is not None:
            raise  # the system's error, and none of Arrow's
        raise PartDamaged(str(error).rstrip(".")) from error


def damaged_in(folder: Path) -> tuple[int, int]:
    """How many damaged lines and Parquet parts are set aside in a prediction log's folder, or in those below it."""
    lines = sum(path.read_bytes().count(b"\n") for path in folder.rglob(f"wal/*{SUFFIX}"))
    return lines, sum(1 for _ in folder.rglob(f"day=*/*{SUFFIX}"))


def _whole(content: bytes) -> pa.Table:
    """Raises ValueError or ArrowException where a row lacks what a prediction needs, or holds something else there."""
    table = parsed(content)
    table.validate(full=True)  # text is UTF-8
    lacking = [name for name in _NEEDED if table[name].null_count]
    if lacking:
        raise ValueError(f"rows have no {', '.join(lacking)}")
    return table
