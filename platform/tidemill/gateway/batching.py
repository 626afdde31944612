"""One worker a version: what arrives while a prediction runs is predicted together in the next one.

Nothing ever waits for company: an idle worker takes a request at once. Under load the fixed cost of a prediction, most
of it for a small model, is shared by all who wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from .schema import Cells
from .scoring import Overloaded as Overloaded

MAX_BATCH = 1024  # rows; a single request may have more
MAX_BACKLOG = 20_000  # rows
_IDLE_SECONDS = 30.0

Predict = Callable[[Sequence[Cells]], "np.ndarray[Any, Any]"]
Result = "np.ndarray[Any, Any] | Exception"


@dataclass(slots=True)
class _Job:
    cells: Cells
    n: int
    future: asyncio.Future[np.ndarray[Any, Any]]


class Batcher:
    """Used from one event loop; `predict` is called in one thread of its own."""

    def __init__(self, name: str, predict: Predict) -> None:
        self._predict = predict
        self._thread = _Thread(name)
        self._pending: deque[_Job] = deque()
        self._backlog = 0
        self._busy = False

    def submit(self, cells: Cells, n: int, timeout: float | None = None) -> asyncio.Future[np.ndarray[Any, Any]]:
        """A future of n probabilities: or of what `predict` raised, or TimeoutError after `timeout` seconds (the
        prediction then ends unheard). Raises Overloaded."""
        if self._backlog + n > MAX_BACKLOG and self._backlog:
            raise Overloaded(f"{self._backlog} rows wait already")
        loop = asyncio.get_running_loop()
        job = _Job(cells, n, loop.create_future())
        if timeout is not None:
            timer = loop.call_later(timeout, _expire, job.future)
            job.future.add_done_callback(lambda _: timer.cancel())
        self._pending.append(job)
        self._backlog += n
        if not self._busy:
            self._next(loop)
        return job.future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch: list[_Job] = []
        rows = 0
        while self._pending and (not batch or rows + self._pending[0].n <= MAX_BATCH):
            job = self._pending.popleft()
            self._backlog -= job.n
            if not job.future.done():  # given up while it waited
                batch.append(job)
                rows += job.n
        self._busy = bool(batch)
        if batch:
            self._thread.run(lambda: self._work(loop, batch))

    def _work(self, loop: asyncio.AbstractEventLoop, batch: list[_Job]) -> None:
        results = _predict_all(self._predict, batch)
        try:
            loop.call_soon_threadsafe(self._finish, loop, batch, results)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _finish(self, loop: asyncio.AbstractEventLoop, batch: list[_Job], results: list[Any]) -> None:
        self._next(loop)
        for job, result in zip(batch, results, strict=True):
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)


def _predict_all(predict: Predict, batch: list[_Job]) -> list[Any]:
    try:
        values = predict([job.cells for job in batch])
    except Exception as error:
        if len(batch) == 1:
            return [error]
        # One request may have broken it: the others must not pay for that.
        return [result for job in batch for result in _predict_all(predict, [job])]
    if len(batch) == 1:
        return [values]
    return np.split(values, np.cumsum([job.n for job in batch])[:-1])


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class _Thread:
    """Runs calls one after the other. A daemon, so that a model that never returns cannot keep a process alive; ends
    when idle, so that a version which lost its traffic costs nothing."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._running = False

    def run(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._calls.put(call)
            if not self._running:
                self._running = True
                threading.Thread(target=self._loop, name=self._name, daemon=True).start()

    def _loop(self) -> None:
        one_core()
        while True:
            try:
                call = self._calls.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._calls.empty():
                        self._running = False
                        return
                continue
            call()


def one_core() -> AbstractContextManager[Any]:
    """One OpenMP thread for what this thread computes, from now on or while inside. Small predictions lose far more by
    meeting at OpenMP's barriers than they gain; where other processes want the cores too, a hundred times more."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="openmp")
    return limits
