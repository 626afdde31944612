"""The ModelLoop: what "right" means for one model, and never where it runs (that is the Profile).

The descriptions of the fields are the reference: docs/reference/modelloop.md is made from them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from .forms import ADay, Column, EntryPoint, Image, Inside, Name, PartOfADay, PartOfAll
from .quantities import Cron, Duration, Number, Rate, Share, Span, Whole
from .resources import Resources
from .rules import Rule, Strict


class Metadata(Strict):
    """Who the object is."""

    name: Name = Field(description="a-z, 0-9 and '-', at most 63 characters; models and routes carry it")
    labels: dict[str, str] = Field({}, description="for your own selection")
    annotations: dict[str, str] = Field({}, description="for your own notes")


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
    image: Image | None = Field(
        None,
        description="container image that holds your functions; used on a cluster, where it is the installation's by "
        "default",
    )
    timeout: Span = Field(timedelta(hours=1), description="a turn that takes longer is ended")
    seed: Whole = Field(0, description="NumPy's global seed while your trainer runs")


class Source(Strict):
    """Exactly one format. The value is a folder or a glob, relative to this file; the day is in each file's name."""

    rules: ClassVar = (
        Rule(
            "give exactly one source: parquet or csv",
            "has(self.parquet) != has(self.csv)",
            lambda self: (self.parquet is None) != (self.csv is None),
        ),
    )
    parquet: Inside | None = Field(None, description="Parquet files, one a day")
    csv: Inside | None = Field(None, description="CSV files, one a day")


class PartitionBy(Strict):
    """How data is sliced."""

    by: Literal["date"] = Field("date", description="slices follow the event time")
    every: ADay = Field(timedelta(days=1), description="1d; other slices are not in this version")


class Label(Strict):
    """What comes true, and how late that is known."""

    rules: ClassVar = (
        Rule(
            "giveUpAfter is shorter than arrivesAfter: no label could ever count",
            "{giveUpAfter} >= {arrivesAfter}",
            lambda self: self.give_up_after >= self.arrives_after,
        ),
        Rule(
            "coverage must be more than 0% and at most 100%",
            "!has(self.coverage) || {coverage} > 0.0 && {coverage} <= 1.0",
            lambda self: self.coverage is None or 0 < self.coverage <= 1,
        ),
    )
    column: Column = Field(description="the column (or field of a posted outcome) that holds 0 or 1")
    arrives_after: Duration = Field(timedelta(0), description="after the event; sooner, a missing label says nothing")
    give_up_after: Duration = Field(timedelta(days=14), description="a later label trains, but judges nothing")
    coverage: Share | None = Field(
        None,
        description="share of the predictions that must have a label before their block is evidence; by default what "
        "the loop itself has seen to be usual",
    )


class Gate(Strict):
    """The learnt part of the data gate; the hard part is the expectations."""

    rules: ClassVar = (
        Rule(
            "falseAlarms must lie between 0% and 100%; to hold nothing back, write gate: off",
            "{falseAlarms} > 0.0 && {falseAlarms} < 1.0",
            lambda self: 0 < self.false_alarms < 1,
        ),
    )
    false_alarms: PartOfAll = Field(0.01, description="share of good partitions that may be held back")
    min_history: Whole = Field(30, ge=10, description="admitted partitions before the learnt gate speaks")


def _off(value: Any) -> Any:
    """`off` is false to readers of YAML 1.1, and kubectl is one."""
    return "off" if value is False else value


class Data(Strict):
    """What arrives."""

    rules: ClassVar = (
        Rule(
            "key, eventTime and label.column must be three different columns",
            "self.key != self.eventTime && self.key != self.label.column && self.eventTime != self.label.column",
            lambda self: len({self.key, self.event_time, self.label.column}) == 3,
        ),
    )
    source: Source = Field(description="where partitions are delivered")
    partition: PartitionBy = Field(PartitionBy(), description="how they are sliced")
    key: Column = Field(description="the column that names a prediction; outcomes are joined by it")
    event_time: Column = Field(description="the column with the time that a row is about")
    label: Label = Field(description="what comes true")
    expectations: str | None = Field(None, description="a Great Expectations suite as JSON, relative to this file")
    gate: Annotated[Gate | Literal["off"], BeforeValidator(_off)] = Field(
        Gate(), description="the learnt gate; off: no gate at all"
    )


