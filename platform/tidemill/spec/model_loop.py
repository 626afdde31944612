"""The ModelLoop: what "right" means for one model, and never where it runs (that is the Profile).

The descriptions of the fields are the reference: docs/reference/modelloop.md is made from them.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from .quantities import Cron, Duration, Number, Rate, Share, Span, Whole

_ENTRY_POINT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def parse_entry_point(text: Any) -> str:
    """`module:function`, checked for its form alone. Raises ValueError."""
    if not isinstance(text, str) or not _ENTRY_POINT.fullmatch(text):
        raise ValueError(f"{text!r} is not an entry point: write module:function, such as model:train")
    return text


EntryPoint = Annotated[
    str, BeforeValidator(parse_entry_point), WithJsonSchema({"type": "string", "examples": ["model:train"]})
]
Column = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    """Unknown fields are errors: a field that is silently ignored is the field's most hated bug."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class Metadata(Strict):
    """Who the object is."""

    name: str = Field(description="a-z, 0-9 and '-', at most 63 characters; models and routes carry it")
    labels: dict[str, str] = Field({}, description="for your own selection")
    annotations: dict[str, str] = Field({}, description="for your own notes")

    @field_validator("name")
    @classmethod
    def _kubernetes_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name: use a-z, 0-9 and '-', at most 63, as Kubernetes does")
        return name


class Recalibrate(Strict):
    """The smallest repair: intercept and slope on the served logit, refitted on the outcomes of the last `window`."""

    window: Span = Field(timedelta(days=14), description="how far back the outcomes go that it is fitted on")
    when: Literal["daily", "never"] = Field("daily", description="how often it is refitted")


class Model(Strict):
    """The model: your functions, imported from the folder of this file."""

    task: Literal["binary-classification"] = Field(description="what is predicted: the probability of label 1")
    trainer: EntryPoint = Field(description="module:function(X, y, previous=None) -> an estimator with predict_proba")
    baseline: EntryPoint = Field(description="same signature; the bar to clear, and the last fallback")
    features: EntryPoint | None = Field(None, description="module:function(frame) -> frame; travels inside the model")
    recalibrate: Recalibrate = Field(Recalibrate(), description="the smallest repair, tried before training")
    timeout: Span = Field(timedelta(hours=1), description="a turn that takes longer is ended")
    seed: Whole = Field(0, description="NumPy's global seed while your trainer runs")


class Source(Strict):
    """Exactly one format. The value is a folder or a glob, relative to this file; the day is in each file's name."""

    parquet: str | None = Field(None, description="Parquet files, one a day")
    csv: str | None = Field(None, description="CSV files, one a day")

    @model_validator(mode="after")
    def _one(self) -> Source:
        if (self.parquet is None) == (self.csv is None):
            raise ValueError("give exactly one source: parquet or csv")
        where = self.parquet or self.csv or ""
        if not where or "://" in where or PurePosixPath(where).is_absolute() or PureWindowsPath(where).drive:
            raise ValueError(f"{where!r} is not a folder or glob relative to this file, such as data/")
        return self


class PartitionBy(Strict):
    """How data is sliced."""

    by: Literal["date"] = Field("date", description="slices follow the event time")
    every: Duration = Field(timedelta(days=1), description="1d; other slices are not in this version")

    @field_validator("every")
    @classmethod
    def _a_day(cls, every: timedelta) -> timedelta:
        if every != timedelta(days=1):
            raise ValueError("partitions are days in this version: write 1d")
        return every


class Label(Strict):
    """What comes true, and how late that is known."""

    column: Column = Field(description="the column (or field of a posted outcome) that holds 0 or 1")
    arrives_after: Duration = Field(timedelta(0), description="after the event; sooner, a missing label says nothing")
    give_up_after: Duration = Field(timedelta(days=14), description="a later label trains, but judges nothing")

    @model_validator(mode="after")
    def _ordered(self) -> Label:
        if self.give_up_after < self.arrives_after:
            raise ValueError("giveUpAfter is shorter than arrivesAfter: no label could ever count")
        return self


