"""Loads models on threads of their own: loading is user code and may hang, and a tick has more to do than to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent import futures
from concurrent.futures import Future
from typing import Generic, TypeVar

from tidemill.loop.errors import TemporaryError

from .user_code import failure

T = TypeVar("T")
WAIT = 60.0  # seconds for the first to ask; large models take that long


class StillLoading(TemporaryError):
    """Ask again later: it goes on."""


class Loads(Generic[T]):
    """One load a key at a time, each on a thread of its own, which a hanging one keeps until the process ends."""

    def __init__(self) -> None:
        self._running: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()

    def result(self, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` returns; raises what it raises, and StillLoading after WAIT seconds. Who asks again while the
        load of the same key goes on does not wait."""
        with self._lock:
            future, wait = self._running.get(key), 0.0
            if future is None:
                future, wait = self._running.setdefault(key, Future()), WAIT
                threading.Thread(target=_run, args=(future, load), name="load", daemon=True).start()
        if not futures.wait([future], wait).done:
            raise StillLoading("it is being loaded; if that does not end, look at what its loading waits for")
        with self._lock:
            if self._running.get(key) is future:
                del self._running[key]
        return future.result()


def _run(future: Future[T], load: Callable[[], T]) -> None:
    try:
        future.set_result(load())
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:  # as it is not on the main thread, it is no Ctrl-C
        future.set_exception(failure(error))
