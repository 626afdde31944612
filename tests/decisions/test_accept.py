from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.accept import SLICE_ALPHA, AcceptAction, EvaluationFacts, SliceScore, accept
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Accept

RULE = Accept()
NAN = float("nan")
GOOD = EvaluationFacts(5000, "log_loss", {"log_loss": 0.48}, {"log_loss": 0.52}, {"log_loss": 0.49})


def slices(**scores: SliceScore) -> dict[str, dict[str, SliceScore]]:
    return {"origin": dict(scores)}


def test_a_better_challenger_is_accepted_with_its_figures() -> None:
    verdict = accept(GOOD, RULE)
    assert (verdict.action, verdict.reason) == (AcceptAction.ACCEPT, Reason.ACCEPTED)
    assert "0.4800" in verdict.message
    json.dumps(verdict.evidence, allow_nan=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"challenger": {"log_loss": NAN}}, Reason.NOT_A_NUMBER),
        ({"challenger": {}}, Reason.NOT_A_NUMBER),
        ({"baseline": {"log_loss": NAN}}, Reason.NOT_A_NUMBER),
        ({"rows": 1999}, Reason.TOO_LITTLE_DATA),
        ({"baseline": {"log_loss": 0.47}}, Reason.NO_BETTER_THAN_BASELINE),
        ({"baseline": {"log_loss": 0.48}}, Reason.NO_BETTER_THAN_BASELINE),
        ({"champion": {"log_loss": 0.479}}, Reason.NO_BETTER_THAN_CHAMPION),
        ({"slices": slices(JFK=SliceScore(900, 0.60, 0.50, 0.01))}, Reason.SLICE_WORSE),
        ({"slices": slices(JFK=SliceScore(900, NAN, 0.50, 0.01))}, Reason.NOT_A_NUMBER),
    ],
)
def test_each_reason_to_reject(change: dict, reason: Reason) -> None:
    verdict = accept(replace(GOOD, **change), RULE)
    assert (verdict.action, verdict.reason) == (AcceptAction.REJECT, reason)
    json.dumps(verdict.evidence, allow_nan=False)


def test_the_minimum_gain_is_asked_of_champion_and_baseline() -> None:
    assert accept(GOOD, Accept(min_gain=0.02)).reason is Reason.NO_BETTER_THAN_CHAMPION
    assert accept(GOOD, Accept(min_gain=0.05)).reason is Reason.NO_BETTER_THAN_BASELINE
    assert accept(replace(GOOD, champion={"log_loss": 0.475}), Accept(min_gain=-0.01)).action is AcceptAction.ACCEPT


def test_the_first_model_has_only_the_baseline_to_beat() -> None:
    assert accept(replace(GOOD, champion=None), RULE).action is AcceptAction.ACCEPT


def test_a_champion_that_saw_the_hold_out_is_compared_in_the_rollout() -> None:
    flattered = replace(GOOD, champion={"log_loss": 0.40}, champion_seen_rows=3000)
    verdict = accept(flattered, RULE)
    assert verdict.action is AcceptAction.ACCEPT
    assert "rollout" in verdict.message


def test_a_champion_that_gives_no_number_is_beaten_by_any_that_does() -> None:
    assert accept(replace(GOOD, champion={"log_loss": NAN}), RULE).action is AcceptAction.ACCEPT


def test_a_challenger_within_the_noise_of_the_champion_gets_a_rollout() -> None:
    behind = replace(GOOD, champion={"log_loss": 0.475})  # 0.005 better than the challenger
    assert accept(behind, RULE).reason is Reason.NO_BETTER_THAN_CHAMPION
    assert accept(replace(behind, noise={"champion": 0.01}), RULE).action is AcceptAction.ACCEPT
    assert accept(replace(behind, noise={"champion": 0.001}), RULE).reason is Reason.NO_BETTER_THAN_CHAMPION


def test_noise_of_one_comparison_excuses_no_other() -> None:
    behind = replace(GOOD, champion={"log_loss": 0.475}, noise={"baseline": 1.0})
    assert accept(behind, RULE).reason is Reason.NO_BETTER_THAN_CHAMPION


