"""The threads of ticks, the lease of controllers, the limits of events, and what a watch's events mean."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api_double import ApiDouble
from tidemill.adapters.sql.database import Database
from tidemill.controller.events import BURST, REFILL, SAME, Announcer
from tidemill.controller.leader import Leadership
from tidemill.controller.merge_patch import patch_to
from tidemill.controller.queue import Key, Queue
from tidemill.controller.wanted import Owner, Seen
from tidemill.controller.workers import Workers

OWNER = Owner("team", "small", "uid-1")
SECONDS = 20.0  # as long as anything here may take on a busy machine


def until(holds: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        if holds():
            return
        done.wait(0.01)
    raise AssertionError("it never came to be")


# ticks


def test_a_tick_that_hangs_is_told_of_once_and_keeps_no_other_waiting() -> None:
    queue, end, seen = Queue(), threading.Event(), []
    told: list[Key] = []

    def step(key: Key) -> None:
        if key[1].startswith("hangs"):
            end.wait(SECONDS)
        else:
            seen.append(key)

    workers = Workers(queue, step, 2, slow=lambda key, _: told.append(key), slow_after=0.05)
    workers.start()
    for name in ("hangs-1", "hangs-2"):
        queue.wake(("n", name))
    until(lambda: workers.hanging == 2)
    queue.wake(("n", "good"))
    until(lambda: seen == [("n", "good")])
    assert sorted(told) == [("n", "hangs-1"), ("n", "hangs-2")]
    end.set()
    until(lambda: workers.hanging == 0 and len(workers._threads) == 2)  # replacements go again
    assert workers.stop(SECONDS)


def test_a_stop_waits_for_the_ticks_that_run_and_begins_no_more() -> None:
    queue, begun, end, seen = Queue(), threading.Event(), threading.Event(), []

    def step(key: Key) -> None:
        begun.set()
        end.wait(SECONDS)
        seen.append(key)

    workers = Workers(queue, step, 1)
    workers.start()
    queue.wake(("n", "runs"))
    queue.wake(("n", "waits"))
    assert begun.wait(SECONDS)
    assert not workers.stop(0.05)  # it still runs
    end.set()
    assert workers.stop(SECONDS)
    assert seen == [("n", "runs")]


def test_a_step_that_raises_ends_no_worker() -> None:
    queue, seen = Queue(), []

    def step(key: Key) -> None:
        seen.append(key)
        raise ValueError("a bug")

    workers = Workers(queue, step, 1)
    workers.start()
    queue.wake(("n", "a"))
    until(lambda: len(seen) == 1)
    queue.wake(("n", "b"))
    until(lambda: len(seen) == 2)
    assert workers.stop(SECONDS)


def test_who_stands_by_acts_for_no_loop() -> None:
    queue, seen, may = Queue(), [], threading.Event()
    workers = Workers(queue, seen.append, 1, may.is_set)  # type: ignore[arg-type]
    workers.start()
    queue.wake(("n", "a"))
    threading.Event().wait(0.1)
    assert seen == []
    may.set()
    until(lambda: seen == [("n", "a")])
    assert workers.stop(SECONDS)


# the lease


def test_one_of_two_controllers_acts_and_the_other_as_soon_as_it_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    first, second = (Leadership(Database(url), ["team"]) for _ in range(2))
    first.start()
    until(first.is_mine)
    second.start()
    threading.Event().wait(0.2)
    assert not second.is_mine()
    first.stop()
    assert not first.is_mine()
    until(second.is_mine)
    second.stop()


def test_controllers_of_other_namespaces_are_nobodys_rivals(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    both = [Leadership(Database(url), [name]) for name in ("a", "b")]
    for one in both:
        one.start()
    until(lambda: all(one.is_mine() for one in both))
    for one in both:
        one.stop()


# events


def test_the_same_words_are_said_once_in_a_while() -> None:
    api, now = ApiDouble(), [0.0]
    tell = Announcer(api, lambda: now[0])  # type: ignore[arg-type]
    for _ in range(3):
        tell(OWNER, "turn.failed", "It failed.")
    assert len(api.events) == 1
    now[0] = SAME
    tell(OWNER, "turn.failed", "It failed.")
    assert len(api.events) == 2


def test_a_loop_that_talks_too_much_is_cut_short_and_no_other_with_it() -> None:
    api, now = ApiDouble(), [0.0]
    tell = Announcer(api, lambda: now[0])  # type: ignore[arg-type]
    for number in range(int(BURST) + 10):
        tell(OWNER, "partition.admitted", f"Day {number}.")
    assert len(api.events) == BURST
    tell(Owner("team", "other", "uid-2"), "turn.started", "It starts.")
    assert len(api.events) == BURST + 1
    now[0] = REFILL
    tell(OWNER, "partition.admitted", "Day 99.")
    assert len(api.events) == BURST + 2


def test_an_event_fits_what_the_api_server_takes() -> None:
    api = ApiDouble()
    Announcer(api)(OWNER, "champion.rolled_back", "ü" * 2000)  # type: ignore[arg-type]
    (event,) = api.events
    assert len(event["note"].encode()) <= 1024
    assert (event["reason"], event["type"]) == ("ChampionRolledBack", "Warning")
    assert event["regarding"]["uid"] == "uid-1"
    assert event["metadata"]["name"].startswith("small.")


def test_an_event_that_cannot_be_posted_stops_nothing() -> None:
    api = ApiDouble()
    api.away = True
    Announcer(api)(OWNER, "turn.started", "It starts.")  # type: ignore[arg-type]


# what is seen


def loop(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": "a", "uid": "u", "generation": 1, **metadata}, "spec": {}}


def test_our_own_status_and_the_notes_of_others_are_no_change() -> None:
    seen = Seen()
    assert seen.loop(loop()) == (True, True)
    assert seen.loop({**loop(), "status": {"observedGeneration": 1}}) == (False, False)
    assert seen.loop(loop(annotations={"someone.else/note": "x"}, labels={"a": "b"})) == (False, False)


def test_a_new_spec_a_note_to_us_and_a_deletion_are_changes() -> None:
    seen = Seen()
    seen.loop(loop())
    assert seen.loop(loop(generation=2)) == (False, True)
    assert seen.loop(loop(generation=2, annotations={"tidemill.dev/woken-at": "now"})) == (False, True)
    assert seen.loop(loop(generation=2, deletionTimestamp="now")) == (False, True)


def test_a_patched_and_a_deleted_rollout_wake_their_loop() -> None:
    seen = Seen()

    def rollout(generation: int) -> dict[str, Any]:
        return {
            "metadata": {"namespace": "n", "name": "a-1", "uid": "u", "generation": generation},
            "spec": {"loop": "a"},
        }

    assert seen.rollout(rollout(1)) == (("n", "a"), False)
    assert seen.rollout(rollout(1)) == (("n", "a"), False)
    assert seen.rollout(rollout(2)) == (("n", "a"), True)
    assert seen.rollout(rollout(2), gone=True) == (("n", "a"), True)


def test_a_patch_makes_one_document_of_the_other() -> None:
    before = {"a": 1, "b": {"c": 2, "d": 3}, "gone": 4, "e": [1]}
    wanted = {"a": 1, "b": {"c": 2, "d": 5}, "e": [1, 2], "new": None}
    assert patch_to(before, wanted) == {"b": {"d": 5}, "gone": None, "e": [1, 2]}
    assert patch_to(wanted, wanted) == {}
