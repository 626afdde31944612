"""Is a challenger worth a rollout? Judged on a hold-out that is later than all it was trained on.

The rollout decides later, on live outcomes, whether it is safe; here the question is whether it is promising. So where
a rollout follows, a challenger is given the benefit of the hold-out's noise, and each slice the benefit of its own: one
week is few days, and among twenty slices one is always unlucky. The first model of a loop has no rollout to pass: it
has to beat the baseline outright.

`minGain` above 0 asks for an improvement, so that doubt speaks against the challenger: its gain must reach `minGain`,
and be more than noise alone makes of none (one-sided, 5 %). At 0 or below, it is turned away only where its gain lies
below `minGain` beyond noise: one that is exactly `minGain` better, or `-minGain` worse, passes in 95 of 100 cases.
Bounds are Student's t: the noise of seven daily means is known from six degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from tidemill.spec.model_loop import Accept
from tidemill.stats.daily import UNKNOWN, Noise

from .verdict import Reason, Verdict

SLICE_ROWS = 200  # fewer rows say nothing of a difference of .02 in log loss: its standard error is about that
SLICE_ALPHA = 0.05  # chance, over all slices together, that a challenger equal to the champion + tolerance is rejected
GAIN_ALPHA = 0.05  # chance that noise alone decides on the gain: turns one at minGain <= 0 away, lets a gain of 0 pass


class AcceptAction(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True)
class SliceScore:
    """One value of a slicing column: the primary metric of both on the same rows, and the noise of the mean of their
    row-by-row difference."""

    rows: int
    challenger: float
    champion: float
    noise: Noise


@dataclass(frozen=True)
class EvaluationFacts:
    """Metrics by name, lower is better for `primary`. `champion` is the repaired champion, None if there is none.

    `champion_seen_rows` counts hold-out rows that the champion (not its calibrator) was trained on. Where there are
    any, its loss is flattered and no challenger could ever win: the comparison is left to the rollout.
    """

    rows: int
    primary: str
    challenger: Mapping[str, float]
    baseline: Mapping[str, float]
    champion: Mapping[str, float] | None = None
    slices: Mapping[str, Mapping[str, SliceScore]] = field(default_factory=dict)
    champion_seen_rows: int = 0
    noise: Mapping[str, Noise] = field(default_factory=dict)
    """Of the mean difference to `champion` and to `baseline`; absent or unknown: the figures decide alone."""


Policy = Callable[[EvaluationFacts, Accept], Verdict[AcceptAction] | None]


def accept(facts: EvaluationFacts, rule: Accept) -> Verdict[AcceptAction]:
    """Accepts a challenger for rollout, or says why not. With `always`, whatever predicts finite numbers."""
    if not isfinite(_metric(facts, facts.challenger)):
        return _not_a_number(facts, "the challenger", facts.challenger)
    if rule.always:
        message = f"Accepted without comparison (always): {facts.primary} {_metric(facts, facts.challenger):.4f}."
        return Verdict(AcceptAction.ACCEPT, Reason.ACCEPTED, message, _evidence(facts))
    for policy in POLICIES:
        if (verdict := policy(facts, rule)) is not None:
            return verdict
    return Verdict(AcceptAction.ACCEPT, Reason.ACCEPTED, _praise(facts), _evidence(facts))


def _too_little_data(facts: EvaluationFacts, rule: Accept) -> Verdict[AcceptAction] | None:
    if facts.rows >= rule.min_rows:
        return None
    message = f"The hold-out has {facts.rows} labelled rows, accept.minRows is {rule.min_rows}."
    return _reject(facts, Reason.TOO_LITTLE_DATA, message)


def _no_better_than_baseline(facts: EvaluationFacts, rule: Accept) -> Verdict[AcceptAction] | None:
    if not isfinite(_metric(facts, facts.baseline)):
        return _not_a_number(facts, "the baseline", facts.baseline)
    allowed = 0.0 if facts.champion is None else _noise(facts, "baseline")
    if _enough(facts, "baseline", rule) and _gain(facts, facts.baseline) + allowed > 0:
        return None
    return _reject(facts, Reason.NO_BETTER_THAN_BASELINE, _comparison(facts, "baseline", facts.baseline, rule))


def _no_better_than_champion(facts: EvaluationFacts, rule: Accept) -> Verdict[AcceptAction] | None:
    if facts.champion is None or facts.champion_seen_rows > 0 or not isfinite(_metric(facts, facts.champion)):
        return None  # none to beat, none to compare fairly with, or one that any finite challenger beats
    if _enough(facts, "champion", rule):
        return None
    return _reject(facts, Reason.NO_BETTER_THAN_CHAMPION, _comparison(facts, "champion", facts.champion, rule))


def _slice_worse(facts: EvaluationFacts, rule: Accept) -> Verdict[AcceptAction] | None:
    """Rejects where even the lower confidence bound of a slice's loss difference is above the tolerance."""
    if facts.champion is None or facts.champion_seen_rows > 0:
        return None
    judged = _judged_slices(facts)
    broken = [name for name, score in judged if not isfinite(score.challenger)]
    if broken:
        return _reject(facts, Reason.NOT_A_NUMBER, f"{facts.primary} of the challenger is no number for {broken[0]}.")
    confidence = 1 - SLICE_ALPHA / max(len(judged), 1)
    worse = [
        (score.challenger - score.champion, name, score)
        for name, score in judged
        if score.challenger - score.champion - score.noise.bound(confidence) > rule.slice_tolerance
    ]
    if not worse:
        return None
    difference, name, score = max(worse, key=lambda item: item[0])
    message = (
        f"{facts.primary} for {name} is {difference:.4f} worse than the champion's ({score.rows} rows); "
        f"sliceTolerance is {rule.slice_tolerance:g}, beyond noise of {score.noise.bound(confidence):.4f}."
    )
    return _reject(facts, Reason.SLICE_WORSE, message, worse=[name for _, name, _ in worse])


