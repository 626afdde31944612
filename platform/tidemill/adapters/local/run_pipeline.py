"""The process that one turn runs in: `python -m tidemill.adapters.local.run_pipeline WORK PIPELINE`.

It holds the turn's lock while it lives, so that whoever looks, after a kill of the loop or of this process, knows
whether the turn is under way. It runs the compiled Kubeflow pipeline with kfp.local, ends what takes too long, and
leaves result.json.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from tidemill.adapters.local.warm_python import kfp_executable
from tidemill.adapters.turn_result import KILLED, Unexplained, concluded, last_words, timed_out
from tidemill.loop.turn.data import spec_of
from tidemill.loop.turn.request import read_request, to_json

LOCK, RESULT, LOG = "run.lock", "result.json", "run.log"
_LOOK = f"The run's log is {LOG} in the turn's folder."
_TAIL = 1 << 16  # bytes of the log in which a step's last words are looked for
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FAILED_STEP = re.compile(r"task failed: '([\w-]+)'")


def main(work: Path, pipeline: Path) -> None:
    with (work / LOCK).open("a") as lock:
        if not _take(lock) or (work / RESULT).exists():
            return  # another process runs, or has run, this very turn
        lock.truncate(0)
        lock.write(str(os.getpgid(0)))  # whom to end when the turn is cancelled
        lock.flush()
        # What a run that was killed had recorded is no part of this one.
        shutil.rmtree(work / "steps", ignore_errors=True)
        request = read_request(str(work))
        timeout = spec_of(request).model.timeout.total_seconds()
        watchdog = threading.Timer(timeout, _time_out, (work, timeout))
        watchdog.daemon = True
        watchdog.start()
        error = ""
        try:
            _run(work, pipeline, to_json(request))
        except Exception as raised:  # kfp.local raises plain RuntimeError; the step's record knows better
            error = f"{type(raised).__name__}: {_COLOUR.sub('', str(raised))}"
        watchdog.cancel()
        write_result(work, conclude(read_steps(work), error, _log_tail(work)))


def _take(lock: IO[str]) -> bool:
    """False where another process keeps it. One that only looks whether it is taken has it for a moment, too."""
    for _ in range(10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _log_tail(work: Path) -> str:
    sys.stdout.flush()
    sys.stderr.flush()
    path = work / LOG
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _TAIL))
        return _COLOUR.sub("", log.read().decode(errors="replace"))


def _run(work: Path, pipeline: Path, request: str) -> None:
    import hashlib

    from kfp import local
    from kfp.components import load_component_from_file

    sys.executable = kfp_executable() or sys.executable
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(work / "pipeline"),
        raise_on_error=True,
    )
    digest = "sha256:" + hashlib.sha256(request.encode()).hexdigest()
    load_component_from_file(str(pipeline))(request_uri=(work / "request.json").as_uri(), request_digest=digest)


def read_steps(work: Path) -> dict[str, Any]:
    """Each finished step's record, in the order in which they finished."""
    records = sorted((work / "steps").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.stem))
    return {path.stem: json.loads(path.read_text()) for path in records}


def conclude(steps: dict[str, Any], error: str, log: str = "") -> dict[str, Any]:
    """How the turn ended, from its steps' records; from its log's end where a step left none.

    kfp.local turns a condition that it cannot resolve into False with a warning: a branch that was skipped without a
    recorded reason is a failure here, never a quiet success.
    """
    return concluded(steps, _unexplained(error, log) if error else None)


def _unexplained(error: str, log: str) -> Unexplained:
    """A step that could not record why it failed: it was killed, or failed before its own code began."""
    found = _FAILED_STEP.search(error)
    if found is None:
        return Unexplained(error, look=_LOOK)
    step, words = found.group(1), last_words(log)
    return Unexplained(words or KILLED, step, killed=not words, look=_LOOK)


def write_result(work: Path, result: dict[str, Any]) -> None:
    aside = work / f".{RESULT}.part"
    aside.write_text(json.dumps(result))
    aside.replace(work / RESULT)


def _time_out(work: Path, seconds: float) -> None:
    """Ends this whole process group: a trainer that never returns takes its pipeline with it."""
    if (work / RESULT).exists():
        return  # ended in the last moment
    write_result(work, timed_out(read_steps(work), seconds))
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
