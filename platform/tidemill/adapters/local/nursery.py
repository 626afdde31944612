"""A process that has imported what every step of a turn imports, and forks itself for each: `python` with warm imports.

A turn runs seven Python processes, and each would pay seconds for pandas, scikit-learn, Great Expectations and MLflow.
Here they are imported once. What runs is the same: kfp.local's own command line, in a process of its own, with its own
arguments, environment, folder and output; only the interpreter is forked instead of started. Without a nursery, the
client starts an ordinary interpreter.

Started as `python -m tidemill.adapters.local.nursery SOCKET` with a pipe as standard input. That pipe closes when
whoever started it ends, however that happens; the nursery then stays only as long as the runs that it forked: they
outlive a loop that was killed, and are told by the nursery how their steps ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

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


class Nursery:
    """Forks on request. Requests that come while something is still being imported get what is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._children: dict[int, socket.socket] = {}
        self._ended: set[int] = set()  # those that are dying already
        self._orphaned = False
        self._wake = os.pipe()
        os.set_blocking(self._wake[1], False)
        signal.set_wakeup_fd(self._wake[1])
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        left = list(PRELOADED)
        while self._children or not self._orphaned:
            self._once(wait=not left)
            if left:
                _preload(left.pop(0))
        with contextlib.suppress(OSError):
            self._path.unlink()
            self._path.parent.rmdir()

    def _once(self, wait: bool) -> None:
        """Handles what is pending."""
        asking = {held.fileno(): pid for pid, held in self._children.items() if pid not in self._ended}
        watched = [self._listener.fileno(), self._wake[0], *asking, *([] if self._orphaned else [0])]
        ready, _, _ = select.select(watched, [], [], None if wait else 0)
        if 0 in ready and not os.read(0, 1):
            self._orphaned = True
        for pid in (asking[descriptor] for descriptor in ready if descriptor in asking):
            # Who asked for it says nothing more, so it is gone: killed, and what it stood for is to go as well. Its
            # group's end may have come too early for a process that was only being forked.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._ended.add(pid)
        if self._wake[0] in ready:
            os.read(self._wake[0], 512)
            self._reap()
        if self._listener.fileno() in ready:
            self._accept()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while not message.endswith(b"\n"):
            part = connection.recv(1 << 20)
            if not part:
                connection.close()
                return
            message += part
        request = json.loads(message)
        pid = os.fork()
        if pid == 0:
            self._become(connection, request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._children[pid] = connection
        connection.sendall(f"{pid}\n".encode())

    def _become(self, connection: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
        """In the child: a fresh `python ARGUMENTS`, as far as it can tell. Never returns."""
        code = 1
        try:
            for other in (self._listener, connection, *self._children.values()):
                other.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Steps join the group of the run that asked for them: whoever ends the run ends its steps.
            os.setpgid(0, int(str(request["group"])))
            for target, descriptor in enumerate(descriptors):
                os.dup2(descriptor, target)
                os.close(descriptor)
            os.chdir(str(request["folder"]))
            os.environ.clear()
            os.environ.update(request["environment"])
            code = _run([str(argument) for argument in request["arguments"]])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self._children.pop(pid, None)
            self._ended.discard(pid)
            if connection is not None:
                with contextlib.suppress(OSError):  # nobody waits for it any more
                    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                connection.close()


def _preload(name: str) -> None:
    with contextlib.suppress(ImportError):  # an extra that is not installed: the step that needs it says so
        importlib.import_module(name)


def _run(arguments: list[str]) -> int:
    """`python -m MODULE ...`; the exit code."""
    assert arguments[0] == "-m", f"only `-m MODULE` is forked, not {arguments}"
    additions = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = ["", *(path for path in additions if path)]
    sys.argv = [arguments[1], *arguments[2:]]
    try:
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    Nursery(Path(sys.argv[1])).serve()
