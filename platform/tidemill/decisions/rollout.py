"""May the challenger go on? A chain of small policies over closed blocks; the first that has an opinion decides.

Everything is recomputed from the blocks at each look. The tests behind it hold however often one looks (see
`docs/statistics.md`), so a daemon may ask every minute.
"""

from __future__ import annotations

from tidemill.spec.model_loop import Rollout

from . import rollout_words as words
from .judge import PairedBlock, evidence, harm_threshold, mirror_threshold, split_evidence, split_threshold
from .operation import OperationalBlock, failing, mirror_harm, pair_coverage
from .rollout_case import Case, RolloutAction, RolloutFacts
from .verdict import Reason, Verdict

__all__ = ["OperationalBlock", "PairedBlock", "RolloutAction", "RolloutFacts", "advance"]

LEAST_PAIR_COVERAGE = 0.8  # of the requests due to both versions; where fewer were scored, which ones is not by chance


def advance(facts: RolloutFacts, rollout: Rollout) -> Verdict[RolloutAction]:
    """What to do with the challenger now. Deterministic; evidence is JSON-serialisable."""
    case = Case(
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
    return next(found, None) or case.verdict(RolloutAction.HOLD, Reason.GATHERING_EVIDENCE, words.progress(case))


def _artifact_changed(case: Case) -> Verdict[RolloutAction] | None:
    if not case.facts.artifact_changed:
        return None
    return case.verdict(RolloutAction.ABORT, Reason.ARTIFACT_CHANGED, words.artifact_changed(case))


def _failing(case: Case) -> Verdict[RolloutAction] | None:
    found = failing(case.facts.operation)
    if found is None:
        return None
    return case.verdict(RolloutAction.ABORT, Reason.WORSE, words.failing(*found))


def _worse(case: Case) -> Verdict[RolloutAction] | None:
    threshold = harm_threshold(case.rollout.judge)
    found = next((m for m in case.metrics if m.e_harm >= threshold), None)
    return None if found is None else case.verdict(RolloutAction.ABORT, Reason.WORSE, words.worse(found, case))


def _fails_unseen(case: Case) -> Verdict[RolloutAction] | None:
    if case.e_mirror < mirror_threshold(case.rollout.judge):
        return None
    return case.verdict(RolloutAction.ABORT, Reason.WORSE, words.fails_unseen(case))


def _sample_ratio(case: Case) -> Verdict[RolloutAction] | None:
    if case.e_split < split_threshold(case.rollout.judge):
        return None
    return case.verdict(RolloutAction.ABORT, Reason.SAMPLE_RATIO_MISMATCH, words.sample_ratio(case))


def _not_ready(case: Case) -> Verdict[RolloutAction] | None:
    if case.facts.ready:
        return None
    action = RolloutAction.HOLD
    if case.expired:
        action = RolloutAction.ABORT if case.rollout.on_inconclusive == "abort" else RolloutAction.PAUSE
    return case.verdict(action, Reason.NOT_READY, words.not_ready(case))


def _live_at_once(case: Case) -> Verdict[RolloutAction] | None:
    if case.rollout.steps:
        return None
    return _promote(case, Reason.ACCEPTED, "live at once: the rollout declares no steps")


def _too_few_pairs(case: Case) -> Verdict[RolloutAction] | None:
    coverage = pair_coverage(case.facts.operation)
    if coverage is None or coverage >= LEAST_PAIR_COVERAGE:
        return None
    message = words.too_few_pairs(coverage, LEAST_PAIR_COVERAGE)
    if case.expired:  # time makes no fair sample of them
        return _undecided(case, words.expired(case, message), promotes=False)
    return case.verdict(RolloutAction.HOLD, Reason.GATHERING_EVIDENCE, message)


def _sufficient(case: Case) -> Verdict[RolloutAction] | None:
    if case.facts.step_outcomes < case.step.min_outcomes:
        return None
    if not all(m.non_inferior(case.rollout.judge.alpha) for m in case.needed):
        return None
    if case.facts.step + 1 < len(case.rollout.steps):
        return case.verdict(RolloutAction.ADVANCE, Reason.NON_INFERIOR, words.sufficient(case))
    return _promote(case, Reason.NON_INFERIOR, words.sufficient(case))


def _promote(case: Case, reason: Reason, message: str) -> Verdict[RolloutAction]:
    if case.rollout.approval == "manual" and case.facts.approved_at is None:
        message = f"{message}; waits for a person: `tidemill approve` or `tidemill abort`"
        return case.verdict(RolloutAction.PAUSE, Reason.AWAITING_APPROVAL, message)
    return case.verdict(RolloutAction.PROMOTE, reason, message)


def _expired(case: Case) -> Verdict[RolloutAction] | None:
    if not case.expired:
        return None
    return _undecided(case, words.expired(case, words.progress(case)), case.rollout.on_inconclusive == "promote")


def _undecided(case: Case, message: str, promotes: bool) -> Verdict[RolloutAction]:
    """How a rollout ends whose time is over. `promotes`: by itself, where there are data."""
    if case.rollout.on_inconclusive == "abort":
        return case.verdict(RolloutAction.ABORT, Reason.INCONCLUSIVE, message)
    seen = any(block.pieces for block in case.facts.paired) or any(b.tried.keys for b in case.facts.operation)
    if not seen:  # no data is never success, whatever `onInconclusive` says
        return case.verdict(RolloutAction.PAUSE, Reason.INCONCLUSIVE, f"no data; {message}")
    if promotes and (case.rollout.approval == "automatic" or case.decided_by_a_person):
        return case.verdict(RolloutAction.PROMOTE, Reason.INCONCLUSIVE, message)
    if case.decided_by_a_person:
        return case.verdict(RolloutAction.PROMOTE, Reason.APPROVED, f"approved by a person, though {message}")
    reason = Reason.AWAITING_APPROVAL if promotes else Reason.INCONCLUSIVE
    return case.verdict(RolloutAction.PAUSE, reason, f"{message}; {words.asked(case)}")
