"""The advice goes with the cause. Every error here is one that the system or SQLite really raised, but for EROFS."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tidemill.adapters.remedy import is_damaged, remedy

RIGHTS, ROOM, HELD, DAMAGED = "may read and write there", "Make room", "Another process holds", "The file is damaged"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "a.db") as made:
        made.execute("CREATE TABLE t (x)")
    return tmp_path / "a.db"


def read_only(path: Path) -> None:
    sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("INSERT INTO t VALUES (1)")


def unopenable(path: Path) -> None:
    sqlite3.connect(path.parent / "absent" / "a.db")


def full(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA max_page_count = 2")
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


def held(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    sqlite3.connect(path, timeout=0.01).execute("INSERT INTO t VALUES (1)")


def no_database(path: Path) -> None:
    path.write_bytes(b"no database at all " * 100)
    sqlite3.connect(path).execute("SELECT * FROM t")


@pytest.mark.parametrize(
    ("act", "advice"),
    [(read_only, RIGHTS), (unopenable, RIGHTS), (full, ROOM), (held, HELD), (no_database, DAMAGED)],
)
def test_what_sqlite_refuses(database: Path, act: Callable[[Path], None], advice: str) -> None:
    with pytest.raises(sqlite3.Error) as caught:
        act(database)
    assert advice in remedy(caught.value)
    assert is_damaged(caught.value) == (advice == DAMAGED)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, RIGHTS),
        (errno.EPERM, RIGHTS),
        (errno.EROFS, RIGHTS),
        (errno.EDQUOT, ROOM),
        (errno.EIO, "disk is"),
    ],
)
def test_what_the_system_refuses(number: int, advice: str) -> None:
    assert advice in remedy(OSError(number, os.strerror(number)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has one")
def test_a_disk_that_is_full() -> None:
    with pytest.raises(OSError) as caught, Path("/dev/full").open("w") as file:
        file.write("x")
        file.flush()
    assert ROOM in remedy(caught.value)


def test_of_any_other_error_it_says_what_its_caller_knows() -> None:
    assert remedy(FileNotFoundError(errno.ENOENT, "No such file"), otherwise="") == ""