class Gate(Strict):
    """The learnt part of the data gate; the hard part is the expectations."""

    false_alarms: Share = Field(0.01, description="share of good partitions that may be held back")
    min_history: Whole = Field(30, ge=10, description="admitted partitions before the learnt gate speaks")

    @model_validator(mode="after")
    def _some(self) -> Gate:
        if not 0 < self.false_alarms < 1:
            raise ValueError("falseAlarms must lie between 0% and 100%; to hold nothing back, write gate: off")
        return self


class Data(Strict):
    """What arrives."""

    source: Source = Field(description="where partitions are delivered")
    partition: PartitionBy = Field(PartitionBy(), description="how they are sliced")
    key: Column = Field(description="the column that names a prediction; outcomes are joined by it")
    event_time: Column = Field(description="the column with the time that a row is about")
    label: Label = Field(description="what comes true")
    expectations: str | None = Field(None, description="a Great Expectations suite as JSON, relative to this file")
    gate: Gate | Literal["off"] = Field(Gate(), description="the learnt gate; off: no gate at all")

    @model_validator(mode="after")
    def _three_columns(self) -> Data:
        if len({self.key, self.event_time, self.label.column}) < 3:
            raise ValueError("key, eventTime and label.column must be three different columns")
        return self


class Window(Strict):
    """Which rows a turn sees; always split by time."""

    train: Span | Literal["all"] = Field("all", description="rows up to this old, before the hold-out; all: no limit")
    hold_out: Span = Field(timedelta(days=7), description="the latest rows, kept from training for the evaluation")

    @model_validator(mode="after")
    def _room(self) -> Window:
        if self.train != "all" and self.train <= self.hold_out:
            raise ValueError("train must be longer than holdOut: nothing would be left to train on")
        return self


class Accept(Strict):
    """When a challenger may enter a rollout."""

    min_gain: Number = Field(0.0, description="in units of the primary metric, over champion and baseline")
    slice_tolerance: Number = Field(0.02, ge=0, description="how much worse it may be on any slice")
    min_rows: Whole = Field(2000, ge=1, description="labelled rows that a hold-out needs")
    always: bool = Field(False, strict=True, description="register whatever was trained; never for production")


class Evaluation(Strict):
    """How a challenger is compared with the champion and the baseline, on the same hold-out."""

    primary: Literal["log_loss", "brier"] = Field("log_loss", description="the loss that decides")
    slices: tuple[Column, ...] = Field((), description="columns on each of whose values it must hold up, too")
    accept: Accept = Field(Accept(), description="the bar")


class NewData(Strict):
    """A signal once enough new rows were admitted."""

    growth: Share = Field(0.25, description="new rows, as a share of those that the last turn saw")

    @model_validator(mode="after")
    def _some(self) -> NewData:
        if self.growth <= 0:
            raise ValueError("growth must be more than 0%")
        return self


class Performance(Strict):
    """A signal once the champion loses more than it promises."""

    tolerance: Number = Field(0.01, ge=0, description="loss above what the model itself promises, before it counts")
    false_alarms: Rate = Field(1 / 365.25, description="how often it may speak when nothing is wrong")


class Drift(Strict):
    """A signal once the inputs are not what they were. Alone it proves nothing about the answers."""

    false_alarms: Rate = Field(1 / 365.25, description="how often it may speak when nothing is wrong")
    action: Literal["alert", "retrain"] = Field("alert", description="tell, or start a turn")


class Limits(Strict):
    """What holds turns back, whatever the signals say."""

    cooldown: Duration = Field(timedelta(days=3), description="between two turns")
    max_per_month: Whole = Field(6, ge=1, description="turns in any 30 days")
    min_new_outcomes: Whole = Field(1000, ge=0, description="labels since the last turn")


class Triggers(Strict):
    """When to train. Each signal is off unless it stands here; `tidemill train` is always there."""

    schedule: Cron | None = Field(None, description="cron of five fields, UTC")
    new_data: NewData | None = Field(None, description="enough new rows")
    performance: Performance | None = Field(None, description="the champion loses more than it promises")
    drift: Drift | None = Field(None, description="the inputs are not what they were")
    limits: Limits = Field(Limits(), description="what holds turns back")


