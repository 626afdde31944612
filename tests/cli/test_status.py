"""`tidemill status` says why, what waits, and advises only where nothing happened yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from stored import partition, turn
from tidemill.adapters.log.prediction_log import ParquetPredictionLog
from tidemill.adapters.sql.state import SqlState
from tidemill.cli.main import cli
from tidemill.loop.asking import ask
from tidemill.loop.documents.incident import Incident
from tidemill.loop.heartbeat import beat

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)
ADVICE = "`tidemill run --once` trains the first one"


def status() -> list[str]:
    done = CliRunner().invoke(cli, ["status"])
    assert done.exit_code == 0, done.output
    return [line.strip() for line in done.output.splitlines()]


def put_turn(state: SqlState, id: str, status: str, reason: str, message: str) -> None:
    state.put("shop", "turn", id, turn(id, status=status, reason=reason, message=message))


def hold(state: SqlState, id: str) -> None:
    said = f"Partition {id} fails."
    held = partition(id, status="quarantined", reason="ExpectationFailed", message=said, rows=3)
    state.put("shop", "partition", id, held)


def test_where_nothing_happened_it_says_how_to_begin(shop_state: SqlState) -> None:
    assert f"champion    none yet; {ADVICE}" in status()


@pytest.mark.parametrize("what", ["a tick", "a turn", "a held partition", "a request"])
def test_where_anything_happened_it_advises_nothing(shop_state: SqlState, what: str) -> None:
    if what == "a tick":
        beat(shop_state, "shop", NOW)
    elif what == "a turn":
        put_turn(shop_state, "t1", "failed", "TrainerFailed", "No column x.")
    elif what == "a held partition":
        hold(shop_state, "2026-01-30")
    else:
        ask(shop_state, "shop", "train", "ann", "", NOW)
    lines = status()
    assert "champion    none yet" in lines
    assert ADVICE not in "\n".join(lines)


def test_it_says_why_days_are_held_back(shop_state: SqlState) -> None:
    hold(shop_state, "2026-01-29")
    hold(shop_state, "2026-01-30")
    lines = status()
    assert "data        0 partitions admitted (0 rows), 2 quarantined" in lines
    assert "held back   the latest is 2026-01-30 (ExpectationFailed): Partition 2026-01-30 fails." in lines


def test_it_says_what_waits_and_what_was_asked(shop_state: SqlState) -> None:
    waiting = [
        {"event": "turn.waiting", "reason": "Cooldown", "message": "The first turn waits for the cooldown."},
        {"event": "serving.waiting", "reason": "NotReady", "message": "There is no champion to serve yet."},
    ]
    shop_state.put("shop", "tick", "waiting", {"waiting": waiting})
    hold(shop_state, "2026-01-30")
    ask(shop_state, "shop", "train", "ann", "", NOW)
    ask(shop_state, "shop", "admit", "ann", "", NOW, "2026-01-30")
    lines = status()
    assert "asked       admit 2026-01-30, by ann at 2026-02-01T07:00: the next tick acts on it" in lines
    assert "waits       The first turn waits for the cooldown." in lines
    assert "asked       train, by ann at 2026-02-01T07:00: the next tick acts on it" in lines
    assert "no champion to serve" not in "\n".join(lines), "the champion's line says so"


def test_a_lasting_change_is_a_question(shop_state: SqlState) -> None:
    hold(shop_state, "2026-01-30")
    incident = Incident(id="unlike-2026-01-28", since="2026-01-28", until="2026-01-30", opened_on="2026-01-30",
                        columns=("price",), partitions=3, opened_at=NOW)  # fmt: skip
    shop_state.put("shop", "incident", incident.id, incident.stored())
    lines = "\n".join(status())
    assert "change      3 partitions since 2026-01-28 are unlike history in the same columns: price." in lines
    assert "`tidemill admit --since 2026-01-28`" in lines
    assert "held back" not in lines, "the incident says so"


def test_admit_since_asks_for_all_from_a_day_on(shop_state: SqlState) -> None:
    held = partition("2026-01-30", status="quarantined", reason="UnlikeHistory")
    shop_state.put("shop", "partition", "2026-01-30", held)
    asked = CliRunner().invoke(cli, ["admit", "--since", "2026-01-29", "--by", "ann"])
    assert asked.exit_code == 0, asked.output
    (request,) = shop_state.documents("shop", "request")
    assert (request["target"], request["since"]) == ("2026-01-29", "2026-01-29")


def test_the_turn_that_failed_stands_beside_the_one_that_runs(shop_state: SqlState) -> None:
    put_turn(shop_state, "t1", "failed", "TrainerFailed", "No column x.")
    assert "before it" not in "\n".join(status())
    put_turn(shop_state, "t2", "running", "Manual", "A turn starts.")
    lines = status()
    assert "last turn   t2 running (Manual): A turn starts." in lines
    assert "before it   t1 failed (TrainerFailed): No column x." in lines


def test_it_says_what_of_the_prediction_log_is_damaged(shop: Path, shop_state: SqlState) -> None:
    assert not any(line.startswith("damaged") for line in status())
    wal = shop / ".tidemill" / "predictions" / "wal"
    wal.mkdir(parents=True)
    (wal / "1-hit.jsonl").write_text("{ no\n")
    ParquetPredictionLog(wal.parent).read(NOW, NOW + timedelta(days=1))
    (told,) = [line for line in status() if line.startswith("damaged")]
    assert "1 lines and 0 parts of the prediction log could not be read" in told
    assert str(wal.parent) in told
