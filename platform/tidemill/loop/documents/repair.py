"""Corrections of a version's logit, and whether one serves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidemill.loop.model import Calibrator

from .base import Document, Moment


class CalibratorDocument(Document):
    """A correction that was fitted on the `days` days up to the day `through`, which have `rows` outcomes. `digest` is
    of what it was fitted on and of what came of that."""

    kind = "calibrator"

    id: str
    digest: str
    version: str
    through: str
    days: int
    rows: int
    intercept: float
    slope: float
    fitted_at: Moment

    @property
    def calibrator(self) -> Calibrator:
        """As the data plane applies it."""
        return Calibrator(self.digest, self.version, self.intercept, self.slope, self.fitted_at)


class RepairDocument(Document):
    """Whether the corrections of a version have earned their place. `through` names the days that were judged: the last
    one, and how many there were."""

    kind = "repair"

    version: str
    serving: bool
    through: str
    reason: str
    message: str
    evidence: dict[str, Any]


def latest_calibrator(fitted: Iterable[CalibratorDocument]) -> Calibrator | None:
    """The one that was fitted on the latest days."""
    found = max(fitted, key=lambda each: each.through, default=None)
    return None if found is None else found.calibrator
