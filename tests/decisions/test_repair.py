"""A correction serves while its paired gain stands for it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill.decisions.repair import RepairAction, RepairBlock, repair
from tidemill.decisions.verdict import Reason


def blocks(*gains: float) -> list[RepairBlock]:
    return [RepairBlock(f"day-{index:03}", 900, float(gain)) for index, gain in enumerate(gains)]


def days_on(gains: list[float]) -> list[bool]:
    """Whether the correction serves after each day, asked every day."""
    states: list[bool] = []
    for end in range(1, len(gains) + 1):
        verdict = repair(blocks(*gains[:end]), serving=bool(states) and states[-1])
        states.append(verdict.action is RepairAction.SERVE)
    return states


def noisy(seed: int, gain: float, days: int) -> list[float]:
    return [float(x) for x in gain + 0.015 * np.random.default_rng(seed).standard_normal(days)]


any_gains = st.lists(st.floats(-0.1, 0.1) | st.just(math.nan), max_size=25)


def test_without_blocks_it_never_serves() -> None:
    verdict = repair([], serving=False)
    assert (verdict.action, verdict.reason) == (RepairAction.WITHDRAW, Reason.NOT_EARNED)
    assert repair([], serving=True).action is RepairAction.WITHDRAW
    assert verdict.evidence == {"blocks": 0, "gain": 0.0, "e": 1.0, "serves_above": 1.0, "withdrawn_below": 0.25}
    assert "after 0 days, mean gain +0.0000" in verdict.message


def test_a_correction_that_turns_harmful_is_withdrawn() -> None:
    for seed in range(10):
        gains = noisy(seed, 0.015, 40) + noisy(100 + seed, -0.015, 20)
        states = days_on(gains)
        assert states[39]
        assert not states[-1]


def test_the_verdict_says_why() -> None:
    good = [0.01] * 12
    assert repair(blocks(*good), serving=False).reason is Reason.EARNED
    turned = repair(blocks(*good, *[-0.01] * 12), serving=True)
    assert (turned.action, turned.reason) == (RepairAction.WITHDRAW, Reason.WITHDRAWN)
    assert repair(blocks(*good, *[-0.01] * 12), serving=False).reason is Reason.NOT_EARNED


def test_after_a_withdrawal_it_can_earn_its_place_again() -> None:
    assert days_on([0.01] * 12 + [-0.01] * 12 + [0.01] * 20)[-1]


def test_a_correction_that_harms_at_first_may_earn_its_place_later() -> None:
    assert True in days_on(noisy(1, -0.004, 20) + noisy(2, 0.015, 25))


@given(any_gains, any_gains)
@settings(max_examples=60, deadline=None)
def test_it_is_predictable_what_was_decided_does_not_depend_on_what_came_later(
    past: list[float], future: list[float]
) -> None:
    assert days_on(past + future)[: len(past)] == days_on(past)


@given(any_gains, st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_action_depends_on_the_blocks_alone_and_its_evidence_is_json(gains: list[float], serving: bool) -> None:
    verdict = repair(blocks(*gains), serving)
    assert verdict.action is repair(blocks(*gains), not serving).action
    assert json.loads(json.dumps(verdict.evidence, allow_nan=False))["e"] >= 0


@given(any_gains, st.integers(-8, 8).map(lambda power: 2.0**power))
@settings(max_examples=60, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(gains: list[float], unit: float) -> None:
    exact = [round(gain, 3) for gain in gains if math.isfinite(gain)]
    assert days_on(exact) == days_on([gain * unit for gain in exact])


@given(st.lists(st.floats(-0.1, 0), max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_correction_that_never_gains_never_serves(gains: list[float]) -> None:
    assert not any(days_on(gains))


def test_the_first_gain_sets_the_scale_and_is_not_bet_on() -> None:
    assert days_on([10.0]) == [False]
    assert days_on([0.01, 0.01]) == [False, True]


def test_nothing_goes_live_on_a_negative_mean_gain() -> None:
    """The evidence does not count the first day, and is above 1 after a good second one."""
    harmed = repair(blocks(-0.0107, 0.0093), serving=False)
    assert (harmed.action, harmed.reason) == (RepairAction.WITHDRAW, Reason.NOT_EARNED)
    assert harmed.evidence["e"] > 1
    assert harmed.evidence["gain"] == pytest.approx(-0.0007)
    assert days_on([-0.0107, 0.0093, 0.002]) == [False, False, True]


def test_a_correction_that_serves_is_withdrawn_by_the_evidence_not_by_the_mean() -> None:
    """One terrible day, cut like any other, ends nothing that has earned its place."""
    assert days_on([0.01] * 6 + [-0.5])[-1]


def test_a_useful_correction_serves_most_of_the_time() -> None:
    on = [np.mean(days_on(noisy(seed, 0.01, 40))) for seed in range(20)]
    assert np.mean(on) >= 0.85


def test_a_useless_correction_has_few_spells_of_serving_however_long_one_looks() -> None:
    """Doob's upcrossing inequality: at most a third of a return in expectation, and the first spell."""
    spells = []
    for seed in range(20):
        states = days_on(noisy(seed, 0.0, 120))
        spells.append(sum(now and not before for before, now in zip([False, *states], states, strict=False)))
    assert np.mean(spells) <= 4 / 3


