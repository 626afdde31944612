"""Is a challenger worth a rollout? Judged on a hold-out that is later than all it was trained on.

The rollout decides later, on live outcomes, whether it is safe; here the question is whether it is promising. So where
a rollout follows, a challenger is given the benefit of the hold-out's noise, and each slice the benefit of its own: one
week is few days, and among twenty slices one is always unlucky. The first model of a loop has no rollout to pass: it
has to beat the baseline outright.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from statistics import NormalDist
from typing import Any

from tidemill.spec.model_loop import Accept

from .verdict import Reason, Verdict

SLICE_ROWS = 200  # fewer rows say nothing of a difference of .02 in log loss: its standard error is about that
SLICE_ALPHA = 0.05  # chance, over all slices together, that a challenger equal to the champion + tolerance is rejected


class AcceptAction(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True)
class SliceScore:
    """One value of a slicing column: the primary metric of both on the same rows, and `standard_error` of the mean of
    their row-by-row difference (of daily means, where the hold-out has several days: rows of one day are correlated).
    """

    rows: int
    challenger: float
    champion: float
    standard_error: float


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
    noise: Mapping[str, float] = field(default_factory=dict)
    """Standard error of the mean difference (of daily means) to `champion` and to `baseline`; absent: none allowed."""


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
    gain = _gain(facts, facts.baseline)
    allowed = 0.0 if facts.champion is None else _allowance(facts, "baseline")
    if gain + allowed > 0 and gain + allowed >= rule.min_gain:
        return None
    return _reject(facts, Reason.NO_BETTER_THAN_BASELINE, _comparison(facts, "baseline", facts.baseline, rule))


def _no_better_than_champion(facts: EvaluationFacts, rule: Accept) -> Verdict[AcceptAction] | None:
    if facts.champion is None or facts.champion_seen_rows > 0 or not isfinite(_metric(facts, facts.champion)):
        return None  # none to beat, none to compare fairly with, or one that any finite challenger beats
    if _gain(facts, facts.champion) + _allowance(facts, "champion") >= rule.min_gain:
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
    allowance = NormalDist().inv_cdf(1 - SLICE_ALPHA / len(judged)) if judged else 0.0
    worse = [
        (score.challenger - score.champion, name, score)
        for name, score in judged
        if score.challenger - score.champion - allowance * score.standard_error > rule.slice_tolerance
    ]
    if not worse:
        return None
    difference, name, score = max(worse, key=lambda item: item[0])
    message = (
        f"{facts.primary} for {name} is {difference:.4f} worse than the champion's ({score.rows} rows); "
        f"sliceTolerance is {rule.slice_tolerance:g}, beyond noise of {allowance * score.standard_error:.4f}."
    )
    return _reject(facts, Reason.SLICE_WORSE, message, worse=[name for _, name, _ in worse])


POLICIES: tuple[Policy, ...] = (
    _too_little_data,
    _no_better_than_baseline,  # a model that a heuristic beats is not worth its keep, champion or not
    _no_better_than_champion,
    _slice_worse,  # a gain on average that somebody pays for
)


def _allowance(facts: EvaluationFacts, other: str) -> float:
    """How far noise alone may push the gain down: the one-sided 95% bound of the mean of daily differences."""
    error = facts.noise.get(other, 0.0)
    return NormalDist().inv_cdf(1 - SLICE_ALPHA) * error if isfinite(error) else 0.0


def _judged_slices(facts: EvaluationFacts) -> list[tuple[str, SliceScore]]:
    """Large enough, and the champion's figures are numbers. A standard error that is none counts as infinite noise."""
    return [
        (f"{column}={value}", score)
        for column, values in facts.slices.items()
        for value, score in values.items()
        if score.rows >= SLICE_ROWS and isfinite(score.champion) and isfinite(score.standard_error)
    ]


def _metric(facts: EvaluationFacts, metrics: Mapping[str, float]) -> float:
    return float(metrics.get(facts.primary, float("nan")))


def _gain(facts: EvaluationFacts, other: Mapping[str, float]) -> float:
    return _metric(facts, other) - _metric(facts, facts.challenger)


def _comparison(facts: EvaluationFacts, name: str, other: Mapping[str, float], rule: Accept) -> str:
    return (
        f"{facts.primary} of the challenger is {_metric(facts, facts.challenger):.4f}, of the {name} "
        f"{_metric(facts, other):.4f}, on {facts.rows} rows; accept.minGain is {rule.min_gain:g}, beyond noise of "
        f"{0.0 if facts.champion is None else _allowance(facts, name):.4f}."
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
