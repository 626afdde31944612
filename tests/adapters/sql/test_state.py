"""SQLite's own ways to fail. What every state store does is in tests/contracts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.errors import TemporaryError, TidemillError


def test_a_locked_database_is_a_temporary_error_and_loses_nothing(tmp_path: Path) -> None:
    state = SqlState(f"sqlite:///{tmp_path}/state.db", busy_seconds=0.05)
    state.put("l", "turn", "a", {"n": 1})
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TemporaryError, match="locked"):
        state.put("l", "turn", "a", {"n": 2})
    other.execute("ROLLBACK")
    assert state.get("l", "turn", "a") == {"n": 1}


def test_a_full_disk_is_a_temporary_error_and_loses_nothing(tmp_path: Path) -> None:
    """SQLite's own page limit stands in for the disk's: the same error comes from the same place."""
    state = SqlState(f"sqlite:///{tmp_path}/state.db")
    state.put("l", "turn", "a", {"n": 1})
    pages = sqlite3.connect(tmp_path / "state.db").execute("PRAGMA page_count").fetchone()[0]

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    state._engine.dispose()
    sa.event.listen(state._engine, "connect", limit)
    with pytest.raises(TemporaryError, match="full"):
        state.put("l", "turn", "b", {"text": "x" * 200_000})
    assert state.documents("l", "turn") == [{"n": 1}]


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_who_tells_others_that_it_is_recorded_waits_for_the_disk(tmp_path: Path, durable: bool, level: int) -> None:
    """1: NORMAL, safe against a killed process. 2: FULL, against a power cut too."""
    with Database(f"sqlite:///{tmp_path}/state.db", durable=durable).transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


@pytest.mark.parametrize("url", ["nonsense", "postgresql://me:secret@host:port/db", "mysql://me:secret@host/db"])
def test_what_is_no_url_of_a_store_is_told_without_its_password(url: str) -> None:
    with pytest.raises(TidemillError, match=r"Give an URL such as sqlite:///folder/state\.db") as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_a_damaged_database_is_named_and_waiting_is_not_advised(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(TidemillError, match=r"state\.db cannot be .*The file is damaged: restore a copy") as caught:
        SqlState(f"sqlite:///{tmp_path}/state.db")
    assert not isinstance(caught.value, TemporaryError)
