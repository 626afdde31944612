"""May the challenger go on? A chain of small policies over closed blocks; the first that has an opinion decides.

Everything is recomputed from the blocks at each look. The tests behind it hold however often one looks (see
`docs/statistics.md`), so a daemon may ask every minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidemill.spec.model_loop import Rollout, Step

from .judge import (
    LOSSES,
    MetricEvidence,
    PairedBlock,
    evidence,
    harm_threshold,
    mirror_threshold,
    split_evidence,
    split_threshold,
)
from .operation import OperationalBlock, failing, mirror_harm, pair_coverage
from .units import left_out, one_and_many, unit_figures, units
from .verdict import Reason, Verdict

__all__ = ["OperationalBlock", "PairedBlock", "RolloutAction", "RolloutFacts", "advance"]

LEAST_PAIR_COVERAGE = 0.8  # of the requests due to both versions; where fewer were scored, which ones is not by chance


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
    the challenger in the present step; `block_hours`: length of a block of outcomes; `unit`: the column by whose values
    the outcomes inside a block are parted, where there is one."""

    now: datetime
    started_at: datetime
    step_started_at: datetime
    step: int
    ready: bool
    ready_message: str
    artifact_changed: bool
    paired: tuple[PairedBlock, ...]
    operation: tuple[OperationalBlock, ...]
    step_outcomes: int
    approved: bool
    block_hours: int = 24
    unit: str | None = None


@dataclass(frozen=True)
class _Case:
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
        return self.facts.now >= self.facts.started_at + self.rollout.max_duration

    @property
    def needed(self) -> tuple[MetricEvidence, ...]:
        """What the present step is judged on: a shadow has no arm of its own, so that its errors are guarded alone."""
        return tuple(m for m in self.metrics if self.step.canary is not None or m.metric in LOSSES)

    @property
    def blocks(self) -> str:
        return _blocks(self, max((m.blocks for m in self.metrics if m.metric in LOSSES), default=0))

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
            **unit_figures(self.facts.unit, self.facts.paired),
        }
        return Verdict(action, reason, message, figures)


def advance(facts: RolloutFacts, rollout: Rollout) -> Verdict[RolloutAction]:
    """What to do with the challenger now. Deterministic; evidence is JSON-serialisable."""
    case = _Case(
        facts,
        rollout,
        evidence(rollout.judge, facts.paired, facts.operation, noisy=facts.block_hours < 24 or facts.unit is not None),
        split_evidence(facts.operation).running_max,
        mirror_harm(facts.operation).running_max,
    )
    policies = (
        _artifact_changed,  # what was judged is not what would serve
        _failing,  # nobody waits for a test where nothing works
        _worse,  # harm is acted on first, whatever else holds
        _fails_unseen,
        _sample_ratio,  # a broken split spoils every comparison
        _not_ready,  # what cannot answer goes nowhere
        _live_at_once,  # no steps were asked for
        _too_few_pairs,  # what both scored is no fair sample
        _sufficient,  # before expiry: evidence that suffices on the last day suffices
        _expired,  # always-valid tests have no futility stop of their own
    )
    found = (verdict for policy in policies if (verdict := policy(case)) is not None)
    return next(found, None) or case.verdict(RolloutAction.HOLD, Reason.GATHERING_EVIDENCE, _progress(case))


def _artifact_changed(case: _Case) -> Verdict[RolloutAction] | None:
    if not case.facts.artifact_changed:
        return None
    message = f"its files are not the registered ones ({case.facts.ready_message}); train again, do not repair them"
    return case.verdict(RolloutAction.ABORT, Reason.ARTIFACT_CHANGED, message)


def _failing(case: _Case) -> Verdict[RolloutAction] | None:
    block = failing(case.facts.operation)
    if block is None:
        return None
    message = (
        f"it failed {block.tried.failed:.0f} of {block.tried.keys:.0f} keys in the minutes from {block.id}, most in "
        f"the block before; of the champion's {block.beside.keys:.0f} failed {block.beside.failed:.0f}"
    )
    return case.verdict(RolloutAction.ABORT, Reason.WORSE, message)


