"""A rollout: its two versions, the rules it began with, its steps, and how it stands."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.spec.model_loop import Rollout as Rules
from tidemill.spec.model_loop import Step

from .base import Document, Moment, Stored, Upgrade

_LEAST = tuple(step.min_outcomes for step in Rules().steps)  # of a shadow, of a canary
Status = Literal["running", "paused", "promoted", "aborted"]


class RolloutStep(BaseModel):
    """Exactly one of `shadow` (the share of requests that the challenger scores unseen) and `canary` (the share of keys
    that it answers) is given."""

    model_config = ConfigDict(frozen=True)
    index: int
    started_at: Moment
    shadow: float | None = None
    canary: float | None = None

    def rule(self) -> Step:
        """As a spec has it, with the number of outcomes that a spec has by default."""
        return Step(shadow=self.shadow, canary=self.canary, min_outcomes=_LEAST[self.canary is not None])


def _with_approval(stored: Stored) -> Stored:
    """A moment that nobody wrote down is none at which the time was over."""
    return {**stored, "approved_at": stored["started_at"]} if stored.get("approved") else stored


class RolloutDocument(Document):
    """`rules` is spec.rollout as it was when the rollout began: a later spec is the next rollout's. `at_level` says
    in the same way whether its versions are compared at equal level, too. `block_hours` is
    the length of a block of outcomes, and `single_rows` says that single rows were found independent of each other;
    `unit` is the column whose values are the pieces of evidence, where the rules name one. `audited` is the share of
    keys whose every request is followed through the rollout. `entries` counts the lines that the rollout has in the
    ledger, so that no two of them share an id. `held`: a person paused it. `approved_at`
    is when a person approved it last; of what an earlier release wrote, when the rollout began."""

    kind = "rollout"
    upgrades: ClassVar[tuple[Upgrade, ...]] = (lambda stored: {**stored, "entries": 100}, _with_approval)

    id: str
    challenger: str
    champion: str
    turn: str
    status: Status
    reason: str
    message: str
    started_at: Moment
    ended_at: Moment | None = None
    steps: tuple[RolloutStep, ...] = ()
    approved: bool = False
    approved_at: Moment | None = None
    held: bool = False
    result: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, Any] = Field(default_factory=dict)
    rules: dict[str, Any] | None = None
    at_level: bool | None = None
    block_hours: int | None = None
    single_rows: bool = False
    unit: str | None = None
    audited: float = 1.0
    entries: int = 0

    @property
    def step(self) -> RolloutStep | None:
        """The present step; None while the challenger gets ready."""
        return self.steps[-1] if self.steps else None

    @property
    def is_open(self) -> bool:
        return self.status in ("running", "paused")

    def rollout(self, otherwise: Rules) -> Rules:
        """The rules; for a rollout that an earlier release began without writing them down, `otherwise` with each step
        that it entered and that `otherwise` does not have."""
        if self.rules is not None:
            return Rules.model_validate(self.rules)
        missing = tuple(step.rule() for step in self.steps[len(otherwise.steps) :])
        return otherwise.model_copy(update={"steps": (*otherwise.steps, *missing)})
