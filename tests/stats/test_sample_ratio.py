"""The split of traffic is what the route says, or the rollout ends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from tidemill.stats.sample_ratio import SplitBlock, sample_ratio

splits = st.builds(SplitBlock, st.sampled_from([0.1, 0.5]), st.integers(0, 900), st.integers(0, 900))


@given(st.lists(splits, max_size=8))
def test_evidence_is_a_finite_figure_for_any_counts(blocks: list[SplitBlock]) -> None:
    process = sample_ratio(blocks)
    assert process.running_max >= 1
    assert all(0 <= e < math.inf for e in process.path)


@given(st.lists(splits, max_size=4), st.integers(1, 40), st.sampled_from([0.1, 0.3, 0.5]))
@settings(max_examples=40)
def test_under_the_declared_weight_the_evidence_is_a_martingale(past: list[SplitBlock], n: int, weight: float) -> None:
    expected = sum(
        math.comb(n, k) * weight**k * (1 - weight) ** (n - k) * sample_ratio([*past, SplitBlock(weight, n - k, k)]).e
        for k in range(n + 1)
    )
    before = sample_ratio(past).e
    if before < 1e200:  # beyond that the figure is cut off
        assert expected == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize(("weight", "actual", "days"), [(0.1, 0.2, 2), (0.1, 0.0, 2), (0.5, 0.4, 3), (0.1, 0.12, 10)])
def test_a_broken_split_is_found_within_days(weight: float, actual: float, days: int) -> None:
    rng = np.random.default_rng(9)
    found = []
    for _ in range(60):
        counts = rng.binomial(900, actual, days)
        found.append(sample_ratio([SplitBlock(weight, int(900 - k), int(k)) for k in counts]).running_max >= 200)
    assert np.mean(found) >= 0.5


def test_an_honest_split_is_left_alone_however_often_one_looks() -> None:
    rng = np.random.default_rng(10)
    alarms = [
        sample_ratio([SplitBlock(0.1, int(900 - k), int(k)) for k in rng.binomial(900, 0.1, 60)]).running_max >= 20
        for _ in range(400)
    ]
    assert np.mean(alarms) <= 0.05


def test_a_new_weight_is_a_new_experiment() -> None:
    ten, fifty = SplitBlock(0.1, 810, 90), SplitBlock(0.5, 450, 450)
    assert sample_ratio([ten, ten, fifty, fifty]).running_max < 2


def test_a_weight_that_is_no_split_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_ratio([SplitBlock(1.0, 0, 100)])


def by_hand(weight: float, champion: int, challenger: int) -> float:
    """The mean of two beta-binomials around the weight, worth 30 and 1,000 keys, over the binomial."""
    logs = [
        betaln(c * weight + challenger, c * (1 - weight) + champion) - betaln(c * weight, c * (1 - weight))
        for c in (30, 1000)
    ]
    null = challenger * math.log(weight) + champion * math.log(1 - weight)
    return float(np.mean(np.exp(np.array(logs) - null)))


@pytest.mark.parametrize(("weight", "champion", "challenger"), [(0.1, 80, 20), (0.5, 40, 60), (0.3, 5, 0), (0.5, 0, 0)])
def test_the_evidence_by_hand(weight: float, champion: int, challenger: int) -> None:
    assert sample_ratio([SplitBlock(weight, champion, challenger)]).e == pytest.approx(
        by_hand(weight, champion, challenger)
    )


def test_blocks_of_one_weight_are_added_up_and_experiments_are_multiplied() -> None:
    blocks = [SplitBlock(0.1, 80, 20), SplitBlock(0.1, 30, 9), SplitBlock(0.5, 40, 55), SplitBlock(0.5, 3, 9)]
    ten, fifty = by_hand(0.1, 110, 29), by_hand(0.5, 43, 64)
    assert sample_ratio(blocks).path == pytest.approx(
        (by_hand(0.1, 80, 20), ten, ten * by_hand(0.5, 40, 55), ten * fifty)
    )


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.1])
def test_a_weight_that_gives_one_arm_nothing_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_ratio([SplitBlock(weight, 1, 1)])
