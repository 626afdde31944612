"""Starts the zygote once, and asks it for the process of a run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO


class WarmPython:
    """The zygote ends with this object, or with this process however that ends; runs that were asked for go on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def begin(self) -> socket.socket:
        """Its imports begin now, where they have not."""
        if self._process is None or self._socket is None or self._process.poll() is not None:
            self._socket, other = socket.socketpair()
            with other:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tidemill.adapters.local.zygote"],
                    stdin=other.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    process_group=0,  # Ctrl-C is for the loop, which then ends it
                )
            weakref.finalize(self, _end, self._process, self._socket)
        return self._socket

    def run(self, work: Path, pipeline: Path, environment: Mapping[str, str], lock: IO[str], log: IO[bytes]) -> None:
        """The run has the lock from now on: if nothing comes of it, the lock is free."""
        asked = {
            "work": str(work),
            "pipeline": str(pipeline),
            "environment": dict(environment),
            "folder": str(Path.cwd()),
        }
        with tempfile.TemporaryFile("w+") as command:
            json.dump(asked, command)
            command.seek(0)
            descriptors = [lock.fileno(), log.fileno(), command.fileno()]
            try:
                socket.send_fds(self.begin(), [b"."], descriptors)
            except OSError:  # it was killed after it was looked at
                self._process = None
                socket.send_fds(self.begin(), [b"."], descriptors)


def _end(process: subprocess.Popen[bytes], asking: socket.socket) -> None:
    asking.close()
    with suppress(subprocess.TimeoutExpired):  # a run that was asked for waits for the imports
        process.wait(timeout=1)
