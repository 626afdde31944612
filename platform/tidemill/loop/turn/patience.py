"""Waits for what is away for a while: a store, a tracking server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tidemill.loop.errors import TemporaryError

T = TypeVar("T")
PAUSES = (1, 2, 4, 8, 15, 30, 60, 60, 60, 60)  # seconds; five minutes in all, and then the turn is submitted again


def patiently(
    does: Callable[[], T], pauses: Sequence[float] = PAUSES, sleep: Callable[[float], None] = time.sleep
) -> T:
    """What `does` returns, at the first time at which it raises no TemporaryError. It must bear to be called again.
    Raises its last TemporaryError when all pauses are over."""
    for pause in pauses:
        try:
            return does()
        except TemporaryError as error:
            print(f"{error} It is tried again in {pause:g} s.", flush=True)
            sleep(pause)
    return does()
