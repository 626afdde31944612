"""How a daemon goes on: what it tells of a tick that failed, and when it tries again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tidemill.cli.keeping import Keeping
from tidemill.cli.telling import Telling
from tidemill.loop.errors import LeaseHeld, TemporaryError, TidemillError
from tidemill.loop.replay import SetClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def keeping(pause: float = 60.0) -> Keeping:
    return Keeping("shop", SetClock(NOON), pause, Telling("text"))


def raising(error: Exception) -> Callable[[], None]:
    def tick() -> None:
        raise error

    return tick


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TemporaryError("MLflow does not answer."), "MLflow does not answer. Requests are"),
        (TidemillError("There is no suite."), "There is no suite. Requests are"),
        (PermissionError(errno.EACCES, "Permission denied", "data/1.csv"), "Permission denied: data/1.csv. See that"),
    ],
)
def test_what_a_person_can_mend_is_a_line_with_the_loop_and_the_next_try(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keeping().attempt(raising(error)) == 60
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"2026-01-31 12:00:00  tick.failed             The tick of shop failed: {said}")
    assert "tried again in 1m" in line


def test_a_fault_of_our_own_is_told_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    keeping().attempt(raising(KeyError("champion")))
    said = capsys.readouterr().err
    assert "failed: KeyError: 'champion' (a fault of Tidemill's own; its trace follows)." in said
    assert said.rstrip().endswith("KeyError: 'champion'")
    assert "in tick\n    raise error" in said


def test_the_same_is_said_once_until_a_tick_works_again(capsys: pytest.CaptureFixture[str]) -> None:
    kept = keeping()
    for error in (TidemillError("one"), TidemillError("one"), TidemillError("two"), TidemillError("one")):
        kept.attempt(raising(error))
    said = capsys.readouterr().err
    assert (said.count("failed: one"), said.count("failed: two")) == (1, 1)
    assert kept.attempt(lambda: None) == 60
    assert "The tick of shop works again, after 4 that failed." in capsys.readouterr().err
    kept.attempt(raising(TidemillError("one")))
    assert "failed: one" in capsys.readouterr().err


@pytest.mark.parametrize(("pause", "waits"), [(60.0, [60, 120, 240, 300, 300]), (900.0, [900, 900]), (0.0, [1, 2, 4])])
def test_it_is_tried_ever_more_rarely(pause: float, waits: list[float]) -> None:
    kept = keeping(pause)
    assert [kept.attempt(raising(TidemillError("x"))) for _ in waits] == waits


def test_a_lease_that_another_process_holds_ends_it() -> None:
    with pytest.raises(LeaseHeld):
        keeping().attempt(raising(LeaseHeld("Process 7 acts for shop.")))
