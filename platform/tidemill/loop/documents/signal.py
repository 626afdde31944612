"""A reason to train, and what answered it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tidemill.decisions.signal import Signal
from tidemill.decisions.verdict import Reason

from .base import Document, Moment


class AlertDocument(Document):
    """What was told, and starts no turn. `reason` is stored under the key `kind`."""

    kind = "alert"

    id: str
    reason: str = Field(alias="kind")
    message: str
    evidence: dict[str, Any]

    @classmethod
    def of(cls, signal: Signal) -> AlertDocument:
        return cls(id=signal.id, reason=str(signal.kind), message=signal.message, evidence=dict(signal.evidence))


class SignalDocument(Document):
    """`reason` is stored under the key `kind`. `consumed_by` is the id of the turn that answers it, or the version that
    did ("version 3"); None while it is pending."""

    kind = "signal"

    id: str
    reason: str = Field(alias="kind")
    message: str
    evidence: dict[str, Any]
    recorded_at: Moment
    consumed_by: str | None

    @classmethod
    def of(cls, signal: Signal, recorded_at: Moment) -> SignalDocument:
        """Of a signal that was just raised."""
        return cls(
            id=signal.id,
            reason=str(signal.kind),
            message=signal.message,
            evidence=signal.evidence,
            recorded_at=recorded_at,
            consumed_by=None,
        )

    @property
    def pending(self) -> bool:
        return self.consumed_by is None

    @property
    def signal(self) -> Signal:
        """As decisions read it."""
        return Signal(Reason(self.reason), self.id, self.message, self.evidence)
