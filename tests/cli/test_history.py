"""`tidemill history` where there is nothing to list: it says what nothing means."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from tidemill.adapters.sql.state import SqlState
from tidemill.cli.main import cli
from tidemill.loop.ports import Entry

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)


def live(state: SqlState) -> None:
    said = {"reason": "Manual", "message": "x", "evidence": {}}
    events = ("turn.started", "partition.admitted", "turn.failed")
    state.transact("shop", [], [Entry(f"e{n}", NOW, event, said) for n, event in enumerate(events)])


def history(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["history", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_event_that_there_is_none_of_names_those_there_are(shop_state: SqlState) -> None:
    live(shop_state)
    assert history("--event", "zzz") == "No event begins with 'zzz'; there are: partition, turn.\n"
    assert history("--event", "zzz", "--event", "y").startswith("No event begins with 'zzz' or 'y'; there are: ")


def test_of_a_kind_that_there_is_every_event_is_named(shop_state: SqlState) -> None:
    live(shop_state)
    assert history("--event", "turn.end") == "No event begins with 'turn.end'; there are: turn.failed, turn.started.\n"


def test_with_json_it_is_an_empty_list(shop_state: SqlState) -> None:
    live(shop_state)
    assert json.loads(history("--event", "zzz", "-o", "json")) == []


@pytest.mark.parametrize("arguments", [(), ("--event", "turn")])
def test_where_nothing_happened_it_says_how_to_begin(shop_state: SqlState, arguments: tuple[str, ...]) -> None:
    assert history(*arguments).startswith("Nothing has happened yet: ")


def test_an_event_is_named_or_begun(shop_state: SqlState) -> None:
    live(shop_state)
    assert [line.split()[2] for line in history("--event", "turn").splitlines()] == ["turn.started", "turn.failed"]
    assert [line.split()[2] for line in history("--event", "turn", "--last", "1").splitlines()] == ["turn.failed"]
