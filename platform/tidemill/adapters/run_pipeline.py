"""The process that one turn runs in: `python -m tidemill.adapters.run_pipeline WORK PIPELINE`.

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

from tidemill.decisions.verdict import Reason
from tidemill.loop.model import Phase
from tidemill.loop.turn.data import spec_of
from tidemill.loop.turn.request import read_request, to_json
from tidemill.loop.turn.steps import ACCEPTED, PASSED

from .warm_python import kfp_executable

LOCK, RESULT, LOG = "run.lock", "result.json", "run.log"
_LOOK = f"The run's log is {LOG} in the turn's folder."
_USERS = ("features", "train", "refit")  # steps that run the user's own code
_TAIL = 1 << 16  # bytes of the log in which a step's last words are looked for
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FAILED_STEP = re.compile(r"task failed: '([\w-]+)'")
_LAST_WORDS = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*)$", re.MULTILINE)


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
    failed = next(((name, record) for name, record in steps.items() if record.get("failed")), None)
    if failed is not None:
        name, record = failed
        return _failed(record["reason"], record["message"], name)
    if error:
        return _unexplained(error, log)
    validated, evaluated = steps.get("validate"), steps.get("evaluate")
    if validated is not None and validated["verdict"] != PASSED:
        return _succeeded(validated["verdict"], validated["message"], steps)
    if evaluated is not None and evaluated["verdict"] != ACCEPTED:
        return _succeeded(evaluated["verdict"], evaluated["message"], steps)
    if evaluated is not None and "register" in steps:
        return _succeeded(ACCEPTED, evaluated["message"], steps)
    done = ", ".join(steps) or "none"
    return _failed(str(Reason.PIPELINE_FAILED), f"The run ended without saying how; finished steps: {done}.", "")


def _unexplained(error: str, log: str) -> dict[str, Any]:
    """A step that could not record why it failed: it was killed, or failed before its own code began."""
    found = _FAILED_STEP.search(error)
    if found is None:
        return _failed(str(Reason.PIPELINE_FAILED), f"{error.rstrip('.')}. {_LOOK}", "")
    step, words = found.group(1), _LAST_WORDS.findall(log)
    why = words[-1].strip() if words else "its process ended without a word, as one does that runs out of memory"
    reason = Reason.TRAINER_FAILED if step in _USERS and not words else Reason.PIPELINE_FAILED
    return _failed(str(reason), f"Step {step} failed: {why.rstrip('.')}. {_LOOK}", step)


def _succeeded(reason: str, message: str, steps: dict[str, Any]) -> dict[str, Any]:
    return {"phase": str(Phase.SUCCEEDED), "reason": reason, "message": message, "step": "", "result": steps}


def _failed(reason: str, message: str, step: str) -> dict[str, Any]:
    return {"phase": str(Phase.FAILED), "reason": reason, "message": message, "step": step, "result": {}}


def write_result(work: Path, result: dict[str, Any]) -> None:
    aside = work / f".{RESULT}.part"
    aside.write_text(json.dumps(result))
    aside.replace(work / RESULT)


def _time_out(work: Path, seconds: float) -> None:
    """Ends this whole process group: a trainer that never returns takes its pipeline with it."""
    if (work / RESULT).exists():
        return  # ended in the last moment
    done = ", ".join(read_steps(work)) or "none"
    message = (
        f"The turn took longer than model.timeout ({seconds:g} s) and was ended; finished steps: {done}. "
        "Raise model.timeout, or make the trainer faster."
    )
    write_result(work, _failed(str(Reason.TIMED_OUT), message, ""))
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
