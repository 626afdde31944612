from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.accept import GAIN_ALPHA, SLICE_ALPHA, AcceptAction, EvaluationFacts, SliceScore, accept
from tidemill.decisions.verdict import Reason
from tidemill.spec.model_loop import Accept
from tidemill.stats.daily import UNKNOWN, Noise, daily_noise

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
        ({"slices": slices(JFK=SliceScore(900, 0.60, 0.50, Noise(0.01, 7)))}, Reason.SLICE_WORSE),
        ({"slices": slices(JFK=SliceScore(900, NAN, 0.50, Noise(0.01, 7)))}, Reason.NOT_A_NUMBER),
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


@pytest.mark.parametrize("rows", [1, 3000])
def test_slices_are_left_to_the_rollout_where_the_champion_saw_any_of_the_rows(rows: int) -> None:
    worse = replace(GOOD, slices=slices(JFK=SliceScore(900, 0.9, 0.5, Noise(0.01, 7))))
    assert accept(worse, RULE).reason is Reason.SLICE_WORSE
    assert accept(replace(worse, champion_seen_rows=rows), RULE).action is AcceptAction.ACCEPT
    assert accept(replace(worse, champion=None), RULE).action is AcceptAction.ACCEPT
    assert (
        accept(replace(GOOD, champion={"log_loss": 0.4}, champion_seen_rows=rows), RULE).action is AcceptAction.ACCEPT
    )


def test_the_smallest_slice_that_is_judged_has_200_rows() -> None:
    found = slices(JFK=SliceScore(200, 0.7, 0.5, Noise(0.01, 7)), EWR=SliceScore(199, 0.7, 0.5, Noise(0.01, 7)))
    evidence = accept(replace(GOOD, slices=found), RULE).evidence
    assert (evidence["worse"], evidence["slices_judged"], evidence["slices_too_small"]) == (["origin=JFK"], 1, 1)


def test_a_slice_that_is_no_number_is_named() -> None:
    found = slices(EWR=SliceScore(900, 0.5, 0.5, Noise(0.01, 7)), JFK=SliceScore(900, NAN, 0.5, Noise(0.01, 7)),
                   LGA=SliceScore(900, NAN, 0.5, Noise(0.01, 7)))  # fmt: skip
    assert (
        accept(replace(GOOD, slices=found), RULE).message == "log_loss of the challenger is no number for origin=JFK."
    )


def test_the_evidence_holds_the_figures_that_were_compared() -> None:
    evidence = accept(replace(GOOD, champion={"log_loss": NAN}), RULE).evidence
    assert evidence == {"primary": "log_loss", "rows": 5000, "challenger": 0.48, "baseline": 0.52, "champion": None,
                        "champion_seen_rows": 0, "slices_judged": 0, "slices_too_small": 0}  # fmt: skip
    assert accept(replace(GOOD, champion=None), RULE).message.endswith("there is no champion yet.")
    assert "champion 0.4900" in accept(GOOD, RULE).message


def test_a_champion_that_gives_no_number_is_beaten_by_any_that_does() -> None:
    assert accept(replace(GOOD, champion={"log_loss": NAN}), RULE).action is AcceptAction.ACCEPT


def test_a_challenger_within_the_noise_of_the_champion_gets_a_rollout() -> None:
    behind = replace(GOOD, champion={"log_loss": 0.475})  # 0.005 better than the challenger
    assert accept(behind, RULE).reason is Reason.NO_BETTER_THAN_CHAMPION
    assert accept(replace(behind, noise={"champion": Noise(0.01, 7)}), RULE).action is AcceptAction.ACCEPT
    assert accept(replace(behind, noise={"champion": Noise(0.001, 7)}), RULE).reason is Reason.NO_BETTER_THAN_CHAMPION


def test_noise_of_one_comparison_excuses_no_other() -> None:
    behind = replace(GOOD, champion={"log_loss": 0.475}, noise={"baseline": Noise(1.0, 7)})
    assert accept(behind, RULE).reason is Reason.NO_BETTER_THAN_CHAMPION


