"""How a rollout ends whose time is over, and what a person's approval is worth then."""

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_facts import CANARY, ROLLOUT, START, arms, facts, mirrored, paired, with_
from tidemill.decisions.rollout import RolloutAction, RolloutFacts, advance
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Rollout

LATE = START + ROLLOUT.max_duration


def decided(facts: RolloutFacts, rollout: Rollout = ROLLOUT) -> tuple[RolloutAction, Reason]:
    verdict = advance(facts, rollout)
    return verdict.action, verdict.reason


@pytest.mark.parametrize(("policy", "action"), [("pause", "pause"), ("abort", "abort"), ("promote", "promote")])
def test_what_cannot_be_decided_in_time_ends_as_declared(policy: str, action: str) -> None:
    undecided = facts(paired=paired(*[0.02, -0.01] * 3), now=START + ROLLOUT.max_duration)
    assert decided(undecided, with_(on_inconclusive=policy)) == (RolloutAction(action), Reason.INCONCLUSIVE)


def test_no_data_is_never_success_even_where_the_inconclusive_is_promoted() -> None:
    nothing = facts(paired=(), step_outcomes=0, now=LATE, approved_at=LATE)
    assert decided(nothing, with_(on_inconclusive="promote")) == (RolloutAction.PAUSE, Reason.INCONCLUSIVE)


def test_a_person_may_decide_what_the_evidence_could_not() -> None:
    undecided = facts(paired=paired(*[0.02, -0.01] * 3), now=LATE, approved_at=LATE)
    assert decided(undecided) == (RolloutAction.PROMOTE, Reason.APPROVED)


@pytest.mark.parametrize("policy", ["pause", "promote"])
def test_an_approval_before_the_time_is_over_is_none_of_what_the_evidence_could_not_decide(policy: str) -> None:
    undecided = facts(paired=paired(*[0.02, -0.01] * 3), now=LATE, approved_at=LATE - timedelta(seconds=1))
    verdict = advance(undecided, with_(approval="manual", on_inconclusive=policy))
    assert verdict.action is RolloutAction.PAUSE
    assert "an approval from before that counts for evidence that suffices alone" in verdict.message


def test_an_early_approval_stands_for_evidence_that_suffices_later() -> None:
    assert decided(facts(CANARY, now=LATE, approved_at=START), with_(approval="manual")) == (
        RolloutAction.PROMOTE,
        Reason.NON_INFERIOR,
    )


def test_evidence_that_suffices_on_the_last_day_suffices() -> None:
    assert decided(facts(now=START + ROLLOUT.max_duration))[0] is RolloutAction.ADVANCE


def test_the_time_is_over_at_the_end_of_its_duration() -> None:
    undecided = {"paired": paired(0.0, 0.0)}
    end = START + ROLLOUT.max_duration
    assert decided(facts(now=end - timedelta(seconds=1), **undecided))[0] is RolloutAction.HOLD
    assert decided(facts(now=end, **undecided))[0] is RolloutAction.PAUSE


def test_pairs_are_too_few_below_four_in_five_however_much_time_has_gone() -> None:
    few = mirrored(3, 79, 0, due=100)
    assert decided(facts(operation=few)) == (RolloutAction.HOLD, Reason.GATHERING_EVIDENCE)
    assert decided(facts(operation=mirrored(3, 80, 0, due=100)))[0] is RolloutAction.ADVANCE
    verdict = advance(facts(operation=few, now=START + ROLLOUT.max_duration), ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.PAUSE, Reason.INCONCLUSIVE)
    assert "both versions scored 79% of the requests" in verdict.message


@pytest.mark.parametrize(("policy", "action"), [("pause", "pause"), ("abort", "abort"), ("promote", "pause")])
def test_too_few_pairs_are_never_promoted_by_time(policy: str, action: str) -> None:
    few = facts(CANARY, operation=(*arms(7), *mirrored(3, 79, 0, due=100)), now=START + ROLLOUT.max_duration)
    assert decided(few, with_(on_inconclusive=policy)) == (RolloutAction(action), Reason.INCONCLUSIVE)


def test_a_person_may_promote_on_too_few_pairs() -> None:
    late = START + ROLLOUT.max_duration
    few = facts(CANARY, operation=(*arms(7), *mirrored(3, 79, 0, due=100)), now=late, approved_at=late)
    assert decided(few) == (RolloutAction.PROMOTE, Reason.APPROVED)


def test_keys_that_were_tried_are_data_though_no_outcome_came() -> None:
    late = {"paired": (), "step_outcomes": 0, "now": START + ROLLOUT.max_duration}
    assert decided(facts(operation=mirrored(1, 100, 0), **late), with_(on_inconclusive="promote"))[0] is (
        RolloutAction.PROMOTE
    )
    assert decided(facts(operation=mirrored(1, 0, 0), **late), with_(on_inconclusive="promote"))[0] is (
        RolloutAction.PAUSE
    )


def test_what_time_promotes_waits_for_a_person_where_approval_is_manual() -> None:
    late = facts(paired=paired(*[0.02, -0.01] * 3), now=START + ROLLOUT.max_duration)
    manual = with_(on_inconclusive="promote", approval="manual")
    assert decided(late, manual) == (RolloutAction.PAUSE, Reason.AWAITING_APPROVAL)
    assert decided(replace(late, approved_at=LATE), manual) == (RolloutAction.PROMOTE, Reason.INCONCLUSIVE)
