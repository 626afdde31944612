"""A rehearsal's clock says what its file says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tidemill.adapters import stated_clock
from tidemill.adapters.stated_clock import StatedClock, open_clock
from tidemill.adapters.system_clock import SystemClock
from tidemill.loop.errors import TemporaryError


def test_the_time_is_the_files_and_follows_it(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("2013-03-01T06:00:00+00:00\n")
    clock = StatedClock(str(file))
    clock.look()
    assert clock.now() == datetime(2013, 3, 1, 6, tzinfo=UTC)
    file.write_text("2013-03-02")
    clock.look()
    assert clock.now() == datetime(2013, 3, 2, tzinfo=UTC)


def test_while_the_file_cannot_be_read_the_last_time_stands_and_that_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "clock"
    clock = StatedClock(file.as_uri())
    clock.look()
    with pytest.raises(TemporaryError, match="states no time"):
        clock.now()
    file.write_text("2013-03-01T06:00:00Z")
    clock.look()
    first = clock.now()
    file.unlink()
    clock.look()
    assert clock.now() == first
    file.write_text("tomorrow")
    clock.look()
    assert clock.now() == first
    assert caplog.text.count("cannot be read and stays at 2013-03-01") == 1


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A store that answers once the event is set."""
    answers = threading.Event()

    def read(uri: str) -> bytes:
        answers.wait(60)
        return b"2013-03-01"

    monkeypatch.setattr(stated_clock, "read_bytes", read)
    yield answers
    answers.set()


def test_nobody_waits_for_a_store_that_does_not_answer(
    silent: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_CLOCK", "s3://bucket/clock")
    monkeypatch.setattr(stated_clock, "_FIRST_SECONDS", 0.0)
    clock = open_clock()
    with pytest.raises(TemporaryError, match=r"s3://bucket/clock .* states no time"):
        clock.now()
    silent.set()
    assert isinstance(clock, StatedClock)
    assert clock._looked.wait(20)
    assert clock.now() == datetime(2013, 3, 1, tzinfo=UTC)


def test_an_opened_clock_knows_the_time_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clock").write_text("2013-03-01")
    monkeypatch.setenv("TIDEMILL_CLOCK", str(tmp_path / "clock"))
    assert open_clock().now() == datetime(2013, 3, 1, tzinfo=UTC)


def test_without_a_file_it_is_the_time_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEMILL_CLOCK", raising=False)
    assert isinstance(open_clock(), SystemClock)
