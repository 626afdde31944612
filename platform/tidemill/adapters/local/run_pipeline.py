"""The process that one turn runs in, forked by the zygote.

It holds the turn's lock from before it was forked until nothing of the run is left, so that whoever looks, after a kill
of the loop or of any process of the run, knows whether the turn is under way. A child of it runs the compiled Kubeflow
pipeline with kfp.local and leaves result.json; this one ends what takes too long.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from tidemill.adapters.local.processes import kept
from tidemill.adapters.turn_result import KILLED, Unexplained, concluded, last_words, timed_out
from tidemill.loop.model import TurnRequest
from tidemill.loop.turn.data import spec_of
from tidemill.loop.turn.request import read_request, to_json

LOCK, RESULT, LOG = "run.lock", "result.json", "run.log"
_LOOK = f"The run's log is {LOG} in the turn's folder."
_TAIL = 1 << 16  # bytes of the log in which a step's last words are looked for
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FAILED_STEP = re.compile(r"task failed: '([\w-]+)'")


def main(work: Path, pipeline: Path, lock: int) -> None:
    """`lock` is the descriptor of the turn's lock, which this process holds."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)  # whom to end when the turn is cancelled
    if not _is_there(work / LOCK, lock):
        return  # it was cancelled before it began
    # What a run that was killed had recorded is no part of this one.
    shutil.rmtree(work / "steps", ignore_errors=True)
    request = read_request(str(work))
    seconds = spec_of(request).model.timeout.total_seconds()
    in_time = kept(lambda: _run_to_its_end(work, pipeline, request, lock), seconds)
    if not in_time and not (work / RESULT).exists():
        write_result(work, timed_out(read_steps(work), seconds))


def _is_there(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))


def _run_to_its_end(work: Path, pipeline: Path, request: TurnRequest, lock: int) -> None:
    error = ""
    try:
        _run(work, pipeline, to_json(request), lock)
    except Exception as raised:  # kfp.local raises plain RuntimeError; the step's record knows better
        error = f"{type(raised).__name__}: {_COLOUR.sub('', str(raised))}"
    write_result(work, conclude(read_steps(work), error, _log_tail(work)))


def _log_tail(work: Path) -> str:
    sys.stdout.flush()
    sys.stderr.flush()
    path = work / LOG
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _TAIL))
        return _COLOUR.sub("", log.read().decode(errors="replace"))


def _run(work: Path, pipeline: Path, request: str, lock: int) -> None:
    import hashlib

    from kfp import local
    from kfp.components import load_component_from_file

    from tidemill.adapters.local import forked_steps

    forked_steps.install(lock)
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
