"""A rehearsal's clock says what its file says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tidemill.adapters import stated_clock
from tidemill.adapters.stated_clock import StatedClock, open_clock
from tidemill.adapters.system_clock import SystemClock
from tidemill.loop.errors import TemporaryError


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stated_clock, "_SECONDS", 0.0)


def test_the_time_is_the_files_and_follows_it(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("2013-03-01T06:00:00+00:00\n")
    clock = StatedClock(str(file))
    assert clock.now() == datetime(2013, 3, 1, 6, tzinfo=UTC)
    file.write_text("2013-03-02")
    assert clock.now() == datetime(2013, 3, 2, tzinfo=UTC)


def test_while_the_file_cannot_be_read_the_last_time_stands(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = StatedClock(file.as_uri())
    with pytest.raises(TemporaryError, match="No time is stated"):
        clock.now()
    file.write_text("2013-03-01T06:00:00Z")
    first = clock.now()
    file.unlink()
    assert clock.now() == first
    file.write_text("tomorrow")
    assert clock.now() == first


def test_without_a_file_it_is_the_time_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_clock(), SystemClock)
    monkeypatch.setenv("TIDEMILL_CLOCK", "s3://bucket/clock")
    assert isinstance(open_clock(), StatedClock)
