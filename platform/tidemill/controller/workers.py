"""The threads that ticks run in. One that hangs (a store that does not answer) is told of, and another takes its place.

Python cannot end a thread. So a hanging one keeps its loop, whose lease it holds, and nothing else; it goes when what
it waits for gives up, and the process need not wait for it to end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .queue import Key, Queue

SLOW = 60.0  # seconds after which a tick is told of, and its thread is replaced
MOST_HANGING = 16  # replacements beyond that would only hang, too
_POLL = 1.0

_log = logging.getLogger(__name__)


class Workers:
    """`step` looks at one loop and says in how many seconds to look again (None: when it is woken); `may` says whether
    this process is the one that acts; `slow` is told of each tick that hangs, once."""

    def __init__(
        self,
        queue: Queue,
        step: Callable[[Key], float | None],
        number: int,
        may: Callable[[], bool] = lambda: True,
        slow: Callable[[Key, float], None] = lambda *_: None,
        slow_after: float = SLOW,
    ) -> None:
        self._queue, self._step, self._number, self._may = queue, step, number, may
        self._slow, self._slow_after = slow, slow_after
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._began: dict[threading.Thread, tuple[Key, float]] = {}
        self._hanging: set[threading.Thread] = set()
        self._stopping = threading.Event()

    def start(self) -> None:
        with self._lock:
            for _ in range(self._number):
                self._add()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self, seconds: float) -> bool:
        """Begins no tick any more and waits for those that run. False where some still run when the time is over: the
        process may be left all the same, as if it had been killed."""
        self._stopping.set()
        until = time.monotonic() + seconds
        with self._lock:
            threads = set(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    @property
    def hanging(self) -> int:
        with self._lock:
            return len(self._hanging)

    def look(self) -> None:
        """Tells of ticks that take too long, and sees that as many threads as there should be are free of such."""
        now = time.monotonic()
        with self._lock:
            late = {
                thread: (key, now - since)
                for thread, (key, since) in self._began.items()
                if now - since >= self._slow_after and thread not in self._hanging
            }
            self._hanging |= late.keys()
            wanted = self._number + min(len(self._hanging), MOST_HANGING)
            for _ in range(wanted - len(self._threads)):
                self._add()
        for key, seconds in late.values():
            self._slow(key, seconds)

    def _add(self) -> None:
        # A daemon: a thread that hangs must not keep the process from ending.
        thread = threading.Thread(target=self._work, name=f"tick-{len(self._threads)}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _watch(self) -> None:
        while not self._stopping.wait(min(5.0, self._slow_after / 4)):
            try:
                self.look()
            except Exception:
                _log.exception("the watchdog failed; it goes on")

    def _work(self) -> None:
        me = threading.current_thread()
        try:
            while not self._stopping.is_set() and not self._one_too_many():
                if not self._may():
                    self._stopping.wait(_POLL / 4)
                    continue
                key = self._queue.take(_POLL)
                if key is None:
                    continue
                if self._stopping.is_set() or not self._may():
                    self._queue.done(key, 0.0)
                    continue
                self._run(me, key)
        finally:
            with self._lock:
                self._threads.discard(me)

    def _run(self, me: threading.Thread, key: Key) -> None:
        with self._lock:
            self._began[me] = (key, time.monotonic())
        again: float | None = 60.0
        try:
            again = self._step(key)
        except Exception:
            _log.exception("%s/%s: the step failed; it is tried again in a minute", *key)
        finally:
            with self._lock:
                del self._began[me]
                self._hanging.discard(me)
            self._queue.done(key, again)

    def _one_too_many(self) -> bool:
        with self._lock:
            if len(self._threads) <= self._number + min(len(self._hanging), MOST_HANGING):
                return False
            self._threads.discard(threading.current_thread())
            return True
