"""Processes that a test has started and that outlive it, found by a marker in their environment."""

from __future__ import annotations

import time
from pathlib import Path


def marked(marker: str) -> dict[int, str]:
    """Command line by pid, of living processes that were started with `marker` in their environment, or whose parents
    were."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() not in (process / "environ").read_bytes():
                continue
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is somebody else's
            continue
        if state not in "ZX":
            found[int(process.name)] = command[:200]
    return found


def left(marker: str, seconds: float) -> dict[int, str]:
    """Those that are still there after some seconds."""
    until = time.monotonic() + seconds
    found = marked(marker)
    while found and time.monotonic() < until:
        time.sleep(0.05)
        found = marked(marker)
    return found
