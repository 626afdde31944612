"""The helper itself: python -m tidemill.adapters.helper.child SOCKET BEAT

Each call is served by a thread of its own; how many there are at once is the parent's affair. It ends when its parent
closes the socket, or is gone, without waiting for a call that is served: that must bear it, as it must bear a kill.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from .talk import ALIVE, CALL, DONE, FAILED, SAID, packed, serve


class Child:
    """`beat`: seconds between two signs of life."""

    def __init__(self, connection: Connection, beat: float) -> None:
        self._connection, self._every = connection, beat
        self._lock = threading.Lock()
        self._serving = 0
        self._ended = threading.Event()

    def run(self) -> bool:
        """Until the parent is gone. Whether a call was served then."""
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            start: Callable[[], Any] = self._connection.recv()
            opened = _Opened(start)
            while True:
                kind, number, name, args = self._connection.recv()
                assert kind == CALL
                with self._lock:
                    self._serving += 1
                threading.Thread(target=self._serve, args=(opened, number, name, args), daemon=True).start()
        except (EOFError, OSError):
            return self._serving > 0
        finally:
            self._ended.set()

    def _serve(self, opened: _Opened, number: int, name: str, args: tuple[Any, ...]) -> None:
        serve(lambda what: self._send((SAID, number, what)))
        try:
            result = getattr(opened.get(), name)(*args)
        except Exception as error:
            self._send((FAILED, number, packed(error)))
        else:
            self._send((DONE, number, result))
        finally:
            with self._lock:
                self._serving -= 1

    def _beat(self) -> None:
        while not self._ended.wait(self._every):
            self._send((ALIVE, 0, None))

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            return  # the parent is gone, which whoever reads finds out


class _Opened:
    """What answers calls, made at the first one; where that fails the next one tries again."""

    def __init__(self, start: Callable[[], Any]) -> None:
        self._start, self._lock = start, threading.Lock()
        self._made: Any = None

    def get(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._start()
            return self._made


def main(socket: int, beat: float) -> None:
    # Ctrl-C reaches every process of a terminal: when this one ends is for its parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if Child(Connection(socket), beat).run():
        os._exit(0)  # what is still worked on is left as if killed
    # Else as any process ends: what libraries keep in temporary folders is cleared away.


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