@pytest.mark.parametrize("min_gain", [0.0, -0.01])
def test_the_first_model_is_told_that_no_noise_is_allowed_for(min_gain: float) -> None:
    behind = replace(GOOD, champion=None, baseline={"log_loss": 0.475}, noise={"baseline": Noise(0.01, 7)})
    assert "beyond noise of 0.0000" in accept(behind, Accept(min_gain=min_gain)).message


def test_noise_is_allowed_for_only_where_a_champion_serves_meanwhile() -> None:
    """The first model of a loop has no rollout to pass: it beats the baseline outright or not at all."""
    behind = replace(GOOD, baseline={"log_loss": 0.475}, noise={"baseline": Noise(0.01, 7), "champion": Noise(0.01, 7)})
    assert accept(behind, RULE).action is AcceptAction.ACCEPT
    first = accept(replace(behind, champion=None), RULE)
    assert (first.action, first.reason) == (AcceptAction.REJECT, Reason.NO_BETTER_THAN_BASELINE)
    assert "noise of 0.0000" in first.message


@pytest.mark.parametrize("noise", [Noise(NAN, 7), UNKNOWN, Noise(1.0, 1)])
def test_noise_that_is_not_known_excuses_nothing(noise: Noise) -> None:
    behind = replace(GOOD, champion={"log_loss": 0.475}, noise={"champion": noise})
    assert accept(behind, RULE).reason is Reason.NO_BETTER_THAN_CHAMPION


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.3, 0.7))
def test_more_noise_never_rejects_what_less_accepts(less: float, more: float, champion: float) -> None:
    low, high = sorted((less, more))
    facts = replace(GOOD, champion={"log_loss": champion})
    if accept(replace(facts, noise={"champion": Noise(low, 7)}), RULE).action is AcceptAction.ACCEPT:
        assert accept(replace(facts, noise={"champion": Noise(high, 7)}), RULE).action is AcceptAction.ACCEPT


def test_small_and_noisy_slices_get_the_benefit_of_the_doubt() -> None:
    small = slices(JFK=SliceScore(199, 0.9, 0.5, Noise(0.01, 7)))
    noisy = slices(JFK=SliceScore(900, 0.60, 0.50, Noise(0.06, 7)))
    unknown = slices(JFK=SliceScore(900, 0.60, 0.50, UNKNOWN))
    assert all(
        accept(replace(GOOD, slices=each), RULE).action is AcceptAction.ACCEPT for each in (small, noisy, unknown)
    )


def test_the_worst_slice_is_named() -> None:
    found = slices(JFK=SliceScore(900, 0.60, 0.50, Noise(0.01, 7)), EWR=SliceScore(900, 0.70, 0.50, Noise(0.01, 7)))
    verdict = accept(replace(GOOD, slices=found), RULE)
    assert "origin=EWR" in verdict.message
    assert set(verdict.evidence["worse"]) == {"origin=JFK", "origin=EWR"}


def week(rng: np.random.Generator, mean: float, sd: float = 0.02) -> tuple[float, Noise]:
    """The mean of seven daily differences, and its noise as it is estimated from them."""
    daily = rng.normal(mean, sd, 7)
    return float(daily.mean()), daily_noise(daily, np.arange(7))


def test_a_challenger_at_the_tolerance_in_every_slice_is_rarely_rejected() -> None:
    """The normal bound on seven days rejects one in four."""
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(1000):
        scores = [week(rng, RULE.slice_tolerance) for _ in range(20)]
        found = {f"s{n}": SliceScore(500, 0.5 + worse, 0.5, noise) for n, (worse, noise) in enumerate(scores)}
        rejected += accept(replace(GOOD, slices={"s": found}), RULE).reason is Reason.SLICE_WORSE
    assert 0.02 <= rejected / 1000 <= SLICE_ALPHA + 0.02


