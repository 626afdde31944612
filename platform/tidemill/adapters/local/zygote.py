"""A process that has imported what the steps of a turn import, and forks itself for each run.

A turn runs eight Python processes, and each would pay seconds for pandas, scikit-learn, Great Expectations and MLflow.
Here they are imported once. It only imports and forks, in one thread, and so is safe to fork. multiprocessing's fork
server is not used: it imports the caller's main module again, and the caller does not end before its runs have ended.

Started as `python -m tidemill.adapters.local.zygote` with a Unix socket as standard input (see `warm_python.py`). It
ends when the other end of the socket is closed, however that happens; the runs that it has forked go on.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from tidemill.adapters.local.processes import leave

PRELOADED = (
    "kfp.dsl.executor_main",
    "tidemill.adapters.local.run_pipeline",
    "kfp.local",
    "kfp.components",
    "tidemill.adapters.file_source",
    "tidemill.loop.turn.steps",
    "pyarrow.parquet",
    "scipy.optimize",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "cloudpickle",
    "tidemill.loop.turn.cards",
    "tidemill.adapters.great_expectations",
    "great_expectations",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "tidemill.adapters.register_turn",
)


def serve(asking: socket.socket) -> None:
    """Each message is a byte and three descriptors: the run's lock, its log, and what to run (JSON)."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a run's process: its lock tells of it
    left, waiting, closed = list(PRELOADED), list[list[int]](), False
    while waiting or not closed:
        if waiting and not left:
            _fork(asking, waiting.pop(0))
        elif not closed and select.select([asking], [], [], 0 if left else None)[0]:
            message, descriptors, _, _ = socket.recv_fds(asking, 1, 3)
            if message:
                waiting.append(descriptors)
            closed = not message
        elif left:
            _preload(left.pop(0))


def _preload(name: str) -> None:
    with contextlib.suppress(ImportError):  # an extra that is not installed: the step that needs it says so
        importlib.import_module(name)


def _fork(asking: socket.socket, descriptors: list[int]) -> None:
    if os.fork() == 0:
        asking.close()
        _become(*descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def _become(lock: int, log: int, command: int) -> NoReturn:
    """In the child: the process of one run, in a session of its own."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        with os.fdopen(command) as file:
            asked = json.load(file)
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        os.chdir(asked["folder"])

        from tidemill.adapters.local.run_pipeline import main

        main(Path(asked["work"]), Path(asked["pipeline"]), lock)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        leave(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