def test_noise_is_allowed_for_only_where_a_champion_serves_meanwhile() -> None:
    """The first model of a loop has no rollout to pass: it beats the baseline outright or not at all."""
    behind = replace(GOOD, baseline={"log_loss": 0.475}, noise={"baseline": 0.01, "champion": 0.01})
    assert accept(behind, RULE).action is AcceptAction.ACCEPT
    first = accept(replace(behind, champion=None), RULE)
    assert (first.action, first.reason) == (AcceptAction.REJECT, Reason.NO_BETTER_THAN_BASELINE)
    assert "noise of 0.0000" in first.message


@pytest.mark.parametrize("error", [NAN, float("inf")])
def test_noise_that_is_not_known_excuses_nothing(error: float) -> None:
    behind = replace(GOOD, champion={"log_loss": 0.475}, noise={"champion": error})
    assert accept(behind, RULE).reason is Reason.NO_BETTER_THAN_CHAMPION


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.3, 0.7))
def test_more_noise_never_rejects_what_less_accepts(less: float, more: float, champion: float) -> None:
    low, high = sorted((less, more))
    facts = replace(GOOD, champion={"log_loss": champion})
    if accept(replace(facts, noise={"champion": low}), RULE).action is AcceptAction.ACCEPT:
        assert accept(replace(facts, noise={"champion": high}), RULE).action is AcceptAction.ACCEPT


def test_small_and_noisy_slices_get_the_benefit_of_the_doubt() -> None:
    small = slices(JFK=SliceScore(199, 0.9, 0.5, 0.01))
    noisy = slices(JFK=SliceScore(900, 0.60, 0.50, 0.06))
    unknown = slices(JFK=SliceScore(900, 0.60, 0.50, float("inf")))
    assert all(
        accept(replace(GOOD, slices=each), RULE).action is AcceptAction.ACCEPT for each in (small, noisy, unknown)
    )


def test_the_worst_slice_is_named() -> None:
    found = slices(JFK=SliceScore(900, 0.60, 0.50, 0.01), EWR=SliceScore(900, 0.70, 0.50, 0.01))
    verdict = accept(replace(GOOD, slices=found), RULE)
    assert "origin=EWR" in verdict.message
    assert set(verdict.evidence["worse"]) == {"origin=JFK", "origin=EWR"}


def test_a_challenger_at_the_tolerance_in_every_slice_is_rarely_rejected() -> None:
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(1000):
        noise = rng.normal(0, 0.02, 20)
        found = {f"s{n}": SliceScore(500, 0.5 + RULE.slice_tolerance + e, 0.5, 0.02) for n, e in enumerate(noise)}
        rejected += accept(replace(GOOD, slices={"s": found}), RULE).reason is Reason.SLICE_WORSE
    assert rejected / 1000 <= SLICE_ALPHA + 0.02


@given(
    challenger=st.floats(allow_nan=True, allow_infinity=True),
    champion=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    baseline=st.floats(allow_nan=True, allow_infinity=True),
    rows=st.integers(0, 10_000),
    always=st.booleans(),
)
def test_what_is_no_number_is_never_accepted(
    challenger: float, champion: float | None, baseline: float, rows: int, always: bool
) -> None:
    theirs = None if champion is None else {"log_loss": champion}
    facts = EvaluationFacts(rows, "log_loss", {"log_loss": challenger}, {"log_loss": baseline}, theirs)
    verdict = accept(facts, Accept(always=always))
    json.dumps(verdict.evidence, allow_nan=False)
    if verdict.action is AcceptAction.ACCEPT:
        assert np.isfinite(challenger)
        assert always or (rows >= RULE.min_rows and challenger < baseline)


def test_always_registers_whatever_predicts_numbers() -> None:
    bad = replace(GOOD, challenger={"log_loss": 3.0}, rows=1)
    assert accept(bad, Accept(always=True)).action is AcceptAction.ACCEPT
    assert accept(replace(bad, challenger={"log_loss": NAN}), Accept(always=True)).reason is Reason.NOT_A_NUMBER
