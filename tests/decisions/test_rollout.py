"""The rollout judge's policies, one test a rule; then what holds whatever the facts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_facts import CANARY, ROLLOUT, SHADOW, START, arm, arms, canary, facts, mirrored, paired, with_
from tidemill.decisions.judge import AT_LEVEL
from tidemill.decisions.operation import Counted
from tidemill.decisions.rollout import PairedBlock, RolloutAction, RolloutFacts, advance
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Judge, JudgeMetric, Rollout


def decided(facts: RolloutFacts, rollout: Rollout = ROLLOUT) -> tuple[RolloutAction, Reason]:
    verdict = advance(facts, rollout)
    return verdict.action, verdict.reason


def test_a_shadow_that_is_no_worse_advances() -> None:
    assert decided(facts()) == (RolloutAction.ADVANCE, Reason.NON_INFERIOR)


def test_a_canary_that_is_no_worse_is_promoted_after_the_last_step() -> None:
    assert decided(facts(CANARY)) == (RolloutAction.PROMOTE, Reason.NON_INFERIOR)


def test_evidence_without_the_minimum_of_outcomes_waits() -> None:
    assert decided(facts(step_outcomes=999)) == (RolloutAction.HOLD, Reason.GATHERING_EVIDENCE)


def test_outcomes_without_evidence_wait_and_the_message_says_how_far_it_is() -> None:
    verdict = advance(facts(paired=paired(0.0, 0.0, 0.0)), ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.HOLD, Reason.GATHERING_EVIDENCE)
    assert "5000 of 1000 outcomes" in verdict.message
    assert "log_loss evidence" in verdict.message
    assert "after 3 days" in verdict.message


def test_blocks_that_close_before_an_earlier_one_prove_nothing_good() -> None:
    calm = paired(*[0.0] * 12)
    behind = tuple(replace(block, in_order=block.id < "2013-03-04") for block in calm)
    verdict = advance(facts(paired=behind), ROLLOUT)
    assert verdict.action is RolloutAction.HOLD
    assert "after 12 days, of which 3 without a gap before them" in verdict.message


def test_blocks_count_in_the_order_of_their_events_and_not_of_their_labels() -> None:
    days = paired(0.2, 0.2, *[0.0] * 12)
    late = advance(facts(paired=(*days[2:], *days[:2])), ROLLOUT).evidence["metrics"][0]
    in_time = advance(facts(paired=days), ROLLOUT).evidence["metrics"][0]
    assert late["e_non_inferior"] == in_time["e_non_inferior"]


def test_harm_does_not_wait_for_an_earlier_block() -> None:
    behind = tuple(replace(block, in_order=False) for block in paired(*[0.1] * 7))
    assert decided(facts(paired=behind)) == (RolloutAction.ABORT, Reason.WORSE)


def test_a_canary_waits_for_its_own_errors_to_be_judged() -> None:
    assert decided(facts(CANARY, operation=arms(1)))[0] is RolloutAction.HOLD
    assert decided(facts(CANARY, operation=()))[0] is RolloutAction.HOLD


def test_a_worse_challenger_is_aborted_and_the_metric_named() -> None:
    verdict = advance(facts(paired=paired(*[0.1] * 7)), ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.ABORT, Reason.WORSE)
    assert "log_loss is worse" in verdict.message
    assert "6300 requests of 7 days" in verdict.message


def test_harm_comes_before_everything_that_speaks_for_it() -> None:
    failing = facts(CANARY, operation=arms(3, challenger=(90, 40)), approved_at=START)
    verdict = advance(failing, ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.ABORT, Reason.WORSE)
    assert "error_rate" in verdict.message


def test_slow_answers_are_judged_where_a_slo_is_declared() -> None:
    metrics = (JudgeMetric(metric="latency", margin=0.02, slo="50ms"),)
    rollout = with_(judge=Judge(metrics=metrics))
    slow = canary(arm(810, slow=8), arm(90, slow=45))
    assert decided(facts(CANARY, operation=(slow,) * 3), rollout) == (RolloutAction.ABORT, Reason.WORSE)


def test_a_broken_split_stops_the_rollout() -> None:
    broken = arms(3, champion=(450, 0), challenger=(450, 0))
    assert decided(facts(CANARY, operation=broken)) == (RolloutAction.ABORT, Reason.SAMPLE_RATIO_MISMATCH)


def test_mirrored_answers_have_no_split_to_be_broken() -> None:
    unsplit = tuple(replace(block, split=()) for block in arms(3, champion=(900, 0), challenger=(900, 0)))
    assert decided(facts(operation=unsplit))[1] is not Reason.SAMPLE_RATIO_MISMATCH


def test_a_shadow_that_fails_is_aborted_within_two_blocks_without_a_label() -> None:
    without = {"paired": (), "step_outcomes": 0}
    assert decided(facts(operation=mirrored(1, 100, 90), **without))[0] is RolloutAction.HOLD, "may be one bad batch"
    verdict = advance(facts(operation=mirrored(2, 100, 90), **without), ROLLOUT)
    assert (verdict.action, verdict.reason) == (RolloutAction.ABORT, Reason.WORSE)
    assert "failed 90 of 100 keys" in verdict.message


def test_a_canary_that_fails_every_request_is_aborted_within_two_blocks() -> None:
    failing = arms(2, challenger=(90, 90))
    assert decided(facts(CANARY, operation=failing, paired=())) == (RolloutAction.ABORT, Reason.WORSE)


def test_an_outage_of_both_versions_is_not_the_challengers_fault() -> None:
    both = tuple(replace(block, beside=block.tried) for block in mirrored(4, 100, 0))
    down = tuple(replace(block, tried=Counted(100, 100), beside=Counted(100, 100)) for block in both)
    assert decided(facts(operation=down, paired=(), step_outcomes=0))[0] is RolloutAction.HOLD


def test_a_shadow_that_fails_a_little_more_often_is_aborted_by_its_evidence() -> None:
    assert decided(facts(operation=mirrored(4, 400, 8), paired=()))[0] is RolloutAction.ABORT
    assert decided(facts(operation=mirrored(4, 400, 4, 4), paired=()))[0] is RolloutAction.HOLD


def test_failures_of_a_shadow_are_guarded_though_no_metric_names_them() -> None:
    losses_alone = with_(judge=Judge(metrics=(JudgeMetric(metric="log_loss", margin=0.02),)))
    assert decided(facts(operation=mirrored(4, 400, 8)), losses_alone) == (RolloutAction.ABORT, Reason.WORSE)


def test_what_few_pairs_say_is_no_fair_sample() -> None:
    verdict = advance(facts(operation=mirrored(3, 100, 0, due=300)), ROLLOUT)
    assert verdict.action is RolloutAction.HOLD
    assert "33% of the requests" in verdict.message
    assert decided(facts(operation=mirrored(3, 100, 0, due=120)))[0] is RolloutAction.ADVANCE


def test_what_no_test_can_see_is_said_where_one_decides() -> None:
    verdict = advance(facts(paired=paired(*[0.0] * 11, 0.013)), ROLLOUT)
    assert verdict.action is RolloutAction.ADVANCE
    assert "the worst block was +0.0130" in verdict.message
    assert "rarer than 22%" in verdict.message


def test_a_changed_artifact_is_aborted_whatever_was_judged() -> None:
    assert decided(facts(ready=False, artifact_changed=True)) == (RolloutAction.ABORT, Reason.ARTIFACT_CHANGED)


def test_what_is_not_ready_waits_and_is_given_up_when_time_is_over() -> None:
    late = START + ROLLOUT.max_duration
    assert decided(facts(ready=False)) == (RolloutAction.HOLD, Reason.NOT_READY)
    assert decided(facts(ready=False, now=late)) == (RolloutAction.PAUSE, Reason.NOT_READY)
    assert decided(facts(ready=False, now=late), with_(on_inconclusive="promote"))[0] is RolloutAction.PAUSE
    assert decided(facts(ready=False, now=late), with_(on_inconclusive="abort"))[0] is RolloutAction.ABORT


def test_manual_approval_waits_for_a_person_and_only_before_promotion() -> None:
    manual = with_(approval="manual")
    assert decided(facts(), manual)[0] is RolloutAction.ADVANCE
    assert decided(facts(CANARY), manual) == (RolloutAction.PAUSE, Reason.AWAITING_APPROVAL)
    assert decided(facts(CANARY, approved_at=START), manual) == (RolloutAction.PROMOTE, Reason.NON_INFERIOR)


def test_approval_is_no_substitute_for_evidence() -> None:
    early = facts(CANARY, paired=paired(0.0), approved_at=START)
    assert decided(early, with_(approval="manual"))[0] is RolloutAction.HOLD


def test_without_steps_a_ready_challenger_is_live_at_once() -> None:
    assert decided(facts(paired=(), step_outcomes=0), with_(steps=())) == (RolloutAction.PROMOTE, Reason.ACCEPTED)
    assert decided(facts(ready=False), with_(steps=()))[0] is RolloutAction.HOLD


def test_a_decision_reached_stands_through_indifferent_days() -> None:
    assert decided(facts(paired=paired(*[0.0] * 12, *[0.025] * 4)))[0] is RolloutAction.ADVANCE


def test_rare_catastrophes_that_winsorising_hides_are_seen_by_the_plain_mean() -> None:
    hidden = facts(paired=paired(*[-0.01] * 9, 0.5))
    assert advance(hidden, ROLLOUT).evidence["metrics"][0]["e_non_inferior"] > 20
    assert decided(hidden)[0] is RolloutAction.HOLD


def test_a_score_that_is_no_number_never_speaks_for_promotion() -> None:
    assert decided(facts(paired=paired(*[0.0] * 12, float("nan"))))[0] is RolloutAction.HOLD


def test_a_metric_that_was_not_measured_never_passes() -> None:
    unmeasured = tuple(replace(block, differences={"brier": 0.0}) for block in paired(*[0.0] * 12))
    assert decided(facts(paired=unmeasured))[0] is RolloutAction.HOLD


def both_ways(served: Sequence[float], level: Sequence[float]) -> tuple[PairedBlock, ...]:
    """Days on which the challenger lost `served` as it answered, and `level` when moved to the champion's level."""
    return tuple(
        replace(block, differences={"log_loss": s, "log_loss" + AT_LEVEL: at_level})
        for block, s, at_level in zip(paired(*served), served, level, strict=True)
    )


