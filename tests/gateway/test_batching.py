"""The worker of a version outlives whatever happens to its thread."""

from __future__ import annotations

import asyncio
import ctypes
import threading

import numpy as np
import pytest
from tidemill.gateway.batching import Batcher
from tidemill.gateway.scoring import ModelFailed


def test_a_thread_that_is_ended_from_outside_is_replaced() -> None:
    threads: list[int] = []

    def predict(parts: object) -> np.ndarray:
        threads.append(threading.get_ident())
        return np.array([0.5])

    async def ask() -> None:
        batcher = Batcher("version", predict)
        for _ in range(2):
            assert await batcher.submit([[1.0]], 1, 10) == pytest.approx([0.5])
        worker = next(thread for thread in threading.enumerate() if thread.ident == threads[-1])
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threads[-1]), ctypes.py_object(SystemExit))
        # It takes the exception when it next runs Python: with the next request at the latest, which that may cost.
        for _ in range(3):
            try:
                assert await batcher.submit([[1.0]], 1, 10) == pytest.approx([0.5])
            except ModelFailed:
                continue
        await asyncio.to_thread(worker.join, 10)
        assert not worker.is_alive()
        assert await batcher.submit([[1.0]], 1, 10) == pytest.approx([0.5])

    asyncio.run(ask())


def test_where_the_system_gives_no_thread_the_request_fails_and_the_next_one_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def ask() -> None:
        batcher = Batcher("version", lambda parts: np.array([0.5]))
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            waiting = [batcher.submit([[1.0]], 1, 10) for _ in range(3)]
            said = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(error) for error in said] == ["RuntimeError: can't start new thread"] * 3
        assert await batcher.submit([[1.0]], 1, 10) == pytest.approx([0.5])

    asyncio.run(ask())
