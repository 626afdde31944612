"""What a closed day counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from small_world import small
from tidemill.gateway.split import unit
from tidemill.loop.blocks import LOOK_AGAIN, close_blocks

FIRST = datetime(2024, 3, 1, tzinfo=UTC)


def test_a_key_that_comes_every_day_is_one_draw_of_the_split(tmp_path: Path) -> None:
    context = small(tmp_path).context
    name = context.name
    rollout = {
        "id": "r", "status": "running", "champion": "1", "challenger": "2", "started_at": FIRST.isoformat(),
        "steps": [{"index": 0, "started_at": FIRST.isoformat(), "canary": 0.3}],
    }  # fmt: skip
    context.state.put(name, "rollout", "r", rollout)
    context.state.put(name, "champion", "current", {"version": "1", "first_since": FIRST.isoformat()})
    for day in range(3):
        regulars, strangers = [f"k{n}" for n in range(100)], [f"d{day}-{n}" for n in range(10)]
        at = FIRST + timedelta(days=day, hours=12)
        for key in regulars + strangers:
            canary = unit(key, "2") < 0.3
            context.ports.log.append([
                {"request_id": "r", "key": key, "event_time": at, "at": at, "version": "2" if canary else "1",
                 "role": "canary" if canary else "champion", "served": True, "status": "ok", "raw": 0.5, "score": 0.5,
                 "calibrator": None, "fallback": False, "latency_ms": 1.0}
            ])  # fmt: skip
        labels = pd.DataFrame({"key": regulars + strangers, "label": 1.0})
        context.ports.outcomes.record(labels, at + timedelta(hours=1), "test")
    close_blocks(context, FIRST + timedelta(days=10))
    arms = [block["arms"]["2"] for block in context.state.documents(name, "block")]
    assert [arm["champion"]["requests"] + arm["challenger"]["requests"] for arm in arms] == [110, 110, 110]
    assert [arm["champion"]["new_keys"] + arm["challenger"]["new_keys"] for arm in arms] == [110, 10, 10]


def test_labels_that_come_while_a_day_is_read_are_seen_by_the_next_look(tmp_path: Path) -> None:
    context = small(tmp_path).context
    name, outcomes = context.name, context.ports.outcomes
    context.state.put(name, "champion", "current", {"version": "1", "first_since": FIRST.isoformat()})
    context.ports.log.append([asked("k")])
    now = FIRST + timedelta(days=1, hours=7)
    known = outcomes.known

    def known_and_then_more(by: datetime, since: datetime | None = None) -> pd.DataFrame:
        found = known(by, since)
        if since is not None:  # the day is read, and not only counted
            outcomes.record(pd.DataFrame({"key": ["k"], "label": [1.0]}), now, "test")
        return found

    outcomes.known = known_and_then_more  # type: ignore[method-assign]
    close_blocks(context, now)
    assert context.state.documents(name, "block") == [], "they came too late for this look"
    outcomes.known = known  # type: ignore[method-assign]
    close_blocks(context, now + timedelta(minutes=1))
    assert len(context.state.documents(name, "block")) == 1


def asked(key: str) -> dict[str, Any]:
    at = FIRST + timedelta(hours=12)
    return {
        "request_id": "r", "key": key, "event_time": at, "at": at, "version": "1", "role": "champion", "served": True,
        "status": "ok", "raw": 0.5, "score": 0.5, "calibrator": None, "fallback": False, "latency_ms": 1.0,
    }  # fmt: skip


def test_a_day_that_had_no_labels_is_read_again_when_some_have_come_and_once_in_a_while(tmp_path: Path) -> None:
    context = small(tmp_path).context
    name, reads = context.name, []
    context.state.put(name, "champion", "current", {"version": "1", "first_since": FIRST.isoformat()})
    context.ports.log.append([asked("k")])
    read = context.ports.log.read
    context.ports.log.read = lambda start, end: reads.append(start) or read(start, end)  # type: ignore[method-assign]
    now = FIRST + timedelta(days=1, hours=7)

    def closed(later: timedelta) -> int:
        reads.clear()
        close_blocks(context, now + later)
        return len(context.state.documents(name, "block"))

    assert closed(timedelta(0)) == 0 and reads == [FIRST]
    assert closed(timedelta(minutes=59)) == 0 and reads == [], "nothing has come since"
    assert closed(LOOK_AGAIN) == 0 and reads == [FIRST], "a request may have been logged late"
    context.ports.outcomes.record(pd.DataFrame({"key": ["k"], "label": [1.0]}), now + LOOK_AGAIN, "test")
    assert closed(LOOK_AGAIN + timedelta(minutes=1)) == 1, "at once"
