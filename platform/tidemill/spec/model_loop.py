"""The ModelLoop: what "right" means for one model, and never where it runs (that is the Profile)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

from .quantities import Cron, Duration, Rate, Share

EntryPoint = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Strict(BaseModel):
    """Unknown fields are errors: a field that is silently ignored is the field's most hated bug."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class Metadata(Strict):
    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @field_validator("name")
    @classmethod
    def _kubernetes_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name: use a-z, 0-9 and '-', at most 63, as Kubernetes does")
        return name


class Recalibrate(Strict):
    """The smallest repair: intercept and slope on the served logit, refitted on the outcomes of the last `window`."""

    window: Duration = timedelta(days=14)
    when: Literal["daily", "never"] = "daily"


class Model(Strict):
    task: Literal["binary-classification"]
    trainer: EntryPoint = Field(description="module:function(X, y, previous) -> an estimator with predict_proba")
    baseline: EntryPoint = Field(description="same signature; the bar to clear, and the last fallback")
    features: EntryPoint | None = Field(None, description="module:function(frame) -> frame; travels inside the model")
    recalibrate: Recalibrate = Recalibrate()
    timeout: Duration = Field(timedelta(hours=1), description="a turn that takes longer is ended")
    seed: int = 0


class Source(Strict):
    """Exactly one of the formats; the value is a folder or a glob, relative to the ModelLoop's file."""

    parquet: str | None = None
    csv: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Source:
        if (self.parquet is None) == (self.csv is None):
            raise ValueError("give exactly one source: parquet or csv")
        return self


class PartitionBy(Strict):
    by: Literal["date"] = "date"
    every: Duration = timedelta(days=1)

    @field_validator("every")
    @classmethod
    def _a_day(cls, every: timedelta) -> timedelta:
        if every != timedelta(days=1):
            raise ValueError("partitions are days in this version: write 1d")
        return every


class Label(Strict):
    column: str
    arrives_after: Duration = Field(timedelta(0), description="after the event; sooner, a missing label says nothing")
    give_up_after: Duration = Field(timedelta(days=14), description="a label that comes later trains but judges nothing")

    @model_validator(mode="after")
    def _ordered(self) -> Label:
        if self.give_up_after < self.arrives_after:
            raise ValueError("giveUpAfter is shorter than arrivesAfter: no label could ever count")
        return self


class Gate(Strict):
    """The learnt part of the data gate; the hard part is the expectations."""

    false_alarms: Share = Field(0.01, description="share of good partitions that may be held back")
    min_history: int = Field(30, ge=10, description="admitted partitions before the learnt gate speaks")


class Data(Strict):
    source: Source
    partition: PartitionBy = PartitionBy()
    key: str
    event_time: str
    label: Label
    expectations: str | None = Field(None, description="a Great Expectations suite as JSON, relative to this file")
    gate: Gate | Literal["off"] = Gate()


class Window(Strict):
    train: Duration | Literal["all"] = "all"
    hold_out: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _room(self) -> Window:
        if self.hold_out <= timedelta(0):
            raise ValueError("holdOut must be longer than nothing: a model is never accepted unseen")
        if self.train != "all" and self.train <= self.hold_out:
            raise ValueError("train must be longer than holdOut: nothing would be left to train on")
        return self


class Accept(Strict):
    min_gain: float = Field(0.0, description="in units of the primary metric, over champion and baseline")
    slice_tolerance: float = Field(0.02, ge=0)
    min_rows: int = Field(2000, ge=1)
    always: bool = Field(False, description="register whatever was trained; for comparison, never for production")


class Evaluation(Strict):
    primary: Literal["log_loss", "brier"] = "log_loss"
    slices: tuple[str, ...] = ()
    accept: Accept = Accept()


class NewData(Strict):
    growth: Share = 0.25


class Performance(Strict):
    tolerance: float = Field(0.01, ge=0, description="loss above what the model itself promises, before it counts")
    false_alarms: Rate = 1 / 365.25


class Drift(Strict):
    false_alarms: Rate = 1 / 365.25
    action: Literal["alert", "retrain"] = "alert"


class Limits(Strict):
    cooldown: Duration = timedelta(days=3)
    max_per_month: int = Field(6, ge=1)
    min_new_outcomes: int = Field(1000, ge=0)


class Triggers(Strict):
    schedule: Cron | None = None
    new_data: NewData | None = None
    performance: Performance | None = None
    drift: Drift | None = None
    limits: Limits = Limits()


class Step(Strict):
    """One step of a rollout: all traffic mirrored (`shadow`), or a share of it answered by the challenger (`canary`)."""

    shadow: Share | None = None
    canary: Share | None = None
    min_outcomes: int = Field(ge=1)

    @model_validator(mode="after")
    def _one(self) -> Step:
        if (self.shadow is None) == (self.canary is None):
            raise ValueError("a step is either shadow or canary")
        if self.canary is not None and not 0 < self.canary < 1:
            raise ValueError("a canary takes more than 0% and less than 100%; promotion is what follows the last step")
        return self


class JudgeMetric(Strict):
    metric: Literal["log_loss", "brier", "error_rate", "latency"]
    margin: float = Field(gt=0, description="how much worse the challenger may be, in the metric's units")
    slo: Duration | None = None

    @model_validator(mode="after")
    def _slo(self) -> JudgeMetric:
        if (self.metric == "latency") != (self.slo is not None):
            raise ValueError("slo goes with metric: latency, and is needed there")
        return self


def _default_metrics() -> tuple[JudgeMetric, ...]:
    return (JudgeMetric(metric="log_loss", margin=0.02), JudgeMetric(metric="error_rate", margin=0.01))


class Judge(Strict):
    alpha: float = Field(0.05, gt=0, lt=0.5)
    metrics: tuple[JudgeMetric, ...] = Field(default_factory=_default_metrics, min_length=1)


class Rollout(Strict):
    steps: tuple[Step, ...] = (Step(shadow=1.0, min_outcomes=1000), Step(canary=0.1, min_outcomes=500))
    judge: Judge = Judge()
    max_duration: Duration = timedelta(days=28)
    on_inconclusive: Literal["pause", "abort", "promote"] = "pause"
    approval: Literal["automatic", "manual"] = "automatic"


class Serving(Strict):
    timeout: Duration = timedelta(milliseconds=200)
    fallback: tuple[Literal["previous", "baseline"], ...] = ("previous", "baseline")


class ModelLoopSpec(Strict):
    model: Model
    data: Data
    window: Window = Window()
    evaluation: Evaluation = Evaluation()
    triggers: Triggers = Triggers()
    rollout: Rollout = Rollout()
    serving: Serving = Serving()


class ModelLoop(Strict):
    api_version: Literal["tidemill.dev/v1alpha1"]
    kind: Literal["ModelLoop"]
    metadata: Metadata
    spec: ModelLoopSpec
