"""One worker a version: what arrives while a prediction runs is predicted together in the next one.

Nothing ever waits for company: an idle worker takes a request at once. Under load the fixed cost of a prediction, most
of it for a small model, is shared by all who wait.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from .schema import Cells
from .scoring import ModelFailed, NotBegun
from .scoring import Overloaded as Overloaded
from .user_code import failure

_log = logging.getLogger(__name__)

MAX_BATCH = 1024  # rows; a single request may have more
MAX_BACKLOG = 20_000  # rows
_IDLE_SECONDS = 30.0

Predict = Callable[[Sequence[Cells]], "np.ndarray[Any, Any]"]
Results = list[Any]  # for each job its probabilities, or ModelFailed


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
        self._batch: list[_Job] = []  # what is predicted now

    def submit(self, cells: Cells, n: int, timeout: float | None = None) -> asyncio.Future[np.ndarray[Any, Any]]:
        """A future of n probabilities: or of ModelFailed, which says what `predict` raised, or of TimeoutError after
        `timeout` seconds (the prediction then ends unheard). Raises Overloaded."""
        if self._backlog + n > MAX_BACKLOG and self._backlog:
            raise Overloaded(f"{self._backlog} rows wait already")
        loop = asyncio.get_running_loop()
        job = _Job(cells, n, loop.create_future())
        if timeout is not None:
            timer = loop.call_later(timeout, self._expire, job)
            job.future.add_done_callback(lambda _: timer.cancel())
        self._pending.append(job)
        self._backlog += n
        if not self._batch:
            self._next(loop)
        return job.future

    def _expire(self, job: _Job) -> None:
        if not job.future.done():
            begun = any(job is other for other in self._batch)
            job.future.set_exception(TimeoutError() if begun else NotBegun())

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch: list[_Job] = []
        rows = 0
        while self._pending and (not batch or rows + self._pending[0].n <= MAX_BATCH):
            job = self._pending.popleft()
            self._backlog -= job.n
            if not job.future.done():  # given up while it waited
                batch.append(job)
                rows += job.n
        self._batch = batch
        if batch:
            self._thread.run(
                lambda: self._tell(loop, batch, _predict_all(self._predict, batch)),
                lambda error: self._tell(loop, batch, [failure(error)] * len(batch)),
            )

    def _tell(self, loop: asyncio.AbstractEventLoop, batch: list[_Job], results: Results) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._finish, loop, batch, results)

    def _finish(self, loop: asyncio.AbstractEventLoop, batch: list[_Job], results: Results) -> None:
        if batch is not self._batch:
            return  # its thread was ended when it had told the results
        self._next(loop)
        for job, result in zip(batch, results, strict=True):
            if job.future.done():
                continue
            if isinstance(result, ModelFailed):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)


def _predict_all(predict: Predict, batch: list[_Job]) -> Results:
    rows = sum(job.n for job in batch)
    try:
        values = predict([job.cells for job in batch])
        if values.shape != (rows,):  # else a request would get the probabilities of another one
            raise ModelFailed(f"the model answered {rows} rows with an array of shape {values.shape}")
    except BaseException as error:
        if len(batch) == 1:
            return [failure(error)]
        # One request may have broken it: the others must not pay for that.
        return [result for job in batch for result in _predict_all(predict, [job])]
    if len(batch) == 1:
        return [values]
    return np.split(values, np.cumsum([job.n for job in batch])[:-1])


class _Thread:
    """Runs one call at a time. A daemon, so that a model that never returns cannot keep a process alive; ends when
    idle, so that a version which lost its traffic costs nothing. One that is ended by what was raised into it is
    replaced at the next call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._lost: Callable[[BaseException], None] = lambda _: None
        self._running = False

    def run(self, call: Callable[[], None], lost: Callable[[BaseException], None]) -> None:
        """`lost` is told why, where the call cannot be run to its end; it may also be told when the call has ended."""
        with self._lock:
            self._lost = lost
            self._calls.put(call)
            if self._running:
                return
            self._running = True
            try:
                threading.Thread(target=self._loop, name=self._name, daemon=True).start()
            except RuntimeError as error:  # the system gives none
                self._end(error)

    def _loop(self) -> None:
        try:
            one_core()
            while (call := self._wait()) is not None:
                call()
        except BaseException as error:
            _log.error("%s ended the thread %r; the next request starts another one", type(error).__name__, self._name)
            with self._lock:
                self._end(error)

    def _wait(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._calls.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._calls.empty():
                        self._running = False
                        return None

    def _end(self, error: BaseException) -> None:
        self._running, self._calls = False, SimpleQueue()
        self._lost(error)


def one_core() -> AbstractContextManager[Any]:
    """One OpenMP thread for what this thread computes, from now on or while inside. Small predictions lose far more by
    meeting at OpenMP's barriers than they gain; where other processes want the cores too, a hundred times more."""
    try:
        from threadpoolctl import threadpool_limits

        limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="openmp")
    except (ImportError, OSError, RuntimeError):  # a library that it cannot ask: slower, and no reason not to answer
        return nullcontext()
    return limits
