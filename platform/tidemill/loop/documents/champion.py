"""Who serves: the champion, and each reign that there was."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import Document, Moment, Stored, Upgrade


def _without_known_error(stored: Stored) -> Stored:
    return {"excess_error": None, "excess_days": 0, **stored}


class ChampionDocument(Document):
    """`previous` is the version that it replaced, `baseline` that of the baseline of its turn; `first_since` is when
    the loop's first champion began. `excess`, `excess_error` and `excess_days` are what it promised (loop.promise)."""

    kind = "champion"
    upgrades: ClassVar[tuple[Upgrade, ...]] = (_without_known_error,)

    version: str
    turn: str
    since: Moment
    first_since: Moment
    previous: str | None
    baseline: str | None
    excess: float
    excess_error: float | None
    excess_days: int
    reason: str

    @property
    def promised(self) -> dict[str, Any]:
        """As an evaluation records it."""
        return {"excess": self.excess, "excess_error": self.excess_error, "excess_days": self.excess_days}


class ReignDocument(ChampionDocument):
    """The champion's document as it was when it became champion, one for each time that a version did."""

    kind = "reign"
