"""How long a block must be."""

from __future__ import annotations

import numpy as np
import pytest
from tidemill.stats.dependence import HOURS, lag_one, shortest_block


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
