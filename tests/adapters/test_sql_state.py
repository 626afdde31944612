"""The state store: documents, an append-only ledger, one lease a loop."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tidemill.adapters.sql_state import SqlState
from tidemill.loop.errors import LeaseHeld, TemporaryError
from tidemill.loop.ports import Entry, Write

NOW = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture
def state(url: str) -> SqlState:
    return SqlState(url)


def entry(id: str, message: str = "x") -> Entry:
    return Entry(id, NOW, "turn.started", {"message": message})


def test_the_first_document_put_once_stays(state: SqlState) -> None:
    assert state.put_once("l", "turn", "a", {"n": 1})
    assert not state.put_once("l", "turn", "a", {"n": 2})
    assert state.get("l", "turn", "a") == {"n": 1}


def test_documents_are_listed_in_the_order_they_were_first_put(state: SqlState) -> None:
    for id in ("b", "a", "c"):
        state.put("l", "turn", id, {"id": id})
    state.put("l", "turn", "b", {"id": "b", "changed": True})
    assert [document["id"] for document in state.documents("l", "turn")] == ["b", "a", "c"]


def test_loops_do_not_see_each_other(state: SqlState) -> None:
    state.put("one", "turn", "a", {})
    assert state.get("other", "turn", "a") is None
    assert state.documents("other", "turn") == []


def test_an_entry_of_the_ledger_is_never_changed(state: SqlState) -> None:
    state.transact("l", [], [entry("1", "first")])
    state.transact("l", [], [entry("1", "second"), entry("2")])
    assert [line["message"] for line in state.ledger("l")] == ["first", "x"]


def test_a_transaction_that_fails_leaves_nothing(state: SqlState) -> None:
    unserialisable = Write("turn", "b", {"x": object()})
    with pytest.raises((TypeError, sa.exc.StatementError)):
        state.transact("l", [Write("turn", "a", {}), unserialisable], [entry("1")])
    assert state.documents("l", "turn") == []
    assert state.ledger("l") == []


def test_what_was_written_is_there_after_reopening(state: SqlState, url: str) -> None:
    state.transact("l", [Write("turn", "a", {"n": 1})], [entry("1")])
    again = SqlState(url)
    assert again.get("l", "turn", "a") == {"n": 1}
    assert len(again.ledger("l")) == 1


def test_a_second_holder_is_refused_and_told_who_holds(state: SqlState, url: str) -> None:
    with state.lease("l"), pytest.raises(LeaseHeld, match=f"pid {os.getpid()}"), SqlState(url).lease("l"):
        pass


def test_a_lease_is_free_after_its_holder_let_go(state: SqlState) -> None:
    with state.lease("l"):
        pass
    with state.lease("l"):
        pass


def test_leases_of_two_loops_are_independent(state: SqlState) -> None:
    with state.lease("one"), state.lease("other"):
        pass


def test_the_lease_of_a_killed_process_is_taken_over_at_once(state: SqlState, url: str) -> None:
    script = textwrap.dedent(f"""
        from tidemill.adapters.sql_state import SqlState
        with SqlState({url!r}).lease("l"):
            print("held", flush=True)
            input()
    """)
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LeaseHeld), state.lease("l"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with state.lease("l"):
        pass


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


def test_a_store_of_a_newer_tidemill_is_refused_unchanged(tmp_path: Path) -> None:
    SqlState(f"sqlite:///{tmp_path}/state.db")
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(TemporaryError, match="schema version 99"):
        SqlState(f"sqlite:///{tmp_path}/state.db")