class Window(Strict):
    """Which rows a turn sees; always split by time."""

    rules: ClassVar = (
        Rule(
            "train must be longer than holdOut: nothing would be left to train on",
            "{train} > {holdOut}",
            lambda self: self.train == "all" or self.train > self.hold_out,
        ),
    )
    train: Span | Literal["all"] = Field("all", description="rows up to this old, before the hold-out; all: no limit")
    hold_out: Span = Field(timedelta(days=7), description="the latest rows, kept from training for the evaluation")


class Accept(Strict):
    """When a challenger may enter a rollout."""

    min_gain: Number = Field(
        0.0,
        description="over champion and baseline, in units of the primary metric; 0 or less: a gain below it, beyond "
        "the hold-out's noise, is rejected; more than 0: the measured gain must reach it and exceed the noise",
    )
    slice_tolerance: Number = Field(0.02, ge=0, description="how much worse it may be on any slice")
    min_rows: Whole = Field(2000, ge=1, description="labelled rows that a hold-out needs")
    always: bool = Field(False, strict=True, description="register whatever was trained; never for production")


class Evaluation(Strict):
    """How a challenger is compared with the champion and the baseline, on the same hold-out."""

    primary: Literal["log_loss", "brier"] = Field("log_loss", description="the loss that decides")
    slices: tuple[Column, ...] = Field(
        (), max_length=64, description="columns on each of whose values it must hold up, too"
    )
    accept: Accept = Field(Accept(), description="the bar")


class NewData(Strict):
    """A signal once enough new rows were admitted."""

    rules: ClassVar = (Rule("growth must be more than 0%", "{growth} > 0.0", lambda self: self.growth > 0),)
    growth: Share = Field(0.25, description="new rows, as a share of those that the last turn saw")


class Performance(Strict):
    """A signal once the champion loses more than it promises."""

    tolerance: Number = Field(
        0.01,
        ge=0,
        description="loss above what the model promises, and above the doubt about that, before it counts",
    )
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

    rules: ClassVar = (
        Rule(
            "a step is either shadow or canary",
            "has(self.shadow) != has(self.canary)",
            lambda self: (self.shadow is None) != (self.canary is None),
        ),
        Rule(
            "a shadow sees more than 0% and at most 100%",
            "!has(self.shadow) || {shadow} > 0.0 && {shadow} <= 1.0",
            lambda self: self.shadow is None or 0 < self.shadow <= 1,
        ),
        Rule(
            "a canary takes more than 0% and less than 100%; promotion is what follows the last step",
            "!has(self.canary) || {canary} > 0.0 && {canary} < 1.0",
            lambda self: self.canary is None or 0 < self.canary < 1,
        ),
    )
    shadow: Share | None = Field(None, description="share of requests that the challenger scores unseen")
    canary: Share | None = Field(None, description="share of keys that the challenger answers")
    min_outcomes: Whole = Field(ge=1, description="labels that must have come before the step is judged")


class JudgeMetric(Strict):
    """One thing that the challenger may not be worse at."""

    rules: ClassVar = (
        Rule(
            "slo goes with metric: latency, and is needed there",
            "(self.metric == 'latency') == has(self.slo)",
            lambda self: (self.metric == "latency") == (self.slo is not None),
        ),
    )
    metric: Literal["log_loss", "brier", "error_rate", "latency"] = Field(description="what is compared")
    margin: Number = Field(gt=0, description="how much worse the challenger may be, in the metric's units")
    slo: Span | None = Field(None, description="with latency: an answer that takes longer counts as slow")


