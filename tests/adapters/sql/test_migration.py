"""A store that an older Tidemill wrote is brought up with all its data."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from tidemill.adapters.sql.database import Database
from tidemill.adapters.sql.outcomes import SqlOutcomes
from tidemill.adapters.sql.schema import SCHEMA_VERSION, metadata
from tidemill.adapters.sql.state import SqlState
from tidemill.loop.errors import TemporaryError
from tidemill.loop.model import Receipt
from tidemill.loop.ports import Entry, Write

NOW = datetime(2013, 3, 1, tzinfo=UTC)
LONG = f"{'n' * 63}/{'l' * 63}"

# What version 1 made; never to be changed.
VERSION_1 = [
    "CREATE TABLE documents (seq {serial}, loop VARCHAR(63) NOT NULL, kind VARCHAR(32) NOT NULL, "
    "id VARCHAR(200) NOT NULL, body JSON NOT NULL, {key} UNIQUE (loop, kind, id))",
    "CREATE TABLE ledger (seq {serial}, loop VARCHAR(63) NOT NULL, id VARCHAR(200) NOT NULL, at VARCHAR(40) NOT NULL, "
    "event VARCHAR(64) NOT NULL, body JSON NOT NULL, {key} UNIQUE (loop, id))",
    "CREATE TABLE leases (loop VARCHAR(63) NOT NULL PRIMARY KEY, holder VARCHAR(200) NOT NULL, "
    "expires VARCHAR(40) NOT NULL)",
    "CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)",
    "INSERT INTO schema_version VALUES (1)",
    "INSERT INTO documents (loop, kind, id, body) VALUES ('flights', 'turn', 'b', '{{\"n\": 1}}')",
    "INSERT INTO documents (loop, kind, id, body) VALUES ('flights', 'turn', 'a', '{{\"n\": 2}}')",
    "INSERT INTO ledger (loop, id, at, event, body) VALUES ('flights', 'turn/b/started', '2013-03-01T00:00:00+00:00', "
    '\'turn.started\', \'{{"reason": "Manual", "message": "begun", "evidence": {{}}}}\')',
]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/state.db" if sqlite else request.getfixturevalue("postgres").new_store()
    serial, key = ("INTEGER NOT NULL", "PRIMARY KEY (seq),") if sqlite else ("SERIAL PRIMARY KEY", "")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in VERSION_1:
            connection.exec_driver_sql(statement.format(serial=serial, key=key))
    engine.dispose()
    return str(url)


def test_nothing_of_version_1_is_lost_and_everything_of_today_works(url: str) -> None:
    state = SqlState(url)
    assert state.documents("flights", "turn") == [{"n": 1}, {"n": 2}]
    assert [line["message"] for line in state.ledger("flights")] == ["begun"]
    state.transact(LONG, [Write("turn", "a", {"n": 3})], [Entry("1", NOW, "turn.started", {"message": "x"})])
    with state.lease(LONG):
        assert state.get(LONG, "turn", "a") == {"n": 3}
    outcomes = SqlOutcomes(state.database, LONG)
    assert outcomes.record(pd.DataFrame({"key": ["k"], "label": [1]}), NOW, "http") == Receipt(1, 0, 0)
    assert outcomes.known(NOW)["key"].tolist() == ["k"]
    assert SqlState(url).documents("flights", "turn") == [{"n": 1}, {"n": 2}], "opened again, brought up already"


def test_a_store_brought_up_has_the_tables_of_a_new_one(url: str, tmp_path: Path, request: object) -> None:
    new = Database(f"sqlite:///{tmp_path}/new.db")
    old = Database(url)
    for table in metadata.tables:
        before, after = sa.inspect(old.engine), sa.inspect(new.engine)
        assert [c["name"] for c in before.get_columns(table)] == [c["name"] for c in after.get_columns(table)]
        assert {i["name"] for i in before.get_indexes(table) if not i["unique"]} == {
            i["name"] for i in after.get_indexes(table)
        }
    if old.is_postgres:
        kinds = {c["name"]: str(c["type"]) for c in sa.inspect(old.engine).get_columns("documents")}
        assert (kinds["loop"], kinds["seq"]) == ("VARCHAR(127)", "BIGINT")


def test_a_step_that_fails_leaves_the_older_store_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidemill.adapters.sql import schema

    def broken(connection: sa.Connection) -> None:
        connection.execute(sa.text("DELETE FROM documents"))
        raise RuntimeError("the disk is on fire")

    monkeypatch.setitem(schema.STEPS, 2, broken)
    with pytest.raises(RuntimeError):
        SqlState(url)
    monkeypatch.undo()
    assert SqlState(url).documents("flights", "turn") == [{"n": 1}, {"n": 2}]


def test_there_is_a_step_to_every_version() -> None:
    from tidemill.adapters.sql.schema import STEPS

    assert sorted(STEPS) == list(range(2, SCHEMA_VERSION + 1))


def test_a_store_of_a_newer_tidemill_is_refused_unchanged(tmp_path: Path) -> None:
    SqlState(f"sqlite:///{tmp_path}/state.db")
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(TemporaryError, match="schema version 99"):
        SqlState(f"sqlite:///{tmp_path}/state.db")
