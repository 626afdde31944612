"""What the helpers of these tests do."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path

from tidemill.adapters.helper import say
from tidemill.adapters.kubernetes.api import ApiError


class Work:
    def __init__(self) -> None:
        self._calls = 0

    def count(self) -> tuple[int, int]:
        self._calls += 1
        return os.getpid(), self._calls

    def tell(self, *words: str) -> str:
        for word in words:
            say(word)
        return "told"

    def refuse(self) -> None:
        raise ApiError(409, "It was changed meanwhile.")

    def break_down(self) -> None:
        raise Untransportable

    def temporary(self) -> str:
        self._folder = tempfile.TemporaryDirectory()
        return self._folder.name

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)  # another thread may be the one that stops first

    def wait_for(self, path: str) -> str:
        Path(path + ".begun").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return path


class Untransportable(Exception):
    def __init__(self) -> None:
        super().__init__("a lock does not travel")
        self.lock = threading.Lock()


def refuses_once(folder: str) -> Work:
    mark = Path(folder) / "tried"
    if not mark.exists():
        mark.touch()
        raise ValueError("the database is not there yet")
    return Work()
