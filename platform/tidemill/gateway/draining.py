"""A process that ends without dropping a request: not ready first, then no more connections, then gone.

Endpoints propagate late: for a while after a Pod was told to end, others still send it requests.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


class Ending:
    """Made in the main thread. The first SIGTERM or SIGINT asks to end; a second one cuts the grace short."""

    def __init__(self) -> None:
        self.asked, self._hurried = threading.Event(), threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def wait(self, unready: Callable[[], None], grace: float) -> None:
        """Returns `grace` seconds after it was asked to end; `unready` is called first."""
        self.asked.wait()
        unready()
        self._hurried.wait(grace)

    def _hear(self, *_: object) -> None:
        (self._hurried if self.asked.is_set() else self.asked).set()
