# ruff: noqa: E501 - a case is a line
"""A ModelLoop, and ways to spoil it: read by the tests of the files and by those of the API server."""

from __future__ import annotations

LOOP = """\
apiVersion: tidemill.dev/v1alpha1
kind: ModelLoop
metadata: {name: visits}
spec:
  model:
    task: binary-classification
    trainer: model:train
    baseline: model:average
    features: model:features
  data:
    source: {csv: data/}
    key: visit_id
    eventTime: visited_at
    label: {column: bought, arrivesAfter: 1h}
    expectations: expectations.json
  triggers:
    newData: {growth: 25%}
"""

# What is replaced, by what, and what is said.
SPOILT = [
    ("eventTime:", "event_time:", "loop.yaml:13: spec.data.event_time: unknown field. Did you mean eventTime?"),
    ("eventTime:", "when:", "loop.yaml:10: spec.data.eventTime: this field is missing. The column with the time"),
    ("    key: visit_id", "    holdOut: 7d\n    key: visit_id", "spec.data.holdOut: unknown field. It belongs in spec.window."),
    ("arrivesAfter: 1h", "arrivesAfter: 1", "loop.yaml:14: spec.data.label.arrivesAfter: 1 is not a duration: write a "
     "number and a unit (ms, s, m, h, d, w), such as 6h or 14d"),
    ("growth: 25%", "growth: 25", "spec.triggers.newData.growth: 25 is not a percentage: write a number and %, such as 25%"),
    ("growth: 25%", "growth: 0%", "growth must be more than 0%"),
    ("key: visit_id", "key: 3", "loop.yaml:12: spec.data.key: 3 is not text. Put it in quotes where text is meant."),
    ("key: visit_id", "key: ''", "spec.data.key: '' is not a name"),
    ("key: visit_id", "key: bought", "spec.data: key, eventTime and label.column must be three different columns"),
    ("newData: {growth: 25%}", "newData: 25%", "spec.triggers.newData: '25%' is not a mapping. Its fields are growth."),
    ("newData: {growth: 25%}", "limits:", "spec.triggers.limits: there is nothing here. Leave the field out, or give"),
    ("newData: {growth: 25%}", "limits: {maxPerMonth: true}", "spec.triggers.limits.maxPerMonth: true is not a whole number"),
    ("newData: {growth: 25%}", "limits: {maxPerMonth: 0}", "spec.triggers.limits.maxPerMonth: 0 is not at least 1"),
    ("newData: {growth: 25%}", "schedule: 0 4 * *", "'0 4 * *' is not a cron expression of five fields"),
    ("newData: {growth: 25%}", "drift: {action: retrian}", "'retrian' is not alert or retrain. Did you mean retrain?"),
    ("newData: {growth: 25%}", "drift: {falseAlarms: 1}", "1 is not a rate: write a number, a slash and a period"),
    ("csv: data/", "sql: visits", "spec.data.source.sql: unknown field. The fields here are parquet, csv."),
    ("csv: data/", "csv: data/, parquet: data/", "spec.data.source: give exactly one source: parquet or csv"),
    ("csv: data/", "csv: s3://bucket/", "'s3://bucket/' is not a folder or glob relative to this file"),
    ("trainer: model:train", "trainer: model.train", "loop.yaml:7: spec.model.trainer: 'model.train' is not an entry point: "
     "write module:function, such as model:train"),
    ("name: visits", "name: Visits!", "loop.yaml:3: metadata.name: 'Visits!' is not a name: use a-z, 0-9 and '-'"),
    ("v1alpha1", "v1", "loop.yaml:1: apiVersion: 'tidemill.dev/v1' is not tidemill.dev/v1alpha1. Did you mean"),
    ("kind: ModelLoop", "kind: Modelloop", "loop.yaml:2: kind: 'Modelloop' is not ModelLoop. Did you mean ModelLoop?"),
    ("kind: ModelLoop", "", "kind: this field is missing"),
    ("name: visits", "name: vi.sits", "loop.yaml:3: metadata.name: 'vi.sits' is not a name: use a-z, 0-9 and '-'"),
    ("task:", "image: my image\n    task:", "spec.model.image: 'my image' is not an image: write registry/name:tag"),
    ("arrivesAfter: 1h", "arrivesAfter: soon", "spec.data.label.arrivesAfter: 'soon' is not a duration: write a number"),
    ("arrivesAfter: 1h", "arrivesAfter: 3d, giveUpAfter: 1d", "spec.data.label: giveUpAfter is shorter than arrivesAfter"),
    ("arrivesAfter: 1h", "arrivesAfter: 9999w", "spec.data.label.arrivesAfter: this is longer than a century"),
    ("key: visit_id", "partition: {every: 7d}\n    key: visit_id", "spec.data.partition.every: partitions are days in this version: write 1d"),
    ("key: visit_id", "gate: of\n    key: visit_id", "spec.data.gate: 'of' is neither a mapping nor off"),
    ("key: visit_id", "gate: {falseAlarm: 1%}\n    key: visit_id", "spec.data.gate.falseAlarm: unknown field. Did you mean falseAlarms?"),
    ("key: visit_id", "gate: {falseAlarms: 0%}\n    key: visit_id", "falseAlarms must lie between 0% and 100%; to hold nothing back, write gate: off"),
    ("newData: {growth: 25%}", "schedule: 61 4 * * 1", "'61 4 * * 1' is not a cron expression of five fields"),
    ("newData: {growth: 25%}", "drift: {falseAlarms: 0/y}", "'0/y' is not a rate: write a number, a slash and a period"),
    ("kind: ModelLoop", "kind: Deployment", "loop.yaml:2: kind: no ModelLoop here, but Deployment. Write `kind: ModelLoop`."),
]  # fmt: skip

