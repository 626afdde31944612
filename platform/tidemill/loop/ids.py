"""Deterministic ids: the same thing asked for twice is the same thing."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(value: Any, length: int = 16) -> str:
    """Hex digest of a JSON-serialisable value, the same for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
