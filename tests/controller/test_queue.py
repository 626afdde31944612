"""Which loop is looked at next."""

from __future__ import annotations

import threading

from tidemill.controller.queue import Queue

A, B, C = ("n", "a"), ("n", "b"), ("n", "c")


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_what_is_due_comes_when_it_is_due_and_the_earliest_first() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.later(A, 20.0)
    queue.later(B, 10.0)
    assert queue.take(0.0) is None
    clock.time = 30.0
    assert [queue.take(0.0), queue.take(0.0), queue.take(0.0)] == [B, A, None]


def test_what_is_woken_goes_first_and_takes_turns_with_what_is_due() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.later(A, 0.0)
    queue.wake(B)
    queue.wake(C)
    queue.wake(B)
    assert [queue.take(0.0), queue.take(0.0), queue.take(0.0), queue.take(0.0)] == [B, A, C, None]


def test_loops_that_are_woken_all_the_time_leave_room_for_those_that_are_due() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.later(C, 10.0)
    looks = []
    for second in range(20):
        clock.time = float(second)
        queue.wake(A)
        queue.wake(B)
        looks.append(key := queue.take(0.0))
        assert key is not None
        queue.done(key, 60.0)
    assert looks.index(C) == 10
    assert looks.count(C) == 1 and looks.count(A) > 5 and looks.count(B) > 5


def test_one_that_is_due_and_woken_is_handed_out_once() -> None:
    queue = Queue(Clock())
    queue.later(A, 0.0)
    queue.wake(A)
    queue.wake(B)
    assert [queue.take(0.0), queue.take(0.0), queue.take(0.0)] == [A, B, None]


def test_no_loop_is_taken_twice_at_a_time_and_one_that_is_woken_meanwhile_comes_again() -> None:
    queue = Queue(Clock())
    queue.wake(A)
    assert queue.take(0.0) == A
    queue.wake(A)
    assert queue.take(0.0) is None
    queue.done(A, 60.0)
    assert queue.take(0.0) == A
    queue.done(A, None)
    assert queue.take(0.0) is None and len(queue) == 0


def test_waking_replaces_what_was_planned() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.later(A, 10.0)
    queue.wake(A)
    assert queue.take(0.0) == A
    queue.done(A, 60.0)
    clock.time = 10.0
    assert queue.take(0.0) is None
    clock.time = 60.0
    assert queue.take(0.0) == A


def test_what_is_planned_already_is_not_put_off() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.later(A, 1.0)
    queue.later(A, 50.0)
    clock.time = 1.0
    assert queue.take(0.0) == A


def test_what_is_forgotten_does_not_come() -> None:
    queue = Queue(Clock())
    queue.wake(A)
    queue.later(B, 0.0)
    queue.forget(A)
    queue.forget(B)
    assert queue.take(0.0) is None and len(queue) == 0


def test_a_worker_that_waits_is_woken_at_once() -> None:
    queue = Queue()
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(queue.take(30.0)))
    waiting.start()
    queue.wake(A)
    waiting.join(10.0)
    assert found == [A]
