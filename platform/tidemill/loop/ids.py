"""Deterministic ids: the same thing asked for twice is the same thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def digest_of(value: Any, length: int = 16) -> str:
    """Hex digest of a JSON-serialisable value, the same for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def code_digest(project: Path, entry_points: Mapping[str, str | None]) -> str:
    """Digest over the files that the user's entry points live in: changed code makes another turn."""
    files = {}
    for entry in entry_points.values():
        if entry is None:
            continue
        relative = Path(*entry.partition(":")[0].split("."))
        for candidate in (project / relative.with_suffix(".py"), project / relative / "__init__.py"):
            if candidate.is_file():
                files[str(candidate.relative_to(project))] = hashlib.sha256(candidate.read_bytes()).hexdigest()
    return digest_of(files)