def passing(rule: Accept, gain: float, against: str = "champion", runs: int = 2000) -> float:
    """Share of hold-outs of seven days on which a challenger with this true gain is accepted."""
    rng = np.random.default_rng(2)
    accepted = 0
    for _ in range(runs):
        seen, noise = week(rng, gain)
        facts = replace(GOOD, noise={against: noise}, **{against: {"log_loss": 0.48 + seen}})
        accepted += accept(facts, rule).action is AcceptAction.ACCEPT
    return accepted / runs


def test_without_a_minimum_gain_an_equal_challenger_passes_as_often_as_stated() -> None:
    """The t bound: 95 %. The normal one, on seven days, passes 92 %."""
    assert passing(Accept(), 0.0) == pytest.approx(1 - GAIN_ALPHA, abs=0.012)
    assert passing(Accept(min_gain=-0.01), -0.01) == pytest.approx(1 - GAIN_ALPHA, abs=0.012)
    assert passing(Accept(), -0.03) < 0.1


@pytest.mark.parametrize("min_gain", [0.001, 0.005, 0.02])
@pytest.mark.parametrize("against", ["champion", "baseline"])
def test_a_gain_of_nothing_passes_a_minimum_gain_at_most_at_the_stated_rate(min_gain: float, against: str) -> None:
    assert passing(Accept(min_gain=min_gain), 0.0, against) <= GAIN_ALPHA + 0.012


def test_a_minimum_gain_is_reached_by_the_figure_itself_however_little_noise_there_is() -> None:
    assert passing(Accept(min_gain=0.02), 0.02) == pytest.approx(0.5, abs=0.05)
    quiet = replace(GOOD, noise={"champion": Noise(1e-6, 7)})
    assert accept(quiet, Accept(min_gain=0.0099)).action is AcceptAction.ACCEPT
    assert accept(quiet, Accept(min_gain=0.0101)).reason is Reason.NO_BETTER_THAN_CHAMPION


def test_a_minimum_gain_within_the_noise_is_none() -> None:
    noisy = replace(GOOD, noise={"champion": Noise(0.0052, 7)})  # a gain of .01, 1.92 standard errors
    refused = accept(noisy, Accept(min_gain=0.005))
    assert refused.reason is Reason.NO_BETTER_THAN_CHAMPION
    assert "accept.minGain is 0.005, and the gain must exceed noise of 0.0101" in refused.message
    known = replace(GOOD, noise={"champion": Noise(0.0051, 7)})
    assert accept(known, Accept(min_gain=0.005)).action is AcceptAction.ACCEPT


def test_the_first_model_must_exceed_the_noise_where_a_gain_is_asked_for() -> None:
    first = replace(GOOD, champion=None, noise={"baseline": Noise(0.03, 7)})  # a gain of .04
    assert accept(first, RULE).action is AcceptAction.ACCEPT
    assert accept(first, Accept(min_gain=0.01)).reason is Reason.NO_BETTER_THAN_BASELINE


def test_bounds_are_wider_the_fewer_days_there_are() -> None:
    behind = replace(GOOD, champion={"log_loss": 0.455})  # .025 better
    assert accept(replace(behind, noise={"champion": Noise(0.01, 3)}), RULE).action is AcceptAction.ACCEPT
    assert accept(replace(behind, noise={"champion": Noise(0.01, 14)}), RULE).reason is Reason.NO_BETTER_THAN_CHAMPION
    worse = {days: slices(JFK=SliceScore(900, 0.545, 0.50, Noise(0.01, days))) for days in (3, 14)}
    assert accept(replace(GOOD, slices=worse[3]), RULE).action is AcceptAction.ACCEPT
    assert accept(replace(GOOD, slices=worse[14]), RULE).reason is Reason.SLICE_WORSE


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


