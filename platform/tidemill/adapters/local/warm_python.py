"""Starts the nursery once, and gives the command line that asks it for a process."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from tidemill.adapters.local import nursery_client

SOCKET, PYTHON = "TIDEMILL_NURSERY", "TIDEMILL_PYTHON"


class WarmPython:
    """The nursery starts with the first use. It ends with this object, or with this process however that ends, unless
    a run is under way: then when that has ended."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Stands in for `[sys.executable]`."""
        return [sys.executable, "-I", "-S", nursery_client.__file__]

    def environment(self) -> dict[str, str]:
        """What the command needs to find the nursery, or an interpreter where there is none."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        return {SOCKET: str(self._path), PYTHON: sys.executable}

    def _start(self) -> None:
        folder = tempfile.mkdtemp(prefix="tidemill-")  # short: the path of a Unix socket has at most 107 characters
        self._path = Path(folder) / "nursery"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tidemill.adapters.local.nursery", str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for the loop, which then ends it
        )
        weakref.finalize(self, _end, self._process, folder)


def kfp_executable() -> str | None:
    """What kfp.local shall call `python3` in a run that a nursery serves; None where there is none."""
    if SOCKET not in os.environ or PYTHON not in os.environ:
        return None
    # kfp.local puts it into a shell command as it is.
    return f"{shlex.quote(os.environ[PYTHON])} -I -S {shlex.quote(nursery_client.__file__)}"


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):  # a run goes on: the nursery removes its folder itself
        process.wait(timeout=1)
        shutil.rmtree(folder, ignore_errors=True)