class Step(Strict):
    """One step of a rollout: traffic mirrored (`shadow`), or a share of it answered by the challenger (`canary`)."""

    shadow: Share | None = Field(None, description="share of requests that the challenger scores unseen")
    canary: Share | None = Field(None, description="share of keys that the challenger answers")
    min_outcomes: Whole = Field(ge=1, description="labels that must have come before the step is judged")

    @model_validator(mode="after")
    def _one(self) -> Step:
        if (self.shadow is None) == (self.canary is None):
            raise ValueError("a step is either shadow or canary")
        if self.shadow is not None and not 0 < self.shadow <= 1:
            raise ValueError("a shadow sees more than 0% and at most 100%")
        if self.canary is not None and not 0 < self.canary < 1:
            raise ValueError("a canary takes more than 0% and less than 100%; promotion is what follows the last step")
        return self


class JudgeMetric(Strict):
    """One thing that the challenger may not be worse at."""

    metric: Literal["log_loss", "brier", "error_rate", "latency"] = Field(description="what is compared")
    margin: Number = Field(gt=0, description="how much worse the challenger may be, in the metric's units")
    slo: Span | None = Field(None, description="with latency: an answer that takes longer counts as slow")

    @model_validator(mode="after")
    def _slo(self) -> JudgeMetric:
        if (self.metric == "latency") != (self.slo is not None):
            raise ValueError("slo goes with metric: latency, and is needed there")
        return self


def _default_metrics() -> tuple[JudgeMetric, ...]:
    return (JudgeMetric(metric="log_loss", margin=0.02), JudgeMetric(metric="error_rate", margin=0.01))


class Judge(Strict):
    """How evidence is weighed; valid however often one looks."""

    alpha: Number = Field(0.05, gt=0, lt=0.5, description="chance of a false promotion, and of a false abort")
    metrics: tuple[JudgeMetric, ...] = Field(
        default_factory=_default_metrics,
        min_length=1,
        description="all must hold for promotion; by default log_loss within 0.02 and error_rate within 0.01",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Judge:
        names = [metric.metric for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError("each metric can be judged once")
        return self


class Rollout(Strict):
    """How a challenger earns its place."""

    steps: tuple[Step, ...] = Field(
        (Step(shadow=1.0, min_outcomes=1000), Step(canary=0.1, min_outcomes=500)),
        description="in this order; promotion follows the last; an empty list: at once and unjudged",
    )
    judge: Judge = Field(Judge(), description="how evidence is weighed")
    max_duration: Span = Field(timedelta(days=28), description="after this a rollout without a verdict is inconclusive")
    on_inconclusive: Literal["pause", "abort", "promote"] = Field("pause", description="what happens then")
    approval: Literal["automatic", "manual"] = Field("automatic", description="manual: waits for `tidemill approve`")


class Serving(Strict):
    """How requests are answered when something fails."""

    timeout: Span = Field(timedelta(milliseconds=200), description="a version that takes longer is passed over")
    fallback: tuple[Literal["previous", "baseline"], ...] = Field(
        ("previous", "baseline"), description="who answers then, in this order"
    )


class ModelLoopSpec(Strict):
    """What is wanted."""

    model: Model = Field(description="your functions")
    data: Data = Field(description="what arrives")
    window: Window = Field(Window(), description="which rows a turn sees")
    evaluation: Evaluation = Field(Evaluation(), description="how a challenger is compared")
    triggers: Triggers = Field(Triggers(), description="when to train")
    rollout: Rollout = Field(Rollout(), description="how a challenger earns its place")
    serving: Serving = Field(Serving(), description="how requests are answered")

    @model_validator(mode="after")
    def _possible(self) -> ModelLoopSpec:
        label = self.data.label
        if self.rollout.steps and self.rollout.max_duration <= label.arrives_after:
            raise ValueError(
                "rollout.maxDuration ends before a label arrives (data.label.arrivesAfter): nothing could be judged"
            )
        if {label.column, self.data.key} & set(self.evaluation.slices):
            raise ValueError("evaluation.slices cannot hold the label or the key")
        return self


class ModelLoop(Strict):
    """What "right" means for one model."""

    api_version: Literal["tidemill.dev/v1alpha1"] = Field(description="the version of this format")
    kind: Literal["ModelLoop"] = Field(description="what this document is")
    metadata: Metadata = Field(description="who it is")
    spec: ModelLoopSpec = Field(description="what is wanted")
