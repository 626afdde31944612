"""The parent's side of a helper: starts it, hands it calls, sees it end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from tidemill.loop.errors import TemporaryError

from .pages import give_back, mapped
from .talk import BEAT, CALL, DONE, FAILED, SAID, unpacked

IDLE = 60.0  # seconds without a call, after which it ends
SILENCE = 60.0  # seconds without a sign of life, after which it is ended
_ENDING = 5.0

_log = logging.getLogger(__name__)


class HelperGone(TemporaryError):
    """It ended in the middle of a call. What the call did until then is done."""


class Helper:
    """Calls the methods of what `start` makes, in a process of its own. `start` is pickled: a function of a module, or
    an object that is called. Any number of threads may call at once."""

    def __init__(
        self, start: Callable[[], Any], name: str = "helper", idle: float = IDLE, silence: float = SILENCE
    ) -> None:
        self._start, self._name, self._idle, self._silence = start, name, idle, silence
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._stopped = False

    def call(self, method: str, *args: Any, heard: Callable[[Any], None] = lambda _: None) -> Any:
        """What the method returns, or the exception that it raised there. `heard` is given what it says meanwhile (see
        `say`). Raises HelperGone where the process ended before it answered."""
        with self._lock:
            answer = None if self._running is None else self._running.begin(method, args, heard)
            if answer is None:
                self._running = self._started()
                answer = self._running.begin(method, args, heard)
        if answer is None:
            raise HelperGone(f"The {self._name} process ended as soon as it had begun; it is tried again.")
        return answer.result()

    def _started(self) -> _Running:
        if self._stopped:
            raise HelperGone(f"No {self._name} process is started any more: this process is ending.")
        try:
            return _Running(self._start, self._name, self._idle, self._silence)
        except OSError as error:
            raise HelperGone(f"No {self._name} process can be started: {error}. Is there room for one more?") from error

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        with self._lock:
            return self._running.pid if self._running is not None and self._running.takes else None

    def stop(self) -> None:
        """Ends it, whatever it does."""
        with self._lock:
            self._stopped = True
            running, self._running = self._running, None
        if running is not None:
            running.end()


class _Running:
    """One process, from its start to its end. `takes`: calls may still be handed to it."""

    def __init__(self, start: Callable[[], Any], name: str, idle: float, silence: float) -> None:
        self._socket, its = socket.socketpair()
        with its:
            self._beat = min(BEAT, silence / 4)
            command = [sys.executable, "-m", f"{__package__}.child", str(its.fileno()), str(self._beat)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = subprocess.Popen(command, pass_fds=[its.fileno()], env=environment)
        self._connection = Connection(os.dup(self._socket.fileno()))
        self.pid, self._name, self._idle, self._silence = self._process.pid, name, idle, silence
        self.takes, self._silent = True, False
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._open: dict[int, tuple[Future[Any], Callable[[Any], None]]] = {}
        self._number, self._used = 0, time.monotonic()
        self._send(start)
        self._thread = threading.Thread(target=self._listen, name=f"{name} process", daemon=True)
        self._thread.start()

    def begin(self, method: str, args: tuple[Any, ...], heard: Callable[[Any], None]) -> Future[Any] | None:
        """None where it takes no calls any more."""
        answer: Future[Any] = Future()
        with self._lock:
            if not self.takes:
                return None
            self._number += 1
            number = self._number
            self._open[number] = (answer, heard)
        try:
            self._send((CALL, number, method, args))
        except Exception:  # what cannot be pickled was not sent
            with self._lock:
                self._open.pop(number, None)
            raise
        return answer

    def end(self) -> None:
        """Returns when it is gone."""
        self._hang_up()
        self._thread.join()

    def _send(self, what: Any) -> None:
        try:
            with self._sending:
                self._connection.send(what)
        except OSError:
            self._hang_up()  # whoever listens here finds out the rest

    def _hang_up(self) -> None:
        """It ends when it reads that; whoever listens here is woken."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        heard_of = time.monotonic()
        try:
            while not self._is_idle():
                if self._connection.poll(min(self._beat, self._idle)):
                    self._take(*self._connection.recv())
                    heard_of = time.monotonic()
                elif time.monotonic() - heard_of >= self._silence:
                    self._silent = True
                    break
        except (EOFError, OSError):
            pass
        except Exception:
            _log.exception("what the %s process says is not understood; it is ended", self._name)
        finally:
            self._bury()

    def _take(self, kind: str, number: int, what: Any) -> None:
        with self._lock:
            answer, heard = self._open.get(number, (None, None))
            if kind in (DONE, FAILED):
                self._open.pop(number, None)
                self._used = time.monotonic()
        if answer is None or heard is None:
            return
        if kind == SAID:
            heard(what)
        elif kind == DONE:
            answer.set_result(what)
        elif kind == FAILED:
            answer.set_exception(unpacked(*what))

    def _is_idle(self) -> bool:
        with self._lock:
            if self._open or time.monotonic() - self._used < self._idle:
                return False
            self.takes = False
            return True

    def _bury(self) -> None:
        left_behind = mapped(self.pid) - mapped(os.getpid())  # while it is there to be asked
        self._hang_up()
        try:
            self._process.wait(0.0 if self._silent else _ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._connection.close()
        self._socket.close()
        give_back(left_behind)
        with self._lock:
            self.takes = False
            left, self._open = self._open, {}
        for answer, _ in left.values():
            answer.set_exception(HelperGone(f"{self._why()} What it did until then is kept; it is tried again."))

    def _why(self) -> str:
        who = f"The {self._name} process (pid {self.pid})"
        if self._silent:
            return f"{who} gave no sign of life for {self._silence:g} s and was killed."
        code = self._process.returncode
        if code >= 0:
            return f"{who} ended before it was done."
        memory = " If that was for want of memory, give its container more." if code == -signal.SIGKILL else ""
        return f"{who} was ended by {signal.Signals(-code).name} before it was done.{memory}"