def _fails_unseen(case: _Case) -> Verdict[RolloutAction] | None:
    threshold = mirror_threshold(case.rollout.judge)
    if case.e_mirror < threshold:
        return None
    mine = sum(block.mirrored.challenger_failed for block in case.facts.operation)
    other = sum(block.mirrored.champion_failed for block in case.facts.operation)
    message = (
        f"it failed {mine} requests that the champion answered, the champion {other} that it answered "
        f"(evidence {case.e_mirror:.3g}, {threshold:.3g} aborts)"
    )
    return case.verdict(RolloutAction.ABORT, Reason.WORSE, message)


def _worse(case: _Case) -> Verdict[RolloutAction] | None:
    threshold = harm_threshold(case.rollout.judge)
    for m in case.metrics:
        if m.e_harm >= threshold:
            message = (
                f"{m.metric} is worse than the champion's, by {_signed(m.difference)} over {m.n} "
                f"{_unit(m, case)} (evidence {m.e_harm:.3g}, {threshold:.3g} aborts){_left_out(case)}"
            )
            return case.verdict(RolloutAction.ABORT, Reason.WORSE, message)
    return None


def _sample_ratio(case: _Case) -> Verdict[RolloutAction] | None:
    if case.e_split < split_threshold(case.rollout.judge):
        return None
    split = [part for block in case.facts.operation for part in block.split]
    challenger = sum(part.challenger for part in split)
    total = challenger + sum(part.champion for part in split)
    weights = ", ".join(f"{weight:.0%}" for weight in sorted({part.weight for part in split}))
    message = (
        f"it answered {challenger} of {total} keys, which does not fit its weight ({weights}): "
        f"look at the data plane's routing before the next rollout (evidence {case.e_split:.3g})"
    )
    return case.verdict(RolloutAction.ABORT, Reason.SAMPLE_RATIO_MISMATCH, message)


def _not_ready(case: _Case) -> Verdict[RolloutAction] | None:
    if case.facts.ready:
        return None
    message = f"not ready: {case.facts.ready_message or 'the data plane has not loaded it yet'}"
    if not case.expired:
        return case.verdict(RolloutAction.HOLD, Reason.NOT_READY, message)
    action = RolloutAction.ABORT if case.rollout.on_inconclusive == "abort" else RolloutAction.PAUSE
    return case.verdict(action, Reason.NOT_READY, f"{message}; and the rollout's time is over")


def _live_at_once(case: _Case) -> Verdict[RolloutAction] | None:
    if case.rollout.steps:
        return None
    return _promote(case, Reason.ACCEPTED, "live at once: the rollout declares no steps")


def _too_few_pairs(case: _Case) -> Verdict[RolloutAction] | None:
    coverage = pair_coverage(case.facts.operation)
    if coverage is None or coverage >= LEAST_PAIR_COVERAGE or case.expired:
        return None
    message = (
        f"both versions scored {coverage:.0%} of the requests that both were to score, {LEAST_PAIR_COVERAGE:.0%} are "
        "needed: the mirror is overloaded; give the challenger more replicas, or mirror a smaller share"
    )
    return case.verdict(RolloutAction.HOLD, Reason.GATHERING_EVIDENCE, message)


def _sufficient(case: _Case) -> Verdict[RolloutAction] | None:
    alpha = case.rollout.judge.alpha
    if case.facts.step_outcomes < case.step.min_outcomes:
        return None
    if not all(m.non_inferior(alpha) for m in case.needed):
        return None
    shown = ", ".join(f"{m.metric} {_signed(m.difference)} (margin {m.margin:g})" for m in case.needed)
    message = f"no worse than the champion beyond its margins on {case.blocks}: {shown or 'no metric'}{_warning(case)}"
    if case.facts.step + 1 < len(case.rollout.steps):
        return case.verdict(RolloutAction.ADVANCE, Reason.NON_INFERIOR, message)
    return _promote(case, Reason.NON_INFERIOR, message)


