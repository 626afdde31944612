"""How long a block must be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from tidemill.stats.dependence import HOURS, Dependence, lag_one, shortest_block


def residuals(rng: np.random.Generator, cause: float, hours: int, keep: float = 0.0, rows: int = 14_000) -> tuple:
    """Two weeks of rows with noise of sd 1, and a cause that lasts `hours` and keeps `keep` of the one before."""
    at = np.sort(rng.uniform(0, 14 * 24, rows))
    causes = rng.standard_normal(14 * 24 // hours)
    for n in range(1, len(causes)):
        causes[n] = keep * causes[n - 1] + np.sqrt(1 - keep**2) * causes[n]
    return at, rng.standard_normal(rows) + cause * causes[(at // hours).astype(int)]


def chosen(cause: float, hours: int, keep: float = 0.0, runs: int = 20) -> list:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(runs):
        at, values = residuals(rng, cause, hours, keep)
        found.append(shortest_block(at, [values]))
    return found


def test_independent_rows_are_found_independent() -> None:
    found = chosen(0.0, 1)
    assert sum(each.hours == 1 for each in found) >= 16
    assert sum(each.single_rows for each in found) >= 10


@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_a_cause_that_lasts_a_day_makes_blocks_of_days(keep: float) -> None:
    assert all(each.hours == 24 and not each.single_rows for each in chosen(0.3, 24, keep))


def test_a_weak_cause_that_hides_from_neighbouring_hours_is_seen_in_the_days() -> None:
    """Lag-1 of hours is about .1 here, and yet a day moves as one."""
    at, values = residuals(np.random.default_rng(5), 0.05, 24)
    correlation = lag_one(at, values, 1)
    assert correlation is not None
    assert correlation < 0.2
    assert sum(each.hours == 24 for each in chosen(0.1, 24)) >= 18


def test_causes_of_an_hour_leave_hours_independent_and_rows_not() -> None:
    found = chosen(0.5, 1)
    assert sum(each.hours == 1 for each in found) >= 16
    assert not any(each.single_rows for each in found)


def test_too_little_history_means_days() -> None:
    at, values = residuals(np.random.default_rng(1), 0.0, 1, rows=400)
    assert shortest_block(at, [values]).hours == 24
    at, values = residuals(np.random.default_rng(1), 0.0, 1)
    week = at < 6 * 24
    assert shortest_block(at[week], [values[week]]).hours == 24


def test_every_series_has_to_pass() -> None:
    rng = np.random.default_rng(2)
    at, good = residuals(rng, 0.0, 1)
    bad = good + 0.5 * rng.standard_normal(14)[(at // 24).astype(int)]
    assert shortest_block(at, [good, bad]).hours == 24


def test_rows_without_a_number_are_left_out() -> None:
    at, values = residuals(np.random.default_rng(2), 0.0, 1)
    values[::7] = np.nan
    assert shortest_block(at, [values]).hours in HOURS


def test_the_correlation_of_neighbours_by_hand() -> None:
    """Blocks of two hours, of which one in two has the mean 1 and the others -1; a gap makes no neighbours."""
    at = np.arange(44.0)
    alternating, pairs = np.repeat([1.0, -1.0] * 11, 2), np.repeat([1.0, 1.0, -1.0, -1.0] * 5 + [1.0, -1.0], 2)
    assert lag_one(at, alternating, 2) == pytest.approx(-1)
    assert lag_one(at, pairs, 2) == pytest.approx((10 - 11) / 21)
    assert lag_one(at, np.arange(44) * 0.0, 2) == 0
    later = np.where(at < 22, at, at + 100)
    assert lag_one(later, pairs, 2) == pytest.approx((9 - 11) / 20)


def test_twenty_neighbours_tell_a_correlation_and_fewer_do_not() -> None:
    assert lag_one(np.arange(21.0), np.arange(21.0), 1) is not None
    assert lag_one(np.arange(20.0), np.arange(20.0), 1) is None


def test_seven_days_and_five_hundred_rows_are_the_fewest_that_tell() -> None:
    rng = np.random.default_rng(3)
    at, values = np.arange(504) * (7 * 24 / 504), rng.standard_normal(504)
    assert shortest_block(at[:500], [values[:500]]).correlation is not None
    assert shortest_block(at[:499], [values[:499]]) == Dependence(24, False, None)
    six = at * 6 / 7
    assert shortest_block(six, [values]) == Dependence(24, False, None)
    values[:5] = np.nan
    assert shortest_block(at, [values]) == Dependence(24, False, None), "499 rows with a number"


def spread(at: np.ndarray, values: np.ndarray, length: int | None, longer: int) -> float:
    """Variance of the means of longer blocks over what independent blocks (or rows) would give them, block by block."""
    means, expected = [], []
    for one in np.unique(at // longer):
        inside = at // longer == one
        means.append(values[inside].mean())
        parts = np.unique(at[inside] if length is None else at[inside] // length, return_counts=True)[1]
        expected.append(np.sum((parts / inside.sum()) ** 2))
    units = values if length is None else [values[at // length == one].mean() for one in np.unique(at // length)]
    return float(np.var(means, ddof=1) / (np.var(units) * np.mean(expected)))


def uneven(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two weeks with more rows at some hours than at others, noise, and a cause for each day."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 14 * 24, 1500)) // 0.01 * 0.01
    at = np.unique(at[rng.random(len(at)) < 0.3 + 0.7 * (at % 24 > 8)])
    causes = rng.permutation(np.repeat([-1.0, 1.0], 7))
    return at, rng.standard_normal(len(at)), causes[(at // 24).astype(int)]


def worst(at: np.ndarray, values: np.ndarray, length: int) -> float:
    return max(spread(at, values, length, longer) for longer in HOURS if longer > length)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_is_too_short_where_longer_blocks_vary_more_than_half_again_as_much(seed: int) -> None:
    at, noise, cause = uneven(seed)
    size = brentq(lambda size: worst(at, noise + size * cause, 1) - 1.5, 0.0, 1.0, xtol=1e-3)
    assert shortest_block(at, [noise + 0.98 * size * cause]).hours == 1
    assert shortest_block(at, [noise + 1.02 * size * cause]).hours > 1


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_rows_depend_on_each_other_where_blocks_vary_a_quarter_more_than_rows_tell(seed: int) -> None:
    at, noise, cause = uneven(seed)
    size = brentq(
        lambda size: max(spread(at, noise + size * cause, None, each) for each in HOURS) - 1.25, 0.0, 1.0, xtol=1e-3
    )
    alone, together = (shortest_block(at, [noise + share * size * cause]) for share in (0.98, 1.02))
    assert (alone.hours, alone.single_rows, together.hours, together.single_rows) == (1, True, 1, False)


def test_a_block_is_as_long_as_its_cause_and_its_correlation_is_told() -> None:
    """Causes of four hours, each the opposite of the one before."""
    at = np.arange(14 * 24 * 4) / 4
    rng = np.random.default_rng(1)
    values = 0.1 * rng.standard_normal(len(at)) + rng.standard_normal(14 * 6)[(at // 4).astype(int)]
    found = shortest_block(at, [values])
    assert (found.hours, found.single_rows) == (4, False)
    assert found.correlation == pytest.approx(lag_one(at, values, 4))
    day = np.repeat(np.linspace(-1, 1, 28), 24 * 4)
    at = np.arange(28 * 24 * 4) / 4
    slow = shortest_block(at, [day, day + 0.1 * rng.standard_normal(len(at))])
    assert (slow.hours, slow.single_rows) == (24, False)
    assert slow.correlation == pytest.approx(lag_one(at, day, 24), abs=0.05)


def test_the_largest_correlation_of_all_series_is_told() -> None:
    at, one = residuals(np.random.default_rng(2), 0.0, 1)
    other = np.random.default_rng(9).standard_normal(len(at))
    both = shortest_block(at, [one, other])
    assert both.hours == 1
    assert both.correlation == max(lag_one(at, one, 1) or 0, lag_one(at, other, 1) or 0)