def test_a_harmful_correction_is_withdrawn_and_stays_so() -> None:
    on = [np.mean(days_on(noisy(seed, -0.01, 60))) for seed in range(20)]
    assert np.mean(on) <= 0.1


def test_the_evidence_by_hand() -> None:
    """A gain is cut at twice the mean size of those before it; five bettors stake from .05 to .8."""
    bets = (0.05, 0.1, 0.2, 0.4, 0.8)
    values = [0.01 / 0.02, -0.02 / 0.02, 1.0]  # the scale is .02, then .02, then 2 (.01 + .01 + .02) / 3
    expected = sum(math.prod(1 + bet * value for value in values) for bet in bets) / 5
    verdict = repair(blocks(0.01, 0.01, -0.02, 0.5), serving=False)
    assert verdict.evidence["e"] == pytest.approx(expected)
    assert verdict.evidence["gain"] == pytest.approx(0.125)


def test_winnings_beyond_four_are_given_away() -> None:
    assert repair(blocks(*[0.01] * 60), serving=True).evidence["e"] == pytest.approx(4)
    lost = repair(blocks(*[0.01] * 60, -0.01), serving=True).evidence["e"]
    assert 2 < lost < 4


def test_a_gain_of_nothing_earns_nothing_and_days_without_outcomes_do_not_count() -> None:
    assert repair(blocks(0.0, 0.0, 0.0), serving=False).reason is Reason.NOT_EARNED
    empty = [RepairBlock("x", 0, 0.5), RepairBlock("y", 900, math.inf), RepairBlock("z", 1, 0.02)]
    verdict = repair([*blocks(0.01), *empty], serving=False)
    assert verdict.evidence["blocks"] == 2
    assert "after 2 days, mean gain +0.0150" in verdict.message


def test_between_the_bars_it_stays_what_it_was() -> None:
    """A serving correction that loses a little serves on; one that never served does not begin."""
    losing = [0.02] * 3 + [-0.02] * 2
    verdict = repair(blocks(*losing), serving=True)
    assert 0.5 < verdict.evidence["e"] < 1.6
    assert verdict.action is RepairAction.SERVE
    below = repair(blocks(0.01, -0.005, -0.005), serving=False)
    assert 0.5 < below.evidence["e"] < 1
    assert below.action is RepairAction.WITHDRAW


def test_the_message_tells_whether_it_serves_already() -> None:
    good = blocks(*[0.01] * 12)
    assert repair(good, serving=True).message.startswith("the correction serves: evidence 4 after 12 days")
    assert repair(good, serving=False).message.startswith("the correction has earned its place")