def test_a_gain_at_the_bar_passes_and_one_below_it_does_not() -> None:
    """Without noise: champion 1/2, challenger 1/4, and figures that are exact in binary."""
    exact = replace(GOOD, challenger={"log_loss": 0.25}, baseline={"log_loss": 1.0}, champion={"log_loss": 0.5})
    assert accept(exact, Accept(min_gain=0.25)).action is AcceptAction.ACCEPT
    assert accept(exact, Accept(min_gain=0.2500001)).reason is Reason.NO_BETTER_THAN_CHAMPION
    level = replace(exact, champion={"log_loss": 0.25})
    assert accept(level, RULE).action is AcceptAction.ACCEPT, "as good is enough where nothing more is asked"
    behind = replace(exact, champion={"log_loss": 0.125})
    assert accept(behind, Accept(min_gain=-0.125)).action is AcceptAction.ACCEPT
    assert accept(behind, Accept(min_gain=-0.12)).reason is Reason.NO_BETTER_THAN_CHAMPION


@pytest.mark.parametrize("min_gain", [0.0, -0.5])
def test_a_first_model_that_is_as_good_as_the_baseline_is_no_better(min_gain: float) -> None:
    level = replace(GOOD, challenger={"log_loss": 0.5}, baseline={"log_loss": 0.5}, champion=None)
    assert accept(level, Accept(min_gain=min_gain)).reason is Reason.NO_BETTER_THAN_BASELINE
    assert (
        accept(replace(level, baseline={"log_loss": 0.5001}), Accept(min_gain=min_gain)).action is AcceptAction.ACCEPT
    )


def test_as_many_rows_as_are_asked_for_are_enough() -> None:
    assert accept(replace(GOOD, rows=2000), RULE).action is AcceptAction.ACCEPT
    few = accept(replace(GOOD, rows=1999), RULE)
    assert few.message == "The hold-out has 1999 labelled rows, accept.minRows is 2000."


def test_the_bound_of_a_slice_is_shared_among_those_that_are_judged() -> None:
    """Of two slices each has 2.5 %: Student's t with six degrees is 2.447, of one 1.943."""

    def verdict(worse: float, others: int) -> AcceptAction:
        quiet = {f"s{n}": SliceScore(900, 0.5, 0.5, Noise(0.01, 7)) for n in range(others)}
        small = {"small": SliceScore(199, 0.5, 0.5, Noise(0.01, 7))}
        bad = SliceScore(900, 0.5 + RULE.slice_tolerance + worse, 0.5, Noise(0.01, 7))
        return accept(replace(GOOD, slices=slices(JFK=bad, **quiet, **small)), RULE).action

    assert (verdict(0.0195, 0), verdict(0.0193, 0)) == (AcceptAction.REJECT, AcceptAction.ACCEPT)
    assert (verdict(0.0246, 1), verdict(0.0243, 1)) == (AcceptAction.REJECT, AcceptAction.ACCEPT)


def test_a_person_is_told_the_figures_behind_a_rejected_slice() -> None:
    found = slices(JFK=SliceScore(900, 0.60, 0.50, Noise(0.01, 7)))
    message = accept(replace(GOOD, slices=found), RULE).message
    assert "log_loss for origin=JFK is 0.1000 worse than the champion's (900 rows)" in message
    assert f"sliceTolerance is {RULE.slice_tolerance:g}, beyond noise of 0.0194" in message


def test_a_person_is_told_the_figures_behind_a_comparison() -> None:
    noise = {"champion": Noise(0.001, 7), "baseline": Noise(0.002, 7)}
    behind = accept(replace(GOOD, champion={"log_loss": 0.46}, noise=noise), RULE).message
    assert "of the challenger is 0.4800, of the champion 0.4600, on 5000 rows" in behind
    assert "accept.minGain is 0, beyond noise of 0.0019" in behind
    first = replace(GOOD, champion=None, noise=noise)
    assert "must exceed noise of 0.0039" in accept(first, Accept(min_gain=0.1)).message
    assert "baseline 0.5200" in accept(GOOD, RULE).message
    flattered = accept(replace(GOOD, champion_seen_rows=1), RULE).message
    assert "trained on 1 of the rows" in flattered
    assert "trained on" not in accept(GOOD, RULE).message
    assert "log_loss 0.4800" in accept(GOOD, Accept(always=True)).message
    assert "the challenger is missing" in accept(replace(GOOD, challenger={}), RULE).message
