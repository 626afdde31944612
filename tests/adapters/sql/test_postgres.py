"""What only a database on its own machine, with many processes at it, can show."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from postgres_server import PostgresServer
from tidemill.adapters.sql.database import Database, lock
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.adapters.sql.schema import labels
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.errors import LabelRefused, TemporaryError, TidemillError
from tidemill.loop.ports import Entry, Write

NOW = datetime(2013, 3, 1, tzinfo=UTC)
RACERS = 3


def race(url: str, body: str) -> list[list[str]]:
    """What each of several processes printed that did the same at the same moment."""
    script = textwrap.dedent("""
        import sys
        from datetime import UTC, datetime
        from tidemill.adapters.sql.outcomes import SqlOutcomes
        from tidemill.adapters.sql.state import SqlState
        from tidemill.loop.errors import LeaseHeld
        from tidemill.loop.ports import Entry, Write
        url, me = sys.argv[1:]
        now = datetime(2013, 3, 1, tzinfo=UTC)
        print("ready", flush=True)
        input()
    """) + textwrap.dedent(body)
    command = [sys.executable, "-c", script, url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen([*command, str(number)], **pipes) for number in range(RACERS)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for racer in racers:
        racer.stdin.write("\n")  # type: ignore[union-attr]
        racer.stdin.flush()  # type: ignore[union-attr]
    said = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * RACERS
    return said


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_store()


def test_of_processes_that_open_a_new_store_at_once_all_succeed(url: str) -> None:
    race(url, "SqlState(url).put('l', 'turn', me, {})")
    assert len(SqlState(url).documents("l", "turn")) == RACERS


def test_of_processes_that_race_for_a_lease_one_gets_it(url: str) -> None:
    SqlState(url)
    said = race(url, """
        state = SqlState(url)
        for n in range(15):
            try:
                with state.lease(f"l{n}"):
                    print(n)
                    state.put(f"l{n}", "turn", me, {})
                    while len(list(state.documents("done", str(n)))) < 2:
                        pass
            except LeaseHeld:
                state.put("done", str(n), me, {})
    """)  # fmt: skip
    assert sorted(int(n) for winner in said for n in winner) == list(range(15))


def test_of_processes_that_put_the_same_ids_one_wins_each(url: str) -> None:
    SqlState(url)
    said = race(url, """
        state = SqlState(url)
        for n in range(60):
            if state.put_once("l", "turn", str(n), {"by": me, "n": n}):
                print(n)
            state.transact("l", [Write("last", "one", {"by": me})], [Entry(f"e{n}", now, "turn.started", {"n": n})])
    """)  # fmt: skip
    assert sorted(int(n) for winner in said for n in winner) == list(range(60))
    state = SqlState(url)
    assert len(state.documents("l", "turn")) == 60
    assert sorted(line["n"] for line in state.ledger("l")) == list(range(60))
    assert len(state.documents("l", "last")) == 1


def test_of_contradicting_labels_sent_at_once_the_first_stays(url: str) -> None:
    SqlState(url)
    race(url, """
        outcomes = SqlOutcomes(url, "l")
        for n in range(40):
            outcomes.record_pairs([(f"k{n}", int(me) % 2), (f"own-{me}-{n}", 1)], now, me)
    """)  # fmt: skip
    outcomes = SqlOutcomes(url, "l")
    known = outcomes.known(NOW)
    assert len(known) == outcomes.count() == 40 * (1 + RACERS)
    assert known["key"].is_unique
    assert len(outcomes.conflicts()) == 40


def test_a_reader_misses_no_label_of_a_writer_that_commits_late(url: str) -> None:
    """Numbers are given before the commit: who reads on from the last one seen must never pass over an open one."""
    database = Database(url)
    outcomes = SqlOutcomes(database, "l")
    row = {"loop": "l", "key": "slow", "label": 1.0, "arrived_at": 0, "source": "x"}
    with ThreadPoolExecutor() as pool:
        with database.transaction() as connection:
            lock(connection, "outcomes/l")
            connection.execute(labels.insert().values(**row))
            other = pool.submit(SqlOutcomes(database, "l").record_pairs, [("quick", 1)], NOW, "x")
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not database_says(url, waiting):
                pass
            assert outcomes.known(NOW).empty
        other.result()
    assert outcomes.known(NOW)["key"].tolist() == ["slow", "quick"]


def database_says(url: str, query: str) -> Any:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar()
    finally:
        engine.dispose()


def test_a_statement_that_takes_too_long_is_ended_and_said(url: str) -> None:
    database = Database(url)
    with pytest.raises(TemporaryError, match="statement timeout"), database.transaction() as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = '50ms'"))
        connection.execute(sa.text("SELECT pg_sleep(20)"))


def test_a_dead_connection_of_the_pool_is_replaced_unnoticed(url: str, postgres: PostgresServer) -> None:
    state = SqlState(url)
    state.put("l", "turn", "a", {})
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidemill'")
    state.put("l", "turn", "b", {})
    assert len(state.documents("l", "turn")) == 2


def test_the_password_is_never_shown() -> None:
    with pytest.raises(TemporaryError) as caught:
        SqlState("postgresql://ann:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["k" * 1001, "a\0b"])
def test_a_key_that_the_database_cannot_hold_is_refused(url: str, key: str) -> None:
    with pytest.raises(LabelRefused, match="cannot be stored"):
        SqlOutcomes(url, "l").record_pairs([("good", 1), (key, 1)], NOW, "x")


def test_another_kind_of_database_is_refused_with_the_form_that_is_right() -> None:
    with pytest.raises(TidemillError, match="postgresql://"):
        SqlState("mysql://host/db")


def test_large_deliveries_are_recorded_whole(url: str) -> None:
    frame = pd.DataFrame({"key": [f"k{n}" for n in range(12_000)], "label": 1})
    outcomes = SqlOutcomes(url, "l")
    assert outcomes.record(frame, NOW, "x").new == 12_000
    assert outcomes.record(frame, NOW, "x").duplicate == 12_000


@pytest.fixture
def own_server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres
    if not (postgres.folder / "data" / "postmaster.pid").exists():
        postgres.start()


def test_a_database_that_goes_away_is_a_temporary_error_and_recovers(own_server: PostgresServer) -> None:
    url = own_server.new_store()
    state, outcomes = SqlState(url), SqlOutcomes(url, "l")
    with state.lease("l"):
        state.transact("l", [Write("turn", "a", {"n": 1})], [Entry("1", NOW, "turn.started", {"message": "x"})])
        own_server.stop()
        with pytest.raises(TemporaryError, match="See that the database is up"):
            state.put("l", "turn", "a", {"n": 2})
        with pytest.raises(TemporaryError, match="store of outcomes"):
            outcomes.record_pairs([("k", 1)], NOW, "x")
        own_server.start()
        assert state.get("l", "turn", "a") == {"n": 1}
        state.put("l", "turn", "a", {"n": 3})
    assert outcomes.count() == 0
    assert state.documents("l", "turn") == [{"n": 3}]


def test_a_session_has_limits(url: str) -> None:
    with Database(url).transaction(write=False) as connection:
        shown = {name: connection.execute(sa.text(f"SHOW {name}")).scalar() for name in ("statement_timeout",
                 "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")}  # fmt: skip
    assert shown == {"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "1min",
                     "TimeZone": "UTC"}  # fmt: skip


def test_sqlite_in_many_threads_loses_nothing(tmp_path: Path) -> None:
    state = SqlState(f"sqlite:///{tmp_path}/state.db")

    def put(n: int) -> bool:
        state.put("l", "turn", str(n), {"n": n})
        return state.put_once("l", "once", str(n % 10), {"n": n})

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put, range(80)))
    assert sum(won) == 10
    assert len(state.documents("l", "turn")) == 80
