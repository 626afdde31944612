"""A reason to train."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .verdict import Reason


@dataclass(frozen=True)
class Signal:
    """Why to train, under a deterministic id. `to_dict` is JSON-serialisable."""

    kind: Reason
    id: str
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"kind": str(self.kind)}
