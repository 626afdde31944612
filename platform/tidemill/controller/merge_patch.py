"""JSON merge patches (RFC 7386): what must be sent so that one document becomes another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def patch_to(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Empty where nothing is to be sent. A value None means that there is none."""
    patch: dict[str, Any] = {key: None for key, value in before.items() if value is not None and key not in wanted}
    for key, value in wanted.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            below = patch_to(old, value)
            if below:
                patch[key] = below
        elif value != old:
            patch[key] = value
    return patch
