"""What the prediction log and the caller are told about scored rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from tidemill.loop.model import Arm, Calibrator
from tidemill.stats.calibration import apply

from .protocol import Inference

Rows = Sequence[int]


@dataclass(frozen=True, slots=True)
class Scored:
    """One version's probabilities for some rows of a request, in their order."""

    version: str
    rows: Rows
    raw: list[float]
    score: list[float]
    calibrator: str | None
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """One version that gave no answer for some rows. `status` is error or timeout."""

    version: str
    rows: Rows
    status: str
    why: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """The rows that fell to one arm (None: to a version that was asked for by name), and what became of them."""

    arm: Arm | None
    rows: Rows
    scored: Scored | None
    failed: list[Failed] = field(default_factory=list)

    @property
    def role(self) -> str:
        return "fixed" if self.arm is None else str(self.arm.role)

    @property
    def version(self) -> str:
        """The one that should answer."""
        if self.arm is not None:
            return self.arm.stands_in_for or self.arm.version
        return self.failed[0].version if self.scored is None else self.scored.version

    @property
    def answered_by(self) -> str:
        if self.scored is None:
            return "none"
        return "fallback" if self.stood_in(self.scored) else "arm"

    @property
    def why(self) -> list[str]:
        """Why the one that should answer did not, and each that tried in its place."""
        away = self.arm is not None and self.arm.stands_in_for is not None
        said = [f"version {self.version} cannot serve"] if away else []
        return said + [failed.why for failed in self.failed]

    @property
    def weight(self) -> float | None:
        """The share of keys that the route in force gave to the arm."""
        return None if self.arm is None else self.arm.weight

    def stood_in(self, part: Scored | Failed) -> bool:
        """Was it another version's to answer?"""
        return part.version != self.version

    def touched(self, version: str) -> bool:
        """Has the version scored these rows, or tried to?"""
        return (self.scored is not None and self.scored.version == version) or any(
            failed.version == version for failed in self.failed
        )


def scored(
    version: str, rows: Rows, raw: np.ndarray[Any, Any], calibrator: Calibrator | None, milliseconds: float
) -> Scored:
    if calibrator is None:
        values = raw.tolist()
        return Scored(version, rows, values, values, None, milliseconds)
    score = np.asarray(apply(raw, calibrator.intercept, calibrator.slope), dtype=float)
    return Scored(version, rows, raw.tolist(), score.tolist(), calibrator.id, milliseconds)


def log_scored(
    request: Inference, part: Scored, role: str, weight: float | None, served: bool, fallback: bool, at: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "request_id": request.id,
            "key": request.keys[row],
            "event_time": request.times[row],
            "at": at,
            "version": part.version,
            "role": role,
            "served": served,
            "status": "ok",
            "raw": raw,
            "score": score,
            "calibrator": part.calibrator,
            "fallback": fallback,
            "latency_ms": part.milliseconds,
            "weight": weight,
            "unit": request.unit(row),
        }
        for row, raw, score in zip(part.rows, part.raw, part.score, strict=True)
    ]


def log_failed(
    request: Inference, part: Failed, role: str, weight: float | None, fallback: bool, at: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "request_id": request.id,
            "key": request.keys[row],
            "event_time": request.times[row],
            "at": at,
            "version": part.version,
            "role": role,
            "served": False,
            "status": part.status,
            "raw": None,
            "score": None,
            "calibrator": None,
            "fallback": fallback,
            "latency_ms": part.milliseconds,
            "weight": weight,
            "unit": request.unit(row),
        }
        for row in part.rows
    ]
