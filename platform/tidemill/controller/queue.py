"""Which loop is looked at next: woken ones at once, the rest when they are due. Where both wait, they take turns: loops
that are woken without end, by a busy stream of events, must not keep the others from ever being looked at.

A loop is never handed to two workers at a time; one that is woken while a worker has it comes again right after.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable

Key = tuple[str, str]  # namespace and name


class Queue:
    """For any number of threads. `clock` counts seconds, from anywhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._urgent: dict[Key, None] = {}  # in the order of waking
        self._hurried = False  # the last one that was handed out was woken
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []  # entries that `_due` does not confirm are void
        self._taken: set[Key] = set()
        self._again: set[Key] = set()

    def wake(self, key: Key) -> None:
        """As soon as a worker is free."""
        with self._changed:
            if key in self._taken:
                self._again.add(key)
            else:
                self._hurry(key)

    def later(self, key: Key, seconds: float) -> None:
        """For one that was never looked at; whatever is planned for it already stands."""
        with self._changed:
            if key not in self._due and key not in self._urgent and key not in self._taken:
                self._plan(key, seconds)

    def take(self, seconds: float) -> Key | None:
        """None where nothing came up in that time. Whoever takes one says `done` of it."""
        until = self._clock() + seconds
        with self._changed:
            while (key := self._next()) is None:
                now = self._clock()
                if now >= until:
                    return None
                self._changed.wait(min(until, self._heap[0][0] if self._heap else until) - now)
            self._due.pop(key, None)
            self._taken.add(key)
            return key

    def done(self, key: Key, again: float | None) -> None:
        """`again`: in how many seconds it is due; None: when it is woken."""
        with self._changed:
            self._taken.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._hurry(key)
            elif again is not None:
                self._plan(key, again)

    def forget(self, key: Key) -> None:
        with self._changed:
            self._urgent.pop(key, None)
            self._due.pop(key, None)
            self._again.discard(key)

    def __len__(self) -> int:
        """How many are known: waiting or taken."""
        with self._changed:
            return len(self._due.keys() | self._urgent.keys() | self._taken)

    def _hurry(self, key: Key) -> None:
        self._due.pop(key, None)
        self._urgent[key] = None
        self._changed.notify()

    def _plan(self, key: Key, seconds: float) -> None:
        self._due[key] = self._clock() + seconds
        heapq.heappush(self._heap, (self._due[key], key))
        self._changed.notify()

    def _next(self) -> Key | None:
        due = self._overdue()
        self._hurried = bool(self._urgent) and not (self._hurried and due is not None)
        if self._hurried:
            key = next(iter(self._urgent))
            del self._urgent[key]
            return key
        if due is not None:
            heapq.heappop(self._heap)
        return due

    def _overdue(self) -> Key | None:
        """The one that has been due for the longest."""
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) == due:
                return key if due <= self._clock() else None
            heapq.heappop(self._heap)
        return None
