"""Digests of model artifacts: what was registered is what is loaded, or nothing is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tidemill.loop.errors import ArtifactChanged

_CHUNK = 1 << 20


def digest(folder: str | Path) -> str:
    """`sha256:<hex>` over the sorted relative paths and the bytes of all files in `folder`.

    Names and contents are each preceded by their length, so that no two different folders spell the same bytes.
    Raises FileNotFoundError where there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no model folder at {root}.")
    total = hashlib.sha256()
    for path in _files(root):
        name = path.relative_to(root).as_posix().encode()
        total.update(len(name).to_bytes(8, "big") + name)
        total.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def verify(folder: str | Path, expected: str) -> None:
    """Raises ArtifactChanged where the folder is gone or its digest is not `expected`."""
    try:
        found = digest(folder)
    except FileNotFoundError as error:
        raise ArtifactChanged(f"{error} Its digest was {expected}. Restore the folder, or roll back.") from error
    if found != expected:
        raise ArtifactChanged(
            f"The model in {folder} is not what was registered: its digest is {found}, registered was {expected}. "
            "It was not loaded. Restore the folder from a backup, or roll back with `tidemill rollback`."
        )


def fingerprint(folder: str | Path) -> tuple[tuple[str, int, int, int], ...]:
    """Path, size, modification time and inode of each file: while these stay, the digest need not be taken again."""
    root = Path(folder)
    stats = [(path, path.stat()) for path in _files(root)]
    return tuple((path.relative_to(root).as_posix(), s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats)


def local_folder(uri: str) -> Path:
    """The folder of a `file://` URI or a plain path. Raises ValueError for any other scheme."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme and len(parts.scheme) > 1:
        raise ValueError(f"{uri} is not on this machine: the embedded data plane loads models from local folders")
    return Path(uri)


def _files(root: Path) -> list[Path]:
    return sorted((path for path in root.rglob("*") if path.is_file()), key=lambda p: p.relative_to(root).as_posix())
