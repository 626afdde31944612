"""The ModelRollout: one challenger's way to the place of the champion, as a cluster shows it.

The controller makes one for each rollout and fills in its status; people patch `paused`, `abort` and `approved`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from .conditions import Conditions
from .loop_status import Count
from .model_loop import Metadata, Step
from .quantities import Share
from .rules import FILLED, Rule, Strict

Text = Annotated[str, StringConstraints(min_length=1, max_length=253)]
STEPS = 16  # as many as a ModelLoop may have
Switch = Annotated[bool, Field(strict=True), FILLED]


class ModelRolloutSpec(Strict):
    """What is tried, and what a person wants of it."""

    rules: ClassVar = (
        Rule(
            "once a rollout began, only paused, abort and approved can be changed",
            # `loop` is a reserved word of CEL.
            "self.__loop__ == oldSelf.__loop__ && self.challenger == oldSelf.challenger && "
            "self.turn == oldSelf.turn && has(self.champion) == has(oldSelf.champion) && "
            "(!has(self.champion) || self.champion == oldSelf.champion) && "
            # One by one: lists as a whole are compared at a cost that the API server cannot bound.
            f"size(self.steps) == size(oldSelf.steps) && {list(range(STEPS))}.all(at, "
            "at >= size(self.steps) || self.steps[at] == oldSelf.steps[at])",
        ),
        Rule(
            "an abort cannot be taken back; `tidemill train` makes a new challenger",
            "!oldSelf.abort || self.abort",
        ),
    )
    loop: Text = Field(description="the ModelLoop, in the same namespace")
    challenger: Text = Field(description="the version that is tried")
    champion: Text | None = Field(None, description="the version that it is compared with")
    turn: Text = Field(description="the turn that trained the challenger")
    steps: tuple[Step, ...] = Field(max_length=STEPS, description="the ModelLoop's steps when the rollout began")
    paused: Switch = Field(False, description="true: stay at this step, whatever the evidence says")
    abort: Switch = Field(False, description="true: send the challenger away; the champion answers alone at once")
    approved: Switch = Field(
        False,
        description="true: promote as soon as the evidence allows, or, where its time is over without a verdict, at "
        "once; approved before that, it needs `tidemill approve` once more then",
    )


class RolloutArm(Strict):
    """A version that gets traffic."""

    version: str = Field(description="its version in the registry")
    role: Literal["champion", "canary", "shadow"] = Field(description="what it does there")
    weight: Share = Field(description="share of keys that it answers, such as 10%; 0% for a shadow")
    mirror: Share = Field(0.0, description="share of the other keys that it scores unseen")


class RolloutVerdict(Strict):
    """What the judge said last."""

    action: Literal["hold", "advance", "promote", "pause", "abort"] = Field(description="what is done")
    reason: str = Field(description="why, in one word of docs/reference/reasons.md")
    message: str = Field("", description="why, in a sentence")


class ModelRolloutStatus(Strict):
    """How far the challenger is; written by the controller."""

    observed_generation: Count = Field(0, description="the metadata.generation that the last tick acted on")
    phase: Literal["Preparing", "Running", "Paused", "Promoted", "Aborted"] = Field(
        "Preparing", description="where it is"
    )
    step: str = Field("", description="such as canary 10%")
    arms: tuple[RolloutArm, ...] = Field((), max_length=8, description="who gets which traffic")
    evidence: dict[str, Any] = Field({}, description="the judge's figures: outcomes, and evidence by metric")
    verdict: RolloutVerdict | None = Field(None, description="what the judge said last")
    conditions: Conditions = Field((), description="what is so: Ready says whether the challenger answers")
    started_at: AwareDatetime | None = Field(None, description="when the rollout began")
    ended_at: AwareDatetime | None = Field(None, description="when it was promoted or aborted")


class ModelRollout(Strict):
    """One challenger's way to the place of the champion."""

    api_version: Literal["tidemill.dev/v1alpha1"] = Field(
        "tidemill.dev/v1alpha1", description="the version of this format"
    )
    kind: Literal["ModelRollout"] = Field("ModelRollout", description="what this document is")
    metadata: Metadata = Field(description="who it is")
    spec: ModelRolloutSpec = Field(description="what is tried, and what a person wants of it")
    status: ModelRolloutStatus = Field(ModelRolloutStatus(), description="how far it is")