STORMS_AND_CALM = [0.2, -0.22] * 6  # whoever expects more delays wins on one day and loses on the next


def test_what_is_no_worse_at_equal_level_goes_on_though_its_level_swings_with_the_weather() -> None:
    swinging = both_ways(STORMS_AND_CALM, [-0.005] * 12)
    assert decided(facts(paired=paired(*STORMS_AND_CALM)))[0] is RolloutAction.HOLD
    assert decided(facts(paired=swinging)) == (RolloutAction.ADVANCE, Reason.NON_INFERIOR)
    assert decided(facts(CANARY, paired=swinging)) == (RolloutAction.PROMOTE, Reason.NON_INFERIOR)


def test_a_level_that_users_pay_for_blocks_promotion_even_if_nothing_else_is_wrong() -> None:
    mean_beyond_margin = [0.2, -0.15] * 6
    verdict = advance(facts(CANARY, paired=both_ways(mean_beyond_margin, [-0.005] * 12)), ROLLOUT)
    (metric, *_) = verdict.evidence["metrics"]
    assert verdict.action is RolloutAction.HOLD
    assert metric["e_non_inferior"] > metric["needed"]
    assert metric["difference"] == pytest.approx(0.025)


def test_harm_at_equal_level_aborts_though_as_served_it_looks_better() -> None:
    lucky = both_ways([-0.05] * 8, [0.1] * 8)
    assert decided(facts(paired=lucky)) == (RolloutAction.ABORT, Reason.WORSE)
    assert decided(facts(paired=paired(*[-0.05] * 8)))[0] is RolloutAction.ADVANCE


