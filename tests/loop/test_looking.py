"""When a block that waits for labels is looked at again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from small_world import small
from tidemill.loop.looking import looked_at, may_have_changed
from tried_versions import DAY, FIRST, HOUR


def test_a_look_of_a_clock_that_ran_ahead_keeps_no_block_from_being_looked_at(tmp_path: Path) -> None:
    it = small(tmp_path).context
    looked_at(it, "day", "2024-03-01", 0, 5, FIRST + 60 * DAY)
    assert may_have_changed(it, "day", "2024-03-01", FIRST - DAY, FIRST)
    looked_at(it, "day", "2024-03-01", 0, 5, FIRST)
    assert not may_have_changed(it, "day", "2024-03-01", FIRST - DAY, FIRST + timedelta(minutes=1))
    assert may_have_changed(it, "day", "2024-03-01", FIRST - DAY, FIRST + 2 * HOUR)
