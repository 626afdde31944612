"""Two arms of unequal size: rare events, common causes, continuous looking."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from tidemill.stats.two_arm import RateBlock, rate_difference, rate_harm, rate_non_inferiority

rates = st.floats(1e-6, 1 - 1e-6)


@st.composite
def rate_blocks(draw: st.DrawFn) -> RateBlock:
    n_a, n_b = draw(st.integers(0, 500)), draw(st.integers(0, 500))
    return RateBlock(n_a, draw(st.integers(0, n_a)), n_b, draw(st.integers(0, n_b)))


def chance(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@given(st.lists(rate_blocks(), max_size=6), st.sampled_from([0.005, 0.02, 0.3]))
@settings(max_examples=60)
def test_evidence_is_a_finite_figure_for_any_counts(blocks: list[RateBlock], margin: float) -> None:
    for process in (rate_harm(blocks, margin), rate_non_inferiority(blocks, margin)):
        assert len(process.path) == len(blocks)
        assert all(0 <= e < math.inf for e in process.path)


@given(st.lists(rate_blocks(), max_size=3), st.integers(1, 8), st.integers(1, 8), rates, rates)
@settings(max_examples=40, deadline=None)
def test_one_more_block_is_not_expected_to_add_evidence_under_the_null(
    past: list[RateBlock], n_a: int, n_b: int, one: float, other: float
) -> None:
    """Exactly, by adding up over every outcome of the block, for any point of either null."""
    low, high, margin = min(one, other), max(one, other), 0.05
    for test, p_a, p_b in ((rate_harm, high, low), (rate_non_inferiority, low * (1 - margin), 0.0)):
        rate_b = p_b if test is rate_harm else min(1.0, p_a + margin + high * (1 - p_a - margin))
        before = test(past, margin).e
        expected = sum(
            chance(k_a, n_a, p_a) * chance(k_b, n_b, rate_b) * test([*past, RateBlock(n_a, k_a, n_b, k_b)], margin).e
            for k_a, k_b in itertools.product(range(n_a + 1), range(n_b + 1))
        )
        assert expected <= before * (1 + 1e-6)


def test_without_answers_there_is_no_evidence() -> None:
    assert rate_harm([], 0.01).e == rate_non_inferiority([], 0.01).e == 1.0
    assert rate_non_inferiority([RateBlock(900, 0, 0, 0)] * 30, 0.01).running_max < 2
    assert rate_difference([RateBlock(900, 0, 0, 0)]) is None


def test_no_error_in_some_hundred_canary_answers_shows_non_inferiority() -> None:
    path = rate_non_inferiority([RateBlock(810, 0, 90, 0)] * 6, 0.01).path
    assert path[3] < 20 <= path[5]


def test_one_block_never_decides() -> None:
    assert rate_harm([RateBlock(810, 0, 90, 90)], 0.01).e <= 8
    assert rate_harm([RateBlock(810, 0, 90, 90)] * 2, 0.01).e >= 45
    assert rate_non_inferiority([RateBlock(50000, 0, 50000, 0)], 0.01).e <= 8


def test_an_outage_that_hits_both_arms_is_not_held_against_the_canary() -> None:
    ordinary, outage = RateBlock(900, 0, 100, 0), RateBlock(900, 300, 100, 33)
    assert rate_harm([ordinary, outage, ordinary, outage], 0.01).running_max < 5
    recovered = rate_non_inferiority([ordinary] * 3 + [outage] + [ordinary] * 9, 0.01)
    assert recovered.running_max >= 20


@pytest.mark.parametrize(("rate", "share"), [(0.002, 0.1), (0.05, 0.1), (0.05, 0.5)])
def test_an_equally_good_canary_is_rarely_accused_however_often_one_looks(rate: float, share: float) -> None:
    rng, n_b = np.random.default_rng(6), int(1000 * share)
    accused = 0
    for _ in range(300):
        a, b = rng.binomial(1000 - n_b, rate, 40), rng.binomial(n_b, rate, 40)
        blocks = [RateBlock(1000 - n_b, int(x), n_b, int(y)) for x, y in zip(a, b, strict=True)]
        accused += rate_harm(blocks, 0.01).running_max >= 20
    assert accused / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_a_canary_at_the_margin_is_rarely_acquitted() -> None:
    rng, acquitted = np.random.default_rng(7), 0
    for _ in range(300):
        a, b = rng.binomial(900, 0.01, 28), rng.binomial(100, 0.02, 28)
        blocks = [RateBlock(900, int(x), 100, int(y)) for x, y in zip(a, b, strict=True)]
        acquitted += rate_non_inferiority(blocks, 0.01).running_max >= 20
    assert acquitted / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_a_rise_from_five_to_eight_percent_is_found() -> None:
    rng = np.random.default_rng(8)
    blocks = [RateBlock(900, int(rng.binomial(900, 0.05)), 100, int(rng.binomial(100, 0.08))) for _ in range(40)]
    assert rate_harm(blocks, 0.01).running_max >= 44


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="more bad answers than answers"):
        RateBlock(10, 11, 10, 0)


def test_a_difference_of_rates_is_of_all_blocks_together() -> None:
    blocks = [RateBlock(100, 10, 10, 3), RateBlock(300, 10, 30, 5)]
    assert rate_difference(blocks) == pytest.approx(8 / 40 - 20 / 400)
    assert rate_difference([RateBlock(0, 0, 5, 0)]) is None
    assert rate_difference([RateBlock(1, 1, 1, 0)]) == -1


@pytest.mark.parametrize(
    "counts", [(10, 11, 10, 0), (10, 0, 10, 11), (10, -1, 10, 0), (10, 0, 10, -1), (0, 0.5, 10, 0)]
)
def test_more_bad_answers_than_answers_or_less_than_none_are_refused(counts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="more bad answers than answers"):
        RateBlock(*counts)
    RateBlock(10, 10, 10, 10)


def divergence(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def factor(block: RateBlock, a: float, b: float, offset: float) -> float:
    """The likelihood ratio of (a, b) and the point of the null that is nearest to it."""
    at = minimize_scalar(
        lambda t: block.n_a * divergence(a, t) + block.n_b * divergence(b, t + offset),
        bounds=(1e-9, 1 - offset - 1e-9), method="bounded", options={"xatol": 1e-10},
    ).x  # fmt: skip
    ratio = (a / at) ** block.k_a * ((1 - a) / (1 - at)) ** (block.n_a - block.k_a)
    return ratio * (b / (at + offset)) ** block.k_b * ((1 - b) / (1 - at - offset)) ** (block.n_b - block.k_b)


PAST, NOW = RateBlock(90, 3, 30, 4), RateBlock(80, 2, 40, 5)


def by_hand(guesses: list[tuple[float, float]], learnt: list[tuple[float, float]], offset: float) -> list[float]:
    """Half the stakes on the guesses, half on what is learnt; a tenth of the wealth is dealt out after each block."""
    prior = np.array([0.5 / len(guesses)] * len(guesses) + [0.5])
    weights, e, path = prior, 1.0, []
    for block, known in zip((PAST, NOW), learnt, strict=True):
        won = weights * [factor(block, a, b, offset) for a, b in [*guesses, known]]
        e, weights = e * won.sum(), 0.9 * won / won.sum() + 0.1 * prior
        path.append(e)
    return path


def test_evidence_for_no_harm_by_hand() -> None:
    """The alternatives: equal rates, four guessed and one learnt, which starts as half an error in fifty answers."""
    rates = [(rate, rate) for rate in (0.001, 0.01, 0.1, 0.3)]
    learnt = [(0.5 / 50,) * 2, (7.5 / 170,) * 2]
    assert rate_non_inferiority([PAST, NOW], 0.05).path == pytest.approx(by_hand(rates, learnt, 0.05), rel=1e-4)


def test_evidence_for_harm_by_hand() -> None:
    """The alternatives: excesses of 1, 2, 4, ... margins on each guessed rate, and what is learnt of both."""
    guesses = [(r, r + n * 0.05) for r in (0.001, 0.01, 0.1, 0.3) for n in (1, 2, 4, 8, 16, 32, 64) if r + n * 0.05 < 1]
    learnt = [(0.01, 0.06), (3.5 / 140, max(4.5 / 80, 3.5 / 140 + 0.05))]
    assert rate_harm([PAST, NOW], 0.05).path == pytest.approx(by_hand(guesses, learnt, 0.0), rel=1e-4)


def test_a_block_multiplies_the_evidence_at_most_by_its_own_cap() -> None:
    assert rate_harm([RateBlock(810, 0, 90, 90, cap=2.0), RateBlock(810, 0, 90, 90)], 0.01).path == pytest.approx(
        (2, 16)
    )


def test_a_margin_that_leaves_little_room_still_gives_figures() -> None:
    """The champion fails nearly always: what is worse by the margin is just below always."""
    blocks = [RateBlock(900, 890, 100, 99)] * 3
    for process in (rate_harm(blocks, 0.3), rate_non_inferiority(blocks, 0.3)):
        assert all(math.isfinite(e) for e in process.path)
