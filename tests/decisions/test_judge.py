"""What blocks say about each metric of a judge."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.decisions.judge import (
    AT_LEVEL,
    MetricEvidence,
    PairedBlock,
    enough_together,
    evidence,
    harm_threshold,
    mirror_threshold,
    split_evidence,
    split_threshold,
)
from tidemill.decisions.operation import Arm, Counted, OperationalBlock
from tidemill.spec.model_loop import Judge, JudgeMetric
from tidemill.stats.eprocess import harm, non_inferiority
from tidemill.stats.sample_ratio import SplitBlock, sample_ratio
from tidemill.stats.two_arm import RateBlock, rate_difference, rate_harm, rate_non_inferiority

LOG_LOSS, ERRORS = JudgeMetric(metric="log_loss", margin=0.02), JudgeMetric(metric="error_rate", margin=0.01)
LATENCY = JudgeMetric(metric="latency", margin=0.02, slo="50ms")


def day(difference: float, n: int = 100, level: float | None = None, id: str = "d") -> PairedBlock:
    at_level = {} if level is None else {"log_loss" + AT_LEVEL: level}
    return PairedBlock(id, n, {"log_loss": difference, **at_level})


def judged(*blocks: PairedBlock, noisy: bool = False) -> MetricEvidence:
    (found,) = evidence(Judge(metrics=(LOG_LOSS,)), blocks, (), noisy)
    return found


def test_the_difference_counts_rows_alike() -> None:
    found = judged(day(0.01, 300), day(0.05, 100))
    assert found.difference == pytest.approx(0.02)
    assert (found.blocks, found.n, found.worst) == (2, 400, 0.05)
    assert (judged().difference, judged().worst, judged().blocks) == (None, None, 0)


def test_of_a_loss_as_served_and_at_equal_level_the_worse_counts() -> None:
    assert judged(day(0.01, level=0.03)).difference == pytest.approx(0.03)
    assert judged(day(0.04, level=0.03)).difference == pytest.approx(0.04)
    assert judged(day(0.04, level=0.09)).worst == 0.04, "the worst day as users saw it"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_mean_with_a_day_that_is_no_number_is_none(value: float) -> None:
    assert judged(day(0.01), day(value)).difference is None
    assert judged(day(0.01), day(0.0, level=value)).difference is None
    assert judged(day(0.01), day(value)).worst == 0.01


def test_no_worse_is_tested_at_equal_level_and_harm_both_ways() -> None:
    served, level = [0.05, -0.01, 0.03], [0.0, 0.01, -0.01]
    found = judged(*(day(s, level=at) for s, at in zip(served, level, strict=True)))
    assert found.e_non_inferior == non_inferiority(level, 0.02).running_max
    both = [(a + b) / 2 for a, b in zip(harm(served, 0.02).path, harm(level, 0.02).path, strict=True)]
    assert found.e_harm == pytest.approx(max(1.0, *both))


def test_blocks_of_hours_are_tested_as_noisy_ones() -> None:
    series = [-0.2, -0.1, 0.1, -0.1]
    found = judged(*map(day, series), noisy=True)
    assert found.e_non_inferior == non_inferiority(series, 0.02, noisy=True).running_max
    assert found.e_harm == pytest.approx(harm(series, 0.02, noisy=True).running_max)
    assert found.e_non_inferior != judged(*map(day, series)).e_non_inferior


def test_the_parts_of_a_block_are_bet_on_one_by_one_where_it_has_some() -> None:
    name, level = "log_loss", "log_loss" + AT_LEVEL
    whole = day(0.01, level=0.0)
    parted = PairedBlock("d", 40, {name: 0.02, level: 0.01}, {name: (0.03, 0.01), level: (0.02, 0.0)})
    served_alone = PairedBlock("d", 40, {name: 0.02, level: 0.01}, {name: (0.03, 0.01)})
    at_level = [0.0, 0.02, 0.0, 0.03, 0.01]
    assert judged(whole, parted, served_alone).e_non_inferior == non_inferiority(at_level, 0.02).running_max


def test_a_day_without_pairs_or_without_the_metric_says_nothing() -> None:
    other = PairedBlock("d", 100, {"brier": 0.5}, {"brier": (0.1,)})
    nothing = PairedBlock("d", 0, {"log_loss": 0.5}, {"log_loss": (0.5,)})
    assert judged(day(0.01), other, nothing) == judged(day(0.01))


def test_a_block_of_one_pair_with_parts_counts() -> None:
    assert judged(PairedBlock("d", 1, {"log_loss": 0.5}, {"log_loss": (0.5,)})).n == 1


def test_blocks_of_fewer_than_twenty_pairs_are_put_together_by_their_rows() -> None:
    few = [day(0.1, 10, id="a"), day(0.4, 5, id="b"), day(0.0, 5, id="c"), day(0.2, 20, id="d"), day(0.9, 19, id="e")]
    first, second = enough_together(few)
    assert (first.id, first.n, second) == ("a..c", 20, few[3])
    assert first.differences == {"log_loss": pytest.approx((10 * 0.1 + 5 * 0.4) / 20)}
    assert enough_together([day(0.1, 19)]) == []
    parted = PairedBlock("p", 3, {"log_loss": 0.1}, {"log_loss": (0.1,)})
    assert enough_together([day(0.1, 5), parted]) == [parted]


def test_of_blocks_put_together_only_what_all_measured_is_kept() -> None:
    brier = PairedBlock("b", 10, {"log_loss": 0.2, "brier": 0.1})
    (both,) = enough_together([day(0.1, 10, id="a"), brier])
    assert set(both.differences) == {"log_loss"}


@given(st.lists(st.integers(0, 60), max_size=20))
def test_no_row_is_counted_twice_and_fewer_than_twenty_wait(sizes: list[int]) -> None:
    found = enough_together([day(0.1, n) for n in sizes])
    assert all(block.n >= 20 for block in found)
    assert 0 <= sum(sizes) - sum(block.n for block in found) < 20


def arm(first: tuple[float, float, float], free: tuple[float, float, float], never: tuple[float, float, float]) -> Arm:
    return Arm(Counted(*first), Counted(*free), Counted(*never), 50, 2)


ARMS = OperationalBlock(
    "12:00", arm((90, 1, 2), (80, 3, 4), (70, 5, 6)), arm((40, 7, 8), (30, 9, 10), (20, 11, 12))
)  # fmt: skip


def test_rates_are_proven_on_keys_of_the_first_time_and_harm_is_looked_for_on_keys_at_risk() -> None:
    errors, slow = evidence(Judge(metrics=(ERRORS, LATENCY)), (), [ARMS])
    first, at_risk = [RateBlock(90, 1, 40, 7)], [RateBlock(80, 3, 30, 9, cap=4)]
    assert (errors.metric, errors.margin, errors.blocks, errors.n) == ("error_rate", 0.01, 1, 40)
    assert errors.difference == rate_difference(first)
    assert errors.e_non_inferior == rate_non_inferiority(first, 0.01).running_max
    assert errors.e_harm == rate_harm(at_risk, 0.01).running_max
    first, at_risk = [RateBlock(90, 2, 40, 8)], [RateBlock(70, 6, 20, 12, cap=4)]
    assert (slow.metric, slow.difference) == ("latency", rate_difference(first))
    assert slow.e_harm == rate_harm(at_risk, 0.02).running_max


def test_blocks_without_keys_are_left_out_of_rates() -> None:
    nothing = OperationalBlock("12:05")
    (found,) = evidence(Judge(metrics=(ERRORS,)), (), [nothing, ARMS, nothing])
    (alone,) = evidence(Judge(metrics=(ERRORS,)), (), [ARMS])
    assert found == alone
    (empty,) = evidence(Judge(metrics=(ERRORS,)), (), [nothing])
    assert (empty.blocks, empty.n, empty.difference, empty.e_harm) == (0, 0, None, 1.0)
    one = OperationalBlock("12:05", challenger=Arm(first=Counted(1, 0, 0)))
    (single,) = evidence(Judge(metrics=(ERRORS,)), (), [one])
    assert (single.blocks, single.n) == (1, 1)


def metric(e: float = 20.0, difference: float | None = 0.02, blocks: int = 10) -> MetricEvidence:
    return MetricEvidence("log_loss", 0.02, blocks, 900, difference, e, 1.5, 0.03)


def test_evidence_and_mean_are_both_asked_for_each_at_its_bar() -> None:
    assert metric().non_inferior(0.05)
    assert not metric(e=19.999).non_inferior(0.05)
    assert not metric(difference=0.020001).non_inferior(0.05)
    assert not metric(difference=None).non_inferior(0.05)


def test_the_rule_of_three() -> None:
    assert metric(blocks=100).unseen(0.05) == pytest.approx(0.0295, abs=1e-4)
    assert metric(blocks=1).unseen(0.05) == pytest.approx(0.95)
    assert metric(blocks=0).unseen(0.05) is None


def test_the_figures_of_a_metric_are_documented_beside_what_they_need() -> None:
    assert metric().document(0.05, 50.0) == {
        "metric": "log_loss", "margin": 0.02, "blocks": 10, "n": 900, "difference": 0.02, "worst": 0.03,
        "rarer_than_unseen": pytest.approx(1 - 0.05**0.1), "e_non_inferior": 20.0, "needed": pytest.approx(20),
        "non_inferior": True, "e_harm": 1.5, "harm_at": 50.0,
    }  # fmt: skip


@pytest.mark.parametrize("metrics", [(LOG_LOSS,), (LOG_LOSS, ERRORS, LATENCY)])
def test_all_guards_together_abort_falsely_at_most_at_alpha(metrics: tuple[JudgeMetric, ...]) -> None:
    """A tenth for the split, a tenth for the shadow's failures, what is left for the metrics, alike."""
    judge = Judge(alpha=0.05, metrics=metrics)
    assert split_threshold(judge) == mirror_threshold(judge) == pytest.approx(200)
    spent = len(metrics) / harm_threshold(judge) + 1 / split_threshold(judge) + 1 / mirror_threshold(judge)
    assert spent == pytest.approx(0.05)


def test_the_split_is_judged_over_all_parts_in_order() -> None:
    parts = (SplitBlock(0.1, 80, 20), SplitBlock(0.5, 40, 50), SplitBlock(0.5, 4, 5))
    blocks = [OperationalBlock("a", split=parts[:2]), OperationalBlock("b", split=parts[2:])]
    assert split_evidence(blocks) == sample_ratio(parts)
