"""Betting: what a bettor against the null may and may not gain."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.eprocess import (
    BETS,
    EProcess,
    betting,
    harm,
    mixture,
    non_inferiority,
    part_ends,
    running_max_of_mean,
    winsorise,
)

values = st.lists(st.floats(-1, 1), max_size=40)
anything = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30)


@given(values)
def test_evidence_starts_at_one_and_is_never_negative(series: list[float]) -> None:
    process = betting(series)
    assert betting([]).e == 1.0
    assert all(e >= 0 for e in process.path)
    assert len(process.path) == len(series)
    assert process.running_max >= max(1.0, process.e)


@given(values, values)
def test_the_path_is_predictable_later_blocks_never_change_it(past: list[float], future: list[float]) -> None:
    assert betting(past + future).path[: len(past)] == betting(past).path


@given(values, st.sampled_from([0.0, 0.05]))
def test_fair_coins_make_the_next_evidence_equal_the_present_on_average(past: list[float], share: float) -> None:
    up, down = betting([*past, 1.0], share=share).e, betting([*past, -1.0], share=share).e
    assert (up + down) / 2 == pytest.approx(betting(past, share=share).e)


@given(values)
def test_without_sharing_the_mixture_is_the_mean_of_the_bettors_wealths(series: list[float]) -> None:
    wealths = [math.prod(1 + bet * y for y in series) for bet in BETS]
    assert betting(series).e == pytest.approx(sum(wealths) / len(BETS))


def test_sharing_lets_a_bettor_come_back_after_a_bad_spell() -> None:
    series = [-0.5] * 20 + [0.6] * 15
    assert betting(series, (0.0, 0.5, 0.95), share=0.05).e > 5 * betting(series, (0.5, 0.95)).e


def test_a_cap_bounds_what_one_block_can_do() -> None:
    assert mixture(np.array([[5.0], [5.0]]), cap=8.0).path == pytest.approx((8.0, 64.0))


def test_evidence_beyond_doubt_stays_a_finite_number() -> None:
    assert math.isfinite(betting([1.0] * 5000).e)


def test_values_outside_the_bounds_are_refused() -> None:
    for bad in (1.5, -2.0, math.nan):
        with pytest.raises(ValueError, match="winsorise"):
            betting([bad])


@given(anything)
def test_winsorised_values_can_always_be_bet_on(series: list[float]) -> None:
    betting(winsorise(series, 0.04))
    assert non_inferiority(series, 0.02).e >= 0
    assert harm(series, 0.02).e >= 0


def test_no_figure_is_the_worst_figure_for_promotion_and_none_for_an_abort() -> None:
    assert non_inferiority([math.nan], 0.02).e == non_inferiority([10.0], 0.02).e < 1
    assert harm([math.nan], 0.02).e == pytest.approx(1.0)


@given(st.lists(st.floats(0.02, 5), min_size=1, max_size=30))
def test_days_worse_than_the_margin_never_speak_for_the_challenger(series: list[float]) -> None:
    assert non_inferiority(series, 0.02).running_max == pytest.approx(1.0)


@given(st.lists(st.floats(-5, 0), min_size=1, max_size=30))
def test_days_no_worse_than_the_champion_never_speak_against_the_challenger(series: list[float]) -> None:
    assert harm(series, 0.02).running_max == pytest.approx(1.0)


def test_one_day_never_decides() -> None:
    assert harm([100.0], 0.02).e < 2
    assert harm([100.0] * 4, 0.02).e < 20
    assert non_inferiority([-100.0] * 4, 0.02).e < 20


@pytest.mark.parametrize("spread", [0.01, 0.04, 0.3])
def test_ville_the_null_is_rejected_at_most_alpha_of_the_time_however_long_one_looks(spread: float) -> None:
    rng = np.random.default_rng(3)
    runs = spread * rng.standard_t(4, size=(800, 60))
    rejected = np.mean([harm(run, 0.02).running_max >= 20 for run in runs])
    assert rejected <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 800)


@pytest.mark.parametrize(("difference", "days"), [(0.0, 11), (-0.005, 10), (-0.01, 9)])
def test_an_honest_challenger_is_seen_to_be_honest_within_days(difference: float, days: int) -> None:
    rng = np.random.default_rng(4)
    runs = difference + 0.015 * rng.standard_normal((300, 28))
    first = [np.argmax(np.array(non_inferiority(run, 0.02).path) >= 20) + 1 for run in runs]
    assert np.median(first) <= days


@pytest.mark.parametrize("difference", [0.05, 0.3])
def test_a_sabotaged_challenger_is_found_out_before_an_honest_one_would_pass(difference: float) -> None:
    rng = np.random.default_rng(5)
    runs = difference + 0.4 * difference * rng.standard_normal((300, 28))
    first = [np.argmax(np.array(harm(run, 0.02).path) >= 44.5) + 1 for run in runs]
    assert np.median(first) <= 8


def test_two_e_processes_are_averaged_block_by_block_before_the_largest_is_taken() -> None:
    """The mean of their maxima would be no e-process: each had its best day on another."""
    one, other = EProcess((1.0, 8.0, 1.0)), EProcess((1.0, 0.0, 6.0))
    assert running_max_of_mean(one, other) == 4.0
    assert running_max_of_mean(EProcess(()), EProcess(())) == 1.0
    with pytest.raises(ValueError, match="zip"):
        running_max_of_mean(one, EProcess((1.0,)))


paths = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=20)


@given(paths)
def test_the_mean_of_two_e_processes_lies_between_a_half_and_the_whole_of_the_larger(
    pairs: list[tuple[float, float]],
) -> None:
    one, other = EProcess(tuple(a for a, _ in pairs)), EProcess(tuple(b for _, b in pairs))
    largest = max(one.running_max, other.running_max)
    found = running_max_of_mean(one, other)
    assert max(1.0, largest / 2) <= found <= largest
    assert found == running_max_of_mean(other, one)
    assert running_max_of_mean(one, one) == one.running_max


def test_ville_looking_for_harm_in_two_ways_at_the_price_of_one_keeps_alpha() -> None:
    rng = np.random.default_rng(6)
    served = 0.04 * rng.standard_normal((600, 60))
    level = 0.3 * served + 0.02 * rng.standard_normal((600, 60))
    found = [running_max_of_mean(harm(a, 0.02), harm(b, 0.02)) for a, b in zip(served, level, strict=True)]
    assert np.mean(np.array(found) >= 20) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 600)


def wealth(values: list[float], bets: tuple[float, ...]) -> float:
    return sum(math.prod(1 + bet * value for value in values) for bet in bets) / len(bets)


def test_both_tests_by_hand() -> None:
    """A block counts by two margins; three bettors stake a half, three quarters and nearly all."""
    days = [0.0, 0.01, -0.05]
    assert non_inferiority(days, 0.02).e == pytest.approx(wealth([0.5, 0.25, 1.0], (0.5, 0.75, 0.95)))
    assert harm(days, 0.02).e == pytest.approx(wealth([0.0, 0.25, -1.0], (0.5, 0.75, 0.95)))


def test_noisy_blocks_count_by_three_times_the_size_of_those_before_them_and_are_bet_on_finely() -> None:
    days = [0.01, 0.2, -0.1]
    scales = [0.04, 0.04, 3 * math.sqrt((0.01**2 + 0.2**2) / 2)]
    bets = (0.25, 0.5, 0.75, 0.95)
    shown = [(0.02 - day) / scale for day, scale in zip(days, scales, strict=True)]
    cut = [max(-1.0, value) for value in shown]
    assert non_inferiority(days, 0.02, noisy=True).e == pytest.approx(wealth(cut, bets))
    lost = [min(day / scale, 1.0) for day, scale in zip(days, scales, strict=True)]
    assert harm(days, 0.02, noisy=True).e == pytest.approx(wealth(lost, bets))
    assert non_inferiority([], 0.02, noisy=True).e == 1


def test_a_day_without_a_figure_says_nothing_of_the_noise() -> None:
    """The scale of the third is of one day of two."""
    expected = wealth([-1.0, -1.0, 0.02 / (3 * math.sqrt(0.2**2 / 2))], (0.25, 0.5, 0.75, 0.95))
    assert non_inferiority([0.2, math.nan, 0.0], 0.02, noisy=True).e == pytest.approx(expected)


def test_a_portfolio_by_hand() -> None:
    """Two bettors who win and lose by turns; a fifth of the wealth is dealt out afresh after each block."""
    factors = np.log([[2.0, 0.5], [2.0, 0.5]])
    assert mixture(factors).path == pytest.approx((1.25, 2.125))
    assert mixture(factors, prior=[0.8, 0.2]).path == pytest.approx((1.7, 3.25))
    assert mixture(factors, share=0.2).path == pytest.approx((1.25, 1.25 * (2 * 0.74 + 0.5 * 0.26)))
    assert mixture(factors, cap=[1.1, 9.0]).path == pytest.approx((1.1, 1.1 * 2.125 / 1.25))


@pytest.mark.parametrize(
    ("variance", "rows", "ends"),
    [
        (None, 30, [12, 30]),  # 12 rows a part while nothing is known; the last one takes what is left
        (None, 36, [12, 24, 36]),
        (0.016, 31, [10, 20, 31]),  # 10 rows: their mean has a standard deviation of two margins
        (0.016, 9, [9]),
        (0.0, 3, [1, 2, 3]),
        (0.0, 256 + 63, [*range(1, 256), 319]),  # too few rows are left for 64 parts
        (0.0, 256 + 64, list(range(1, 321))),
        (0.0, 256 + 640, [*range(1, 257), *range(266, 897, 10)]),
    ],
)
def test_where_the_parts_of_a_block_end(variance: float | None, rows: int, ends: list[int]) -> None:
    assert part_ends(variance, 0.02, rows) == ends


@given(st.none() | st.floats(0, 0.1), st.integers(1, 5000))
def test_the_parts_of_a_block_hold_every_row_once(variance: float | None, rows: int) -> None:
    ends = part_ends(variance, 0.02, rows)
    assert ends[-1] == rows
    assert (np.diff([0, *ends]) > 0).all()
