"""Model folders on this machine; digests are `tidemill.loop.turn.artifact`'s."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tidemill.loop.turn.artifact import digest as digest
from tidemill.loop.turn.artifact import files
from tidemill.loop.turn.artifact import verify as verify


def fingerprint(folder: str | Path) -> tuple[tuple[str, int, int, int], ...]:
    """Path, size, modification time and inode of each file: while these stay, the digest need not be taken again."""
    root = Path(folder)
    stats = [(path, path.stat()) for path in files(root)]
    return tuple((path.relative_to(root).as_posix(), s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats)


def local_folder(uri: str) -> Path:
    """The folder of a `file://` URI or a plain path. Raises ValueError for any other scheme."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme and len(parts.scheme) > 1:
        raise ValueError(f"{uri} is not on this machine: the embedded data plane loads models from local folders")
    return Path(uri)