def test_harm_as_served_aborts_though_at_equal_level_nothing_is_wrong() -> None:
    assert decided(facts(paired=both_ways([0.1] * 8, [-0.05] * 8))) == (RolloutAction.ABORT, Reason.WORSE)


@given(st.lists(st.floats(-0.1, 0.15), max_size=15))
@settings(max_examples=60, deadline=None)
def test_levels_that_are_equal_anyhow_change_no_verdict(days: list[float]) -> None:
    same = advance(facts(paired=both_ways(days, days)), ROLLOUT)
    assert same == advance(facts(paired=paired(*days)), ROLLOUT)


differences = st.lists(st.floats(-0.1, 0.15), max_size=15)
some_arm = st.builds(
    lambda n, bad: arm(n, min(n, bad), min(n, bad)), st.integers(0, 900), st.sampled_from([0, 0, 1, 30])
)
arm_blocks = st.lists(st.builds(canary, some_arm, some_arm), max_size=4)
any_facts = st.builds(
    lambda step, days, arms, outcomes, now, approved: facts(
        step,
        paired=paired(*days),
        operation=tuple(arms),
        step_outcomes=outcomes,
        now=START + timedelta(days=now),
        approved_at=START + timedelta(days=now) if approved else None,
    ),
    st.sampled_from([SHADOW, CANARY]),
    differences | st.lists(st.floats(-0.02, 0.01), min_size=8, max_size=15),
    arm_blocks | st.integers(0, 8).map(arms),
    st.sampled_from([0, 499, 500, 1000, 9000]),
    st.integers(0, 40),
    st.booleans(),
)
onward = (RolloutAction.ADVANCE, RolloutAction.PROMOTE)


@given(any_facts)
@settings(max_examples=100, deadline=None)
def test_the_verdict_is_deterministic_and_its_evidence_is_json(facts: RolloutFacts) -> None:
    verdict = advance(facts, ROLLOUT)
    assert verdict == advance(facts, ROLLOUT)
    assert json.loads(json.dumps(verdict.evidence, allow_nan=False))["step"] == facts.step
    assert verdict.message


