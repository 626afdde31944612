"""What the policies of a rollout look at: the facts, and the figures that several of them need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.spec.model_loop import Rollout, Step

from .judge import LOSSES, MetricEvidence, PairedBlock, harm_threshold, mirror_threshold, split_threshold
from .operation import OperationalBlock, pair_coverage
from .units import unit_figures
from .verdict import Reason, Verdict


class RolloutAction(StrEnum):
    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    PAUSE = "pause"
    ABORT = "abort"


@dataclass(frozen=True)
class RolloutFacts:
    """`paired`: all closed blocks of outcomes since the rollout began, in the order in which they closed (a canary
    mirrors too, so they go on); `operation`: all closed operational blocks; `step_outcomes`: labelled predictions of
    the challenger in the present step; `approved_at`: when a person approved it last; `block_hours`: length of a block
    of outcomes; `unit`: the column by whose values the outcomes inside a block are parted, where there is one;
    `repeated`: outcomes that no block counts, because their keys came on an earlier day."""

    now: datetime
    started_at: datetime
    step: int
    ready: bool
    ready_message: str
    artifact_changed: bool
    paired: tuple[PairedBlock, ...]
    operation: tuple[OperationalBlock, ...]
    step_outcomes: int
    approved_at: datetime | None = None
    block_hours: int = 24
    unit: str | None = None
    repeated: int = 0


@dataclass(frozen=True)
class Case:
    """The facts with the figures that every policy looks at."""

    facts: RolloutFacts
    rollout: Rollout
    metrics: tuple[MetricEvidence, ...]
    e_split: float
    e_mirror: float

    @property
    def step(self) -> Step:
        return self.rollout.steps[min(self.facts.step, len(self.rollout.steps) - 1)]

    @property
    def expired(self) -> bool:
        return self.facts.now >= self.ends_at

    @property
    def decided_by_a_person(self) -> bool:
        """Whether a person approved it knowing that its time was over without a verdict. An earlier approval is for
        evidence that suffices."""
        approved_at = self.facts.approved_at
        return approved_at is not None and approved_at >= self.ends_at

    @property
    def ends_at(self) -> datetime:
        return self.facts.started_at + self.rollout.max_duration

    @property
    def needed(self) -> tuple[MetricEvidence, ...]:
        """What the present step is judged on: a shadow has no arm of its own, so that its errors are guarded alone."""
        return tuple(m for m in self.metrics if self.step.canary is not None or m.metric in LOSSES)

    def verdict(self, action: RolloutAction, reason: Reason, message: str) -> Verdict[RolloutAction]:
        threshold = harm_threshold(self.rollout.judge)
        figures: dict[str, Any] = {
            "step": self.facts.step,
            "step_outcomes": self.facts.step_outcomes,
            "blocks": len(self.facts.paired),
            "block_hours": self.facts.block_hours,
            "operational_blocks": len(self.facts.operation),
            "metrics": [m.document(self.rollout.judge.alpha, threshold) for m in self.metrics],
            "e_mirror_failures": self.e_mirror,
            "mirror_failures_at": mirror_threshold(self.rollout.judge),
            "pair_coverage": pair_coverage(self.facts.operation),
            "e_sample_ratio": self.e_split,
            "sample_ratio_at": split_threshold(self.rollout.judge),
            "outcomes_of_earlier_keys": self.facts.repeated,
            **unit_figures(self.facts.unit, self.facts.paired),
        }
        return Verdict(action, reason, message, figures)
