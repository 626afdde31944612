"""What every state store does, whichever it is and wherever it is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tidemill.adapters.scoped_state import ScopedState
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.errors import LeaseHeld
from tidemill.loop.ports import Entry, State, Write

NOW = datetime(2013, 3, 1, tzinfo=UTC)
Open = Callable[[], State]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return str(request.getfixturevalue("postgres").new_store())


@pytest.fixture(params=["alone", "of a namespace"])
def open_state(request: pytest.FixtureRequest, url: str) -> Open:
    return (lambda: SqlState(url)) if request.param == "alone" else (lambda: ScopedState(SqlState(url), "shop"))


@pytest.fixture
def state(open_state: Open) -> State:
    return open_state()


def entry(id: str, message: str = "x") -> Entry:
    return Entry(id, NOW, "turn.started", {"message": message})


def test_the_first_document_put_once_stays(state: State) -> None:
    assert state.put_once("l", "turn", "a", {"n": 1})
    assert not state.put_once("l", "turn", "a", {"n": 2})
    assert state.get("l", "turn", "a") == {"n": 1}


def test_documents_are_listed_in_the_order_they_were_first_put(state: State) -> None:
    for id in ("b", "a", "c"):
        state.put("l", "turn", id, {"id": id})
    state.put("l", "turn", "b", {"id": "b", "changed": True})
    assert [document["id"] for document in state.documents("l", "turn")] == ["b", "a", "c"]


def test_a_document_comes_back_as_it_was(state: State) -> None:
    document = {"z": 1, "a": [0.1, 1e300, -1, True, None], "text": "Ünïcode \u0000 \\ \" 'quoted'", "nested": {"b": {}}}
    state.put("l", "turn", "a", document)
    found = state.get("l", "turn", "a")
    assert found == document
    assert list(found) == list(document)


def test_loops_do_not_see_each_other(state: State) -> None:
    state.transact("one", [Write("turn", "a", {})], [entry("1")])
    assert state.get("other", "turn", "a") is None
    assert state.documents("other", "turn") == []
    assert state.ledger("other") == []


def test_a_key_of_namespace_and_name_may_be_as_long_as_kubernetes_allows(state: State) -> None:
    state.transact("n" * 63, [Write("turn", "a", {"n": 1})], [entry("1")])
    with state.lease("n" * 63):
        assert state.get("n" * 63, "turn", "a") == {"n": 1}


def test_an_entry_of_the_ledger_is_never_changed(state: State) -> None:
    state.transact("l", [], [entry("1", "first")])
    state.transact("l", [], [entry("1", "second"), entry("2")])
    assert [line["message"] for line in state.ledger("l")] == ["first", "x"]


def test_a_transaction_that_fails_leaves_nothing(state: State) -> None:
    unserialisable = Write("turn", "b", {"x": object()})
    with pytest.raises((TypeError, sa.exc.StatementError)):
        state.transact("l", [Write("turn", "a", {}), unserialisable], [entry("1")])
    assert state.documents("l", "turn") == []
    assert state.ledger("l") == []


def test_what_was_written_is_there_after_reopening(state: State, open_state: Open) -> None:
    state.transact("l", [Write("turn", "a", {"n": 1})], [entry("1")])
    again = open_state()
    assert again.get("l", "turn", "a") == {"n": 1}
    assert again.ledger("l") == [{"id": "1", "at": NOW.isoformat(), "event": "turn.started", "message": "x"}]


def test_a_second_holder_is_refused_and_told_who_holds(state: State, open_state: Open) -> None:
    with state.lease("l"), pytest.raises(LeaseHeld, match=f"pid {os.getpid()}"), open_state().lease("l"):
        pass


def test_a_lease_is_free_after_its_holder_let_go(state: State) -> None:
    for _ in range(2):
        with state.lease("l"):
            pass


def test_leases_of_two_loops_are_independent(state: State) -> None:
    with state.lease("one"), state.lease("other"):
        pass


def test_the_lease_of_a_killed_process_is_taken_over_at_once(url: str) -> None:
    script = textwrap.dedent(f"""
        from tidemill.adapters.sql.state import SqlState
        with SqlState({url!r}).lease("l"):
            print("held", flush=True)
            input()
    """)
    state = SqlState(url)
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LeaseHeld), state.lease("l"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with state.lease("l"):
        pass


def test_who_lost_its_lease_writes_nothing_more(url: str) -> None:
    """A process that slept for longer than its lease must not undo what its successor did."""
    state, successor = SqlState(url), SqlState(url)
    with state.lease("l"):
        state.put("l", "turn", "a", {"n": 1})
        with state.database.transaction() as connection:
            connection.execute(sa.text("UPDATE leases SET holder = 'someone'"))
        with pytest.raises(LeaseHeld, match="was lost"):
            state.put("l", "turn", "a", {"n": 2})
        with pytest.raises(LeaseHeld, match="was lost"):
            state.put_once("l", "turn", "b", {})
        state.put("another", "turn", "a", {})
        successor.put("l", "request", "r", {"what": "train"})  # who only asks holds no lease
    assert state.documents("l", "turn") == [{"n": 1}]


def test_a_lease_whose_time_is_over_is_taken(url: str) -> None:
    state = SqlState(url)
    with state.lease("l"):
        with state.database.transaction() as connection:
            connection.execute(sa.text("UPDATE leases SET expires = '2013-01-01T00:00:00+00:00'"))
        with SqlState(url).lease("l"):
            pass
