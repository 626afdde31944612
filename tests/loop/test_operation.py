"""Operational blocks: what they count, when they close, and what they do to a rollout, without one label."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from small_world import Small, events
from tidemill.decisions.verdict import Reason
from tidemill.loop.operation import close_operation, operational_blocks
from tidemill.loop.tick import tick
from tried_versions import DAY, FIRST, HOUR, MINUTE, ask, rollout, row, tried

SECOND = timedelta(seconds=1)
KEYS = [f"k{n}" for n in range(40)]


def close(it: Small, now: datetime) -> list:
    close_operation(it.context, rollout(it), now)
    return list(operational_blocks(it.context, rollout(it)))


def test_a_block_closes_five_minutes_after_it_began_and_a_little_later(tmp_path: Path) -> None:
    it = tried(tmp_path)
    ask(it, KEYS, FIRST + MINUTE)
    assert close(it, FIRST + 5 * MINUTE) == []
    (block,) = close(it, FIRST + 6 * MINUTE)
    assert (block.tried.keys, block.tried.failed, block.mirrored.pairs, block.mirrored.due) == (40, 0, 40, 40)


def test_closed_blocks_are_never_counted_twice(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for minutes in (1, 6, 61):
        ask(it, KEYS, FIRST + minutes * MINUTE)
    first = close(it, FIRST + 12 * MINUTE)
    again = close(it, FIRST + 13 * MINUTE)
    last = close(it, FIRST + 70 * MINUTE)
    assert first == again == last[:2]
    assert len(last) == 3


def test_a_shadow_that_fails_its_requests_is_gone_within_two_blocks_without_a_label(tmp_path: Path) -> None:
    it = tried(tmp_path)
    it.plane._models = {"1": object(), "2": object()}
    it.registry.get = lambda name, version: _version(version)  # type: ignore[method-assign]
    for minute in range(1, 11):
        ask(it, [f"{minute}-{n}" for n in range(10)], FIRST + minute * MINUTE, [f"{minute}-{n}" for n in range(9)])
    tick(it.context, FIRST + 6 * MINUTE)
    assert rollout(it).status == "running"
    tick(it.context, FIRST + 11 * MINUTE)
    assert (rollout(it).status, rollout(it).reason) == ("aborted", Reason.WORSE)
    assert len(events(it.context, "rollout.aborted")) == 1


def test_what_stands_in_for_the_champion_counts_as_neither_version(tmp_path: Path) -> None:
    it = tried(tmp_path, canary=0.5)
    rows = [row(key, FIRST + MINUTE, "0", fallback=True, status="error") for key in KEYS[:20]]
    rows += [row(key, FIRST + 2 * MINUTE, weight=0.5) for key in KEYS[20:30]]
    rows += [row(key, FIRST + 2 * MINUTE, "2", "canary") for key in KEYS[30:]]
    it.context.ports.log.append(rows)
    (block,) = close(it, FIRST + 6 * MINUTE)
    assert (block.champion.requests, block.challenger.requests, block.champion.failed_requests) == (10, 10, 0)
    assert (block.beside.keys, block.tried.keys, block.mirrored.due) == (10, 10, 20)
    assert [(split.champion, split.challenger) for split in block.split] == [(10, 10)]


def test_a_key_that_always_fails_is_at_risk_once_and_first_once(tmp_path: Path) -> None:
    it = tried(tmp_path, canary=0.5)
    for block in range(3):
        at = FIRST + (5 * block + 1) * MINUTE
        rows = [row(key, at, weight=0.5) for key in KEYS[:20]]
        rows += [row(key, at, "2", "canary", status="error" if key == "k20" else "ok") for key in KEYS[20:]]
        it.context.ports.log.append(rows)
    blocks = close(it, FIRST + 20 * MINUTE)
    arms = [block.challenger for block in blocks]
    assert [(arm.first.keys, arm.first.failed) for arm in arms] == [(20, 1), (0, 0), (0, 0)]
    assert [(arm.failure_free.keys, arm.failure_free.failed) for arm in arms] == [(20, 1), (19, 0), (19, 0)]
    assert [block.tried.failed for block in blocks] == [1, 1, 1], "all of them count for the trip"
    assert [[part.champion + part.challenger for part in block.split] for block in blocks] == [[40], [], []]


def test_a_fault_that_begins_late_is_seen_on_keys_that_were_there_for_long(tmp_path: Path) -> None:
    it = tried(tmp_path, canary=0.5)
    for block, status in enumerate(["ok", "error"]):
        at = FIRST + (5 * block + 1) * MINUTE
        it.context.ports.log.append([row(key, at, "2", "canary", status=status) for key in KEYS[20:]])
    late = close(it, FIRST + 20 * MINUTE)[1].challenger
    assert (late.first.keys, late.failure_free.keys, late.failure_free.failed) == (0, 20, 20)


def test_a_key_with_several_requests_counts_by_the_share_that_failed(tmp_path: Path) -> None:
    it = tried(tmp_path, canary=0.5)
    for n in range(4):
        status = "error" if n == 0 else "ok"
        it.context.ports.log.append([row("k", FIRST + MINUTE, "2", "canary", status=status, request_id=str(n))])
    (block,) = close(it, FIRST + 6 * MINUTE)
    assert (block.challenger.first.keys, block.challenger.first.failed) == (1, 0.25)
    assert (block.challenger.requests, block.challenger.failed_requests) == (4, 1)


def test_a_route_that_lags_is_no_broken_split(tmp_path: Path) -> None:
    """The step says half of the keys; the data plane still answers everything by the route before."""
    it = tried(tmp_path, canary=0.5)
    it.context.ports.log.append([row(f"a{n}", FIRST + MINUTE) for n in range(400)])
    rows = [row(f"b{n}", FIRST + 6 * MINUTE, weight=0.5) for n in range(20)]
    it.context.ports.log.append([*rows, *[row(f"c{n}", FIRST + 6 * MINUTE, "2", "canary") for n in range(20)]])
    blocks = close(it, FIRST + 12 * MINUTE)
    assert [[(part.weight, part.champion, part.challenger) for part in block.split] for block in blocks] == [
        [],
        [(0.5, 20, 20)],
    ]


def test_a_process_that_is_started_anew_counts_keys_as_if_it_had_not_been(tmp_path: Path) -> None:
    counts = []
    for again in (False, True):
        it = tried(tmp_path / str(again), canary=0.5)
        for block in range(3):
            at = FIRST + (30 * block + 1) * MINUTE
            it.context.ports.log.append([row(key, at, "2", "canary") for key in KEYS[: 10 * (block + 1)]])
            close(it, at + 10 * MINUTE)
            if again:
                it.context.followed.clear()
        counts.append([block.challenger.first.keys for block in close(it, FIRST + 2 * HOUR)])
    assert counts[0] == counts[1] == [10, 10, 10]


def test_of_many_keys_a_share_is_followed_and_all_count_for_the_trip(tmp_path: Path) -> None:
    it = tried(tmp_path, canary=0.5)
    document = rollout(it).model_copy(update={"audited": 0.25})
    it.context.state.put(it.context.name, "rollout", "r", document.stored())
    it.context.ports.log.append([row(f"k{n}", FIRST + MINUTE, "2", "canary") for n in range(2000)])
    (block,) = close(it, FIRST + 6 * MINUTE)
    assert block.tried.keys == 2000
    assert 400 < block.challenger.first.keys < 600


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_few_requests_a_block_make_no_mirror_look_overloaded(tmp_path: Path, share: float) -> None:
    it = tried(tmp_path)
    step = rollout(it).steps[0].model_copy(update={"shadow": share})
    document = rollout(it).model_copy(update={"steps": (step,)})
    it.context.state.put(it.context.name, "rollout", "r", document.stored())
    moments = [FIRST + n * 50 * SECOND for n in range(240)]  # six in five minutes
    rows = [row(f"k{n}", at) for n, at in enumerate(moments)]
    both = [n for n in range(240) if int(n * share + 0.5) < int((n + 1) * share + 0.5)]
    rows += [row(f"k{n}", moments[n], "2", "shadow") for n in both]
    it.context.ports.log.append(rows)
    blocks = close(it, FIRST + 4 * HOUR)
    pairs, due = (sum(getattr(block.mirrored, what) for block in blocks) for what in ("pairs", "due"))
    assert pairs == pytest.approx(due, abs=1)


def test_what_comes_late_into_the_log_is_counted_in_its_block(tmp_path: Path) -> None:
    it = tried(tmp_path)
    ask(it, KEYS[:10], FIRST + MINUTE)
    close(it, FIRST + 6 * MINUTE)
    ask(it, KEYS[10:], FIRST + 2 * MINUTE, KEYS[10:])
    ask(it, KEYS, FIRST + 8 * MINUTE)
    blocks = close(it, FIRST + 11 * MINUTE)
    assert [(block.tried.keys, block.tried.failed, block.rows) for block in blocks] == [(40, 30, 80), (40, 0, 80)]
    (told,) = it.context.waiting
    assert told.evidence == {"late": 60}


@pytest.mark.parametrize("minutes", [12, 100])
def test_a_log_that_lags_steadily_delays_the_blocks_and_loses_none(tmp_path: Path, minutes: int) -> None:
    it = tried(tmp_path)
    asked = [FIRST + minute * MINUTE for minute in range(0, 200, 20)]
    for at in asked:
        close(it, at + minutes * MINUTE - MINUTE)
        ask(it, KEYS[:3], at)
    blocks = close(it, asked[-1] + (minutes + 6) * MINUTE)
    assert [block.id for block in blocks] == [at.isoformat() for at in asked]


def test_a_block_counted_again_counts_no_key_twice(tmp_path: Path) -> None:
    """However often, and by whichever process: a fresh one counts its keys again from the log."""
    it, fresh = tried(tmp_path, canary=0.5), tried(tmp_path / "fresh", canary=0.5)
    for minute in range(1, 202, 40):
        at = FIRST + minute * MINUTE
        rows = [row(key, at, "2", "canary", status="error") for key in (f"k{minute}", "always")]
        rows += [row(f"late{minute}", at - 30 * MINUTE, "2", "canary")] if minute > 30 else []
        for each in (it, fresh):
            each.context.ports.log.append(rows)
        fresh.context.followed.clear()
        assert close(it, at + 5 * MINUTE) == close(fresh, at + 5 * MINUTE)
    blocks = close(it, FIRST + 310 * MINUTE)
    assert [sum(getattr(b.challenger, arm).keys for b in blocks) for arm in ("first", "failure_free")] == [12, 12]
    assert sum(block.tried.keys for block in blocks) == 17


def test_a_part_of_the_log_that_is_lost_takes_nothing_from_a_block(tmp_path: Path) -> None:
    it = tried(tmp_path)
    ask(it, KEYS, FIRST + MINUTE, KEYS)
    before = close(it, FIRST + 6 * MINUTE)
    it.context.ports.log._logged.clear()
    ask(it, KEYS[:2], FIRST + MINUTE)
    assert close(it, FIRST + 11 * MINUTE) == before


@pytest.mark.parametrize("leap", [HOUR, 5 * DAY])
def test_a_clock_that_ran_ahead_and_was_put_back_leaves_no_block_out(tmp_path: Path, leap: timedelta) -> None:
    it = tried(tmp_path)
    close(it, FIRST + 3 * HOUR + leap)
    for minute in range(0, 180, 15):
        ask(it, KEYS[:3], FIRST + minute * MINUTE)
    assert len(close(it, FIRST + 3 * HOUR + MINUTE)) == 12


def test_a_clock_that_was_put_back_to_before_the_rollout_stops_no_block(tmp_path: Path) -> None:
    it = tried(tmp_path)
    for minute in (1, 6, 11):
        ask(it, KEYS, FIRST - 3 * DAY + minute * MINUTE)
        blocks = close(it, FIRST - 3 * DAY + (minute + 5) * MINUTE)
    assert [(block.tried.keys, block.beside.keys) for block in blocks] == [(40, 40)] * 3


def _version(version: str):  # type: ignore[no-untyped-def]
    from tidemill.loop.model import ModelVersion

    return ModelVersion(version, "memory:", "", "")