POLICIES: tuple[Policy, ...] = (
    _too_little_data,
    _no_better_than_baseline,  # a model that a heuristic beats is not worth its keep, champion or not
    _no_better_than_champion,
    _slice_worse,  # a gain on average that somebody pays for
)


def _enough(facts: EvaluationFacts, other: str, rule: Accept) -> bool:
    """Whether the gain over `other` is what minGain asks, as the module says."""
    gain = _gain(facts, facts.baseline if other == "baseline" else facts.champion or {})
    if rule.min_gain > 0:
        return gain >= rule.min_gain and gain > _noise(facts, other)
    return gain + (0.0 if facts.champion is None else _noise(facts, other)) >= rule.min_gain


def _noise(facts: EvaluationFacts, other: str) -> float:
    """How far noise alone moves the gain over `other`: its one-sided bound."""
    noise = facts.noise.get(other, UNKNOWN)
    return noise.bound(1 - GAIN_ALPHA) if noise.known else 0.0


def _judged_slices(facts: EvaluationFacts) -> list[tuple[str, SliceScore]]:
    """Large enough, of more than one day, and the champion's figures are numbers."""
    return [
        (f"{column}={value}", score)
        for column, values in facts.slices.items()
        for value, score in values.items()
        if score.rows >= SLICE_ROWS and isfinite(score.champion) and score.noise.known
    ]


def _metric(facts: EvaluationFacts, metrics: Mapping[str, float]) -> float:
    return float(metrics.get(facts.primary, float("nan")))


def _gain(facts: EvaluationFacts, other: Mapping[str, float]) -> float:
    return _metric(facts, other) - _metric(facts, facts.challenger)


def _comparison(facts: EvaluationFacts, name: str, other: Mapping[str, float], rule: Accept) -> str:
    noise = f"noise of {0.0 if facts.champion is None and rule.min_gain <= 0 else _noise(facts, name):.4f}"
    asked = "and the gain must exceed" if rule.min_gain > 0 else "beyond"
    return (
        f"{facts.primary} of the challenger is {_metric(facts, facts.challenger):.4f}, of the {name} "
        f"{_metric(facts, other):.4f}, on {facts.rows} rows; accept.minGain is {rule.min_gain:g}, {asked} {noise}."
    )


def _praise(facts: EvaluationFacts) -> str:
    message = f"{facts.primary} {_metric(facts, facts.challenger):.4f} on {facts.rows} rows; "
    message += f"baseline {_metric(facts, facts.baseline):.4f}"
    if facts.champion is None:
        return message + "; there is no champion yet."
    message += f", champion {_metric(facts, facts.champion):.4f}."
    if facts.champion_seen_rows:
        message += f" The champion was trained on {facts.champion_seen_rows} of the rows: the rollout compares them."
    return message


def _not_a_number(facts: EvaluationFacts, who: str, metrics: Mapping[str, float]) -> Verdict[AcceptAction]:
    value = metrics.get(facts.primary, "missing")
    return _reject(facts, Reason.NOT_A_NUMBER, f"{facts.primary} of {who} is {value}: look for NaN in its predictions.")


def _reject(facts: EvaluationFacts, reason: Reason, message: str, **more: Any) -> Verdict[AcceptAction]:
    return Verdict(AcceptAction.REJECT, reason, message, {**_evidence(facts), **more})


def _evidence(facts: EvaluationFacts) -> dict[str, Any]:
    """Figures behind the verdict; a figure that is no number is None, since JSON has no NaN."""
    of = {"challenger": facts.challenger, "baseline": facts.baseline, "champion": facts.champion}
    figures = {who: None if metrics is None else _finite(_metric(facts, metrics)) for who, metrics in of.items()}
    small = sum(score.rows < SLICE_ROWS for values in facts.slices.values() for score in values.values())
    return {"primary": facts.primary, "rows": facts.rows, **figures, "champion_seen_rows": facts.champion_seen_rows,
            "slices_judged": len(_judged_slices(facts)), "slices_too_small": small}  # fmt: skip


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
