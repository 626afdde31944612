"""Kubeflow pipelines on this machine: the compiled YAML, run by kfp.local in a session of its own.

The loop does not wait for it and does not die with it: a daemon that was killed finds the run under way, or ended, or
lost, from its lock and its result. While the lock is held something of the run lives; when it is free nothing does.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from tidemill.adapters.local.run_pipeline import LOCK, LOG, RESULT, read_steps
from tidemill.adapters.local.warm_python import WarmPython
from tidemill.adapters.turn_result import ended_or_late, status_of
from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Phase, TurnRequest, TurnStatus
from tidemill.loop.turn.request import folder_of

_POLL = 0.05
_DYING = 10.0  # seconds that a run which was told to end may take


class LocalPipelines:
    """`turns` is the folder whose subfolders are turns; `pipeline` a compiled YAML, the entry point `training`'s by
    default. With `warm` the imports of the first turn begin at once, while its data is still being admitted."""

    def __init__(self, turns: Path, pipeline: Path | None = None, warm: bool = False) -> None:
        self._turns, self._pipeline = turns, pipeline
        self._warm = WarmPython()
        if warm:
            self._warm.begin()

    def submit(self, request: TurnRequest) -> None:
        work = folder_of(request.work_uri)
        with (work / LOCK).open("a") as lock, (work / LOG).open("ab") as log:
            if not _take(lock) or _has_ended(work):
                return  # another process runs, or has run, this very turn
            (work / RESULT).unlink(missing_ok=True)
            lock.truncate(0)
            path = os.pathsep.join(filter(None, [request.project, os.environ.get("PYTHONPATH", "")]))
            pipeline = self._pipeline or compiled("training")
            self._warm.run(work, pipeline, {**os.environ, "PYTHONPATH": path}, lock, log)

    def status(self, turn: str) -> TurnStatus:
        work = self._turns / turn
        if not (work / RESULT).exists() and _locked(work):
            return TurnStatus(Phase.RUNNING, step=_step(work))
        # It may have ended between the two looks.
        return _read(work) if (work / RESULT).exists() else TurnStatus(Phase.UNKNOWN)

    def cancel(self, turn: str) -> None:
        """Returns when every process of the run is gone. One that has not begun never does."""
        path, until = self._turns / turn / LOCK, time.monotonic() + _DYING
        with suppress(FileNotFoundError), path.open("r") as lock:
            if _held(lock) and not _keeper(lock):
                path.unlink(missing_ok=True)
            keeper = _keeper(lock)  # it may have begun meanwhile
            while keeper and _held(lock) and time.monotonic() < until:
                with suppress(ProcessLookupError):
                    os.kill(keeper, signal.SIGTERM)
                time.sleep(_POLL)

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        return ended_or_late(self.status, turn, seconds, _POLL)


def _take(lock: IO[str]) -> bool:
    """False where another process keeps it. One that only looks whether it is taken has it for a moment, too."""
    for _ in range(10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL)
        else:
            return True
    return False


def _locked(work: Path) -> bool:
    try:
        with (work / LOCK).open("r") as lock:
            return _held(lock)
    except FileNotFoundError:
        return False


def _held(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def _keeper(lock: IO[str]) -> int:
    """The process to be told; 0 where the run has not begun."""
    lock.seek(0)
    return int(lock.read() or 0)


def compiled(name: str) -> Path:
    """The compiled YAML beside the pipeline that the entry point `tidemill.pipelines` of that name gives."""
    found = next(iter(entry_points(group="tidemill.pipelines", name=name)), None)
    if found is None:
        raise TidemillError(
            f"No pipeline is installed under the entry point tidemill.pipelines:{name}. Reinstall tidemill."
        )
    package = found.module.rpartition(".")[0]
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations, f"{package} is a package"
    path = Path(next(iter(spec.submodule_search_locations))) / f"{name}.yaml"
    if not path.exists():
        raise TidemillError(f"{path} is missing: compile it with `python -m {package}.compile`.")
    return path


def _read(work: Path) -> TurnStatus:
    return status_of(json.loads((work / RESULT).read_text()))


def _has_ended(work: Path) -> bool:
    """For good: not because something that it needs was away."""
    return (work / RESULT).exists() and _read(work).phase is not Phase.UNKNOWN


def _step(work: Path) -> str:
    done = list(read_steps(work))
    return f"after {done[-1]}" if done else "starting"
