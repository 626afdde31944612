"""Kubeflow pipelines on this machine: the compiled YAML, run by kfp.local in a process group of its own.

The loop does not wait for it and does not die with it: a daemon that was killed finds the run under way, or ended, or
lost, from its lock and its result.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from tidemill.adapters.local.run_pipeline import LOCK, LOG, RESULT, read_steps
from tidemill.adapters.local.warm_python import WarmPython
from tidemill.adapters.turn_result import ended_or_late, status_of
from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Phase, TurnRequest, TurnStatus
from tidemill.loop.turn.request import folder_of

_POLL = 0.05
_DYING = 5.0  # seconds that a killed process may take to be gone


class LocalPipelines:
    """`turns` is the folder whose subfolders are turns; `pipeline` a compiled YAML, the entry point `training`'s by
    default. With `warm` the imports of the first turn begin at once, while its data is still being admitted."""

    def __init__(self, turns: Path, pipeline: Path | None = None, warm: bool = False) -> None:
        self._turns, self._pipeline = turns, pipeline
        self._warm = WarmPython()
        if warm:
            self._warm.environment()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, request: TurnRequest) -> None:
        work = folder_of(request.work_uri)
        if (work / RESULT).exists() or self._alive(request.id):
            return
        pipeline = self._pipeline or compiled("training")
        path = os.pathsep.join(filter(None, [request.project, os.environ.get("PYTHONPATH", "")]))
        with (work / LOG).open("ab") as log:
            child = subprocess.Popen(
                [*self._warm.command(), "-m", "tidemill.adapters.local.run_pipeline", str(work), str(pipeline)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                env={**os.environ, **self._warm.environment(), "PYTHONPATH": path},
            )
        self._children[request.id] = child

    def status(self, turn: str) -> TurnStatus:
        work = self._turns / turn
        if (work / RESULT).exists():
            self._reap(turn)
            return _read(work)
        if self._alive(turn):
            return TurnStatus(Phase.RUNNING, step=_step(work))
        # It may have ended between the two looks.
        return _read(work) if (work / RESULT).exists() else TurnStatus(Phase.UNKNOWN)

    def cancel(self, turn: str) -> None:
        child = self._children.pop(turn, None)
        if child is not None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        with suppress(OSError, ValueError):
            group = int((self._turns / turn / LOCK).read_text())
            if _locked(self._turns / turn):
                os.killpg(group, signal.SIGKILL)
        until = time.monotonic() + _DYING
        while _locked(self._turns / turn) and time.monotonic() < until:
            time.sleep(_POLL)

    def wait(self, turn: str, seconds: float) -> TurnStatus:
        return ended_or_late(self.status, turn, seconds, _POLL)

    def _reap(self, turn: str) -> None:
        child = self._children.get(turn)
        if child is not None and child.poll() is not None:
            del self._children[turn]

    def _alive(self, turn: str) -> bool:
        """The lock tells of any process; a child of ours may not have taken it yet."""
        child = self._children.get(turn)
        if child is not None and child.poll() is None:
            return True
        return _locked(self._turns / turn)


def _locked(work: Path) -> bool:
    try:
        with (work / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


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


def _step(work: Path) -> str:
    done = list(read_steps(work))
    return f"after {done[-1]}" if done else "starting"
