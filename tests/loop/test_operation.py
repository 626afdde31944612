"""Operational blocks: what they count, when they close, and what they do to a rollout, without one label."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from small_world import Small, events
from tidemill.decisions.verdict import Reason
from tidemill.loop.operation import close_operation, operational_blocks
from tidemill.loop.tick import tick
from tried_versions import FIRST, HOUR, MINUTE, ask, rollout, row, tried

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


def _version(version: str):  # type: ignore[no-untyped-def]
    from tidemill.loop.model import ModelVersion

    return ModelVersion(version, "memory:", "", "")
