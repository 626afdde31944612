"""Append-only JSON lines that survive a killed process: the front half of the prediction log.

Each writer has a file of its own and holds a lock on it while it lives, so anybody can tell a file that may still grow
from one that is finished: sealed by its writer, or left behind by one that was killed. Needs `fcntl` (Linux, macOS).
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from tidemill.adapters.remedy import remedy
from tidemill.loop.errors import TemporaryError

SEAL_AT = 1 << 20  # bytes; a reader of another process reads an unsealed file anew each time

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


class Writer:
    """Not thread-safe: its owner holds a lock. A process that forks must not share one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._size = 0

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Handed to the operating system when it returns. All rows or none; raises TemporaryError where they cannot
        be written."""
        block = b"".join(orjson.dumps(row, default=_plain, option=_OPTIONS) for row in rows)
        try:
            if self._file is None:
                self._open()
            self._write(block)
        except OSError as error:
            raise TemporaryError(
                f"{len(rows)} rows could not be written to the prediction log in {self._folder}: {error}. "
                f"{remedy(error)}"
            ) from error
        if self._size >= SEAL_AT:
            self.seal()

    @property
    def size(self) -> int:
        """Bytes in the present file."""
        return 0 if self._file is None else self._size

    def seal(self) -> None:
        """Nothing more is written to the present file: whoever reads next may move it into Parquet."""
        if self._file is not None:
            os.close(self._file)  # gives up the lock
            self._file = None

    def _open(self) -> None:
        """Locked before it has its name: nobody ever sees a file of ours that looks abandoned."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():x}-{uuid.uuid4().hex}"  # sorts by age
        hidden = self._folder / f".{name}"
        file = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            hidden.rename(self._folder / f"{name}.jsonl")
        except OSError:
            os.close(file)
            raise
        self._file, self._size = file, 0

    def _write(self, block: bytes) -> None:
        assert self._file is not None
        written = 0
        try:
            while written < len(block):
                written += os.write(self._file, memoryview(block)[written:])
        except OSError:
            os.ftruncate(self._file, self._size)  # half a batch is worse than none
            raise
        self._size += len(block)


def whole_lines(path: Path, start: int = 0) -> tuple[bytes, int]:
    """Of a file that still grows: what stands from byte `start` on, and where it ends, before a line that is just being
    written."""
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    end = content.rfind(b"\n") + 1
    return content[:end], start + end


@contextmanager
def finished(path: Path) -> Iterator[bool]:
    """True where no writer will add to the file; while inside, nobody else thinks that it is theirs to move."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """One at a time among processes that read and move files of the folder; writers never wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _plain(value: Any) -> Any:
    """What orjson does not know: subclasses of datetime, such as pandas' Timestamp."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{value!r} of {type(value)} does not belong in the prediction log")