def _default_metrics() -> tuple[JudgeMetric, ...]:
    return (JudgeMetric(metric="log_loss", margin=0.02), JudgeMetric(metric="error_rate", margin=0.01))


class BlockColumn(Strict):
    """Outcomes whose requests have the same value of a column, such as a batch, are one piece of evidence."""

    column: Column = Field(description="a column of the requests; outcomes of requests without a value do not count")


class Judge(Strict):
    """How evidence is weighed; valid however often one looks."""

    rules: ClassVar = (
        Rule(
            "each metric can be judged once",
            "!has(self.metrics) || self.metrics.all(one, self.metrics.exists_one(other, other.metric == one.metric))",
            lambda self: len({each.metric for each in self.metrics}) == len(self.metrics),
        ),
    )
    alpha: Number = Field(0.05, gt=0, lt=0.5, description="chance of a false promotion, and of a false abort")
    block: PartOfADay | BlockColumn | Literal["auto"] = Field(
        "auto",
        description="which outcomes depend on each other: outcomes of one block count as one piece of evidence; a "
        "duration, a column, or auto: a duration chosen from the last two weeks when a rollout begins",
    )
    metrics: tuple[JudgeMetric, ...] = Field(
        default_factory=_default_metrics,
        min_length=1,
        max_length=4,
        description="all must hold for promotion; by default log_loss within 0.02 and error_rate within 0.01",
    )

    @property
    def block_column(self) -> str | None:
        """The column whose values are the blocks; None where time parts them."""
        return self.block.column if isinstance(self.block, BlockColumn) else None


class Rollout(Strict):
    """How a challenger earns its place."""

    steps: tuple[Step, ...] = Field(
        (Step(shadow=1.0, min_outcomes=1000), Step(canary=0.1, min_outcomes=500)),
        max_length=16,
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
        ("previous", "baseline"), max_length=2, description="who answers then, in this order"
    )


class ModelLoopSpec(Strict):
    """What is wanted."""

    rules: ClassVar = (
        Rule(
            "rollout.maxDuration ends before a label arrives (data.label.arrivesAfter): nothing could be judged",
            "has(self.rollout) && has(self.rollout.steps) && size(self.rollout.steps) == 0 || "
            "{rollout.maxDuration} > {data.label.arrivesAfter}",
            lambda self: not self.rollout.steps or self.rollout.max_duration > self.data.label.arrives_after,
        ),
        Rule(
            "rollout.judge.block.column is the label: requests do not carry it",
            None,
            lambda self: self.rollout.judge.block_column != self.data.label.column,
        ),
        Rule(
            "rollout.judge.block.column is the key or the event time: each outcome would be a block of its own; write "
            "auto for that",
            None,
            lambda self: self.rollout.judge.block_column not in (self.data.key, self.data.event_time),
        ),
        Rule(
            "evaluation.slices cannot hold the label or the key",
            "!has(self.evaluation) || !has(self.evaluation.slices) || self.evaluation.slices.all("
            "column, column != self.data.key && column != self.data.label.column)",
            lambda self: not {self.data.label.column, self.data.key} & set(self.evaluation.slices),
        ),
    )
    model: Model = Field(description="your functions")
    data: Data = Field(description="what arrives")
    window: Window = Field(Window(), description="which rows a turn sees")
    evaluation: Evaluation = Field(Evaluation(), description="how a challenger is compared")
    triggers: Triggers = Field(Triggers(), description="when to train")
    rollout: Rollout = Field(Rollout(), description="how a challenger earns its place")
    serving: Serving = Field(Serving(), description="how requests are answered")
    resources: Resources = Field(Resources(), description="what the steps of a turn need of a cluster")


class ModelLoop(Strict):
    """What "right" means for one model."""

    api_version: Literal["tidemill.dev/v1alpha1"] = Field(description="the version of this format")
    kind: Literal["ModelLoop"] = Field(description="what this document is")
    metadata: Metadata = Field(description="who it is")
    spec: ModelLoopSpec = Field(description="what is wanted")
