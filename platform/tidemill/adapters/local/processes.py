"""No process of a run outlives it, whichever of its processes is killed and whatever a step has started.

Linux alone can promise that: an orphan becomes the child of the nearest ancestor that asked for orphans (prctl(2),
PR_SET_CHILD_SUBREAPER), and a process can ask to be signalled when its parent dies (PR_SET_PDEATHSIG). Elsewhere the
run's process group is signalled instead, which a process that left the group does not hear.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_POLL = 0.02
_GRACE = 1.0  # seconds between SIGTERM and SIGKILL: joblib's tracker needs a moment to remove what it keeps in memory
_LINUX = sys.platform == "linux"


def kept(run: Callable[[], object], seconds: float) -> bool:
    """Runs `run` in a child, and returns when it and all that it started are gone; False where it took too long.

    This process and the child guard each other: if the child is killed, its orphans are this one's, and if this one is
    killed, the child ends its own children and itself. SIGTERM to this process ends everything.
    """
    parent = os.getpid()
    _guard()
    child = os.fork()
    if child == 0:
        _run_and_leave(parent, run)
    until = time.monotonic() + seconds
    ended = False
    while not ended and time.monotonic() < until:
        ended = os.waitpid(child, os.WNOHANG)[0] == child
        if not ended:
            time.sleep(_POLL)
    end_children()
    return ended


def _guard() -> None:
    if _LINUX:
        _prctl(_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _end)


def _run_and_leave(parent: int, run: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        _guard()
        end_with(parent, signal.SIGTERM)
        run()
        code = 0
    finally:
        leave(code)


def end_with(parent: int, number: signal.Signals) -> None:
    """This process gets the signal when its parent dies, or now where it has died already."""
    if _LINUX:
        _prctl(_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def end_children() -> None:
    """Returns when no child is left, nor any orphan that became one meanwhile."""
    told: set[int] = set()
    until = time.monotonic() + _GRACE
    while _left():
        kill = time.monotonic() > until
        for pid in _children():
            if kill or pid not in told:
                told.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
        if not _LINUX:
            if kill:
                return
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)
        time.sleep(_POLL)


def leave(code: int) -> NoReturn:
    """Ends a forked process: nothing of those that it was forked from runs on in it."""
    with suppress(OSError, ValueError):  # a run that is cancelled may have lost its log
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _left() -> bool:
    """Whether there is any child, once those that have ended are reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    listed = f"/proc/self/task/{os.getpid()}/children"
    return [int(pid) for pid in Path(listed).read_text().split()] if _LINUX else []


def _end(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_children()
    leave(128 + signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