def _promote(case: _Case, reason: Reason, message: str) -> Verdict[RolloutAction]:
    if case.rollout.approval == "manual" and not case.facts.approved:
        message = f"{message}; waits for a person: `tidemill approve` or `tidemill abort`"
        return case.verdict(RolloutAction.PAUSE, Reason.AWAITING_APPROVAL, message)
    return case.verdict(RolloutAction.PROMOTE, reason, message)


def _expired(case: _Case) -> Verdict[RolloutAction] | None:
    if not case.expired:
        return None
    message = f"{case.rollout.max_duration.days} days were not enough to decide: {_progress(case)}"
    if case.rollout.on_inconclusive == "abort":
        return case.verdict(RolloutAction.ABORT, Reason.INCONCLUSIVE, message)
    seen = any(block.pieces for block in case.facts.paired) or any(b.tried.keys for b in case.facts.operation)
    if seen and case.rollout.on_inconclusive == "promote":
        return _promote(case, Reason.INCONCLUSIVE, message)
    if seen and case.facts.approved:
        return case.verdict(RolloutAction.PROMOTE, Reason.APPROVED, f"approved by a person, though {message}")
    # No data is never success, whatever `onInconclusive` says.
    message = f"{message}; decide with `tidemill approve` or `tidemill abort`" if seen else f"no data; {message}"
    return case.verdict(RolloutAction.PAUSE, Reason.INCONCLUSIVE, message)


def _progress(case: _Case) -> str:
    """How far each condition of the present step is."""
    wanted = 1 / case.rollout.judge.alpha
    parts = [f"{case.facts.step_outcomes} of {case.step.min_outcomes} outcomes"]
    for m in case.needed:
        state = (
            "stands" if m.non_inferior(case.rollout.judge.alpha) else f"evidence {m.e_non_inferior:.2g} of {wanted:g}"
        )
        seen = _blocks(case, m.blocks) if m.metric in LOSSES else f"{m.n} keys"
        parts.append(f"{m.metric} {state} after {seen} ({_signed(m.difference)}, margin {m.margin:g})")
    return "; ".join(parts) + _left_out(case)


def _signed(difference: float | None) -> str:
    return "no figure" if difference is None else f"{difference:+.4f}"


def blocks(number: int, hours: int) -> str:
    """Such as "3 days" or "1 block of 4 h"."""
    if hours == 24:
        return "1 day" if number == 1 else f"{number} days"
    return f"{number} block{'' if number == 1 else 's'} of {hours} h"


def _blocks(case: _Case, number: int) -> str:
    return blocks(number, case.facts.block_hours) if case.facts.unit is None else units(number, case.facts.unit)


def _left_out(case: _Case) -> str:
    return "" if case.facts.unit is None else left_out(case.facts.unit, case.facts.paired)


def _unit(m: MetricEvidence, case: _Case) -> str:
    if m.metric not in LOSSES:
        return "keys"
    seen = _blocks(case, m.blocks)
    return f"requests of {seen}" if case.facts.unit is None else f"requests ({seen})"


def _warning(case: _Case) -> str:
    """What no test can see is said where one decides."""
    losses = [m for m in case.needed if m.metric in LOSSES and m.worst is not None]
    if not losses:
        return _left_out(case)
    m = min(losses, key=lambda each: each.blocks)
    unseen = m.unseen(case.rollout.judge.alpha)
    assert unseen is not None and m.worst is not None
    one, many = ("block", "blocks") if case.facts.unit is None else one_and_many(case.facts.unit)
    rarer = f"bad {many} rarer than {unseen:.0%} may not have come yet"
    return f"; the worst {one} was {m.worst:+.4f}, and {rarer}{_left_out(case)}"
