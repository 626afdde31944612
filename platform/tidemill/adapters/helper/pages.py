"""What a process that ends leaves of its libraries in the file cache. The kernel would drop that when it needs the
room, but a container is charged for it until then: `kubectl top` shows it, and the kubelet evicts by it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def mapped(pid: int) -> set[str]:
    """The shared libraries that a process has mapped; none where that cannot be told."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    paths = (line.split(maxsplit=5)[5:] for line in lines)
    return {path[0] for path in paths if path and path[0].startswith("/") and ".so" in Path(path[0]).name}


def give_back(files: set[str]) -> None:
    """Pages that any process still has mapped stay."""
    if not hasattr(os, "posix_fadvise"):
        return
    for name in files:
        with suppress(OSError):
            file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)