# What is added to the end of spec, and what is said.
IMPOSSIBLE = [
    ("window: {train: 5d, holdOut: 7d}", "spec.window: train must be longer than holdOut"),
    ("window: {holdOut: 0d}", "spec.window.holdOut: this must be longer than nothing"),
    (
        "window: {train: 60}",
        "60 is not a duration: write a number and a unit (ms, s, m, h, d, w), such as 6h or 14d, or all",
    ),
    ("serving: {timeout: 0ms}", "spec.serving.timeout: this must be longer than nothing"),
    ("rollout: {maxDuration: 30m}", "spec: rollout.maxDuration ends before a label arrives"),
    ("rollout: {steps: [{canary: 100%, minOutcomes: 1}]}", "spec.rollout.steps[0]: a canary takes more than 0%"),
    ("rollout: {steps: [{shadow: 0%, minOutcomes: 1}]}", "spec.rollout.steps[0]: a shadow sees more than 0%"),
    ("rollout: {steps: [{minOutcomes: 1}]}", "spec.rollout.steps[0]: a step is either shadow or canary"),
    ("rollout: {judge: {metrics: []}}", "spec.rollout.judge.metrics: the list is empty. Give at least 1"),
    ("rollout: {judge: {alpha: .nan}}", "spec.rollout.judge.alpha: nan is not a finite number"),
    ("rollout: {judge: {metrics: [{metric: latency, margin: 0.1}]}}", "slo goes with metric: latency, and is needed there"),
    ("rollout: {judge: {metrics: [{metric: brier, margin: 1}, {metric: brier, margin: 2}]}}", "each metric can be judged once"),
    ("window: {train: some}", "'some' is not a duration: write a number and a unit (ms, s, m, h, d, w), such as 6h or 14d, or all"),
    ("window: {train: 9999w}", "spec.window.train: this is longer than a century, or all"),
    ("window: {train: 0d}", "spec.window.train: this must be longer than nothing, or all"),
    ("evaluation: {slices: channel}", "spec.evaluation.slices: 'channel' is not a list. Write [a, b]"),
    ("evaluation: {slices: [bought]}", "spec: evaluation.slices cannot hold the label or the key"),
]  # fmt: skip


def spoilt(old: str, new: str) -> str:
    assert old in LOOP, old
    return LOOP.replace(old, new)


def impossible(line: str) -> str:
    return f"{LOOP}  {line}\n"