@given(any_facts, st.floats(0.021, 4), st.sampled_from(["pause", "promote", "abort"]))
@settings(max_examples=100, deadline=None)
def test_a_harmful_day_never_turns_waiting_into_going_on(facts: RolloutFacts, harm: float, policy: str) -> None:
    rollout = with_(on_inconclusive=policy)
    if advance(facts, rollout).action in onward:
        return
    day = PairedBlock("2013-05-01", 900, {"log_loss": harm, "brier": harm})
    if facts.paired:  # the first day of all makes data out of none, which `onInconclusive: promote` asked for
        assert advance(replace(facts, paired=(*facts.paired, day)), rollout).action not in onward
    failing = arms(1, challenger=(90, 60))
    if facts.operation or facts.paired:
        assert advance(replace(facts, operation=(*facts.operation, *failing)), rollout).action not in onward


@given(any_facts, st.sampled_from(["pause", "promote", "abort"]))
@settings(max_examples=60, deadline=None)
def test_no_data_never_advances(facts: RolloutFacts, policy: str) -> None:
    empty = replace(facts, paired=(), operation=(), step_outcomes=0)
    assert advance(empty, with_(on_inconclusive=policy)).action not in onward


def first_verdict(days: Sequence[float]) -> tuple[RolloutAction, int]:
    """The judge asked after every day of shadow, as a daemon asks it."""
    for count in range(1, len(days) + 1):
        action = advance(facts(paired=paired(*days[:count])), ROLLOUT).action
        if action is not RolloutAction.HOLD:
            return action, count
    return RolloutAction.HOLD, len(days)


@pytest.mark.parametrize(
    ("difference", "spread", "wrong"),
    [(0.02, 0.015, RolloutAction.ADVANCE), (0.04, 0.03, RolloutAction.ADVANCE), (0.0, 0.03, RolloutAction.ABORT)],
)
def test_the_whole_chain_looked_at_daily_is_wrong_no_oftener_than_alpha(
    difference: float, spread: float, wrong: RolloutAction
) -> None:
    rng = np.random.default_rng(11)
    runs = [first_verdict(difference + spread * rng.standard_normal(28))[0] for _ in range(80)]
    assert runs.count(wrong) <= 80 * 0.05 + 4


def test_exactly_as_many_outcomes_as_are_asked_for_suffice() -> None:
    assert decided(facts(step_outcomes=1000))[0] is RolloutAction.ADVANCE
    assert decided(facts(CANARY, step_outcomes=500))[0] is RolloutAction.PROMOTE
    assert decided(facts(CANARY, step_outcomes=499))[0] is RolloutAction.HOLD


def test_a_step_that_was_taken_out_of_the_spec_is_the_last_one_there_is() -> None:
    assert decided(facts(5, operation=arms(7))) == (RolloutAction.PROMOTE, Reason.NON_INFERIOR)
    assert decided(facts(1, operation=()), with_(steps=ROLLOUT.steps[:1])) == (
        RolloutAction.PROMOTE,
        Reason.NON_INFERIOR,
    )


def test_the_evidence_of_a_verdict_holds_every_figure_that_a_policy_looked_at() -> None:
    figures = advance(facts(operation=mirrored(2, 90, 1, 2, due=100), block_hours=4), ROLLOUT).evidence
    assert (figures["step"], figures["step_outcomes"], figures["blocks"], figures["block_hours"]) == (0, 5000, 12, 4)
    assert (figures["operational_blocks"], figures["pair_coverage"]) == (2, 0.9)
    assert figures["sample_ratio_at"] == figures["mirror_failures_at"] == pytest.approx(200)
    assert (figures["e_sample_ratio"], figures["e_mirror_failures"]) == (1, 1)
    assert [metric["metric"] for metric in figures["metrics"]] == ["log_loss", "error_rate"]
    assert figures["metrics"][0]["harm_at"] == pytest.approx(50)


def test_blocks_shorter_than_a_day_are_judged_as_noisy() -> None:
    swinging = paired(*[-0.11, 0.1] * 6)
    day, hours = (advance(facts(paired=swinging, block_hours=n), ROLLOUT).evidence["metrics"][0] for n in (24, 23))
    assert day["e_non_inferior"] != hours["e_non_inferior"]


def test_the_first_metric_that_is_worse_is_named_and_harm_counts_in_a_step_that_does_not_need_it() -> None:
    both = facts(operation=arms(3, challenger=(90, 40)), paired=paired(*[0.1] * 7))
    assert advance(both, ROLLOUT).message.startswith("log_loss is worse")
    rates = advance(facts(operation=arms(3, challenger=(90, 40))), ROLLOUT)
    assert (rates.reason, rates.message.split()[0]) == (Reason.WORSE, "error_rate")
