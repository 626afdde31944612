"""The noise of a mean is that of its days, and a few days know it badly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tidemill.stats.daily import UNKNOWN, Noise, daily_noise, t_quantile


def test_with_days_of_equal_size_it_is_the_error_of_the_mean_of_daily_means() -> None:
    found = daily_noise(np.repeat([0.0, 0.3, 0.6], 4), np.repeat([1, 2, 3], 4))
    assert found.error == pytest.approx(0.3 / np.sqrt(3))
    assert found.days == 3


def test_a_day_with_more_rows_moves_the_mean_more() -> None:
    """By hand: mean .25, sums of residuals -.75 and .75 over 4 rows, factor 2."""
    found = daily_noise(np.array([0.0, 0.0, 0.0, 1.0]), np.array([1, 1, 1, 2]))
    assert found.error == pytest.approx(math.sqrt(2 * (0.75**2 + 0.75**2)) / 4)


def test_one_day_says_nothing_of_its_noise() -> None:
    one = daily_noise(np.array([0.0, 1.0]), np.array([1, 1]))
    assert (one.known, one.days) == (False, 1)
    assert one.bound(0.95) == UNKNOWN.bound(0.5) == math.inf
    assert not Noise(0.0, 1).known
    assert not Noise(math.inf, 7).known
    assert Noise(0.1, 2).known


def test_a_bound_is_students_with_one_degree_less_than_days() -> None:
    assert t_quantile(0.95, 6) == pytest.approx(1.943, abs=1e-3)
    assert Noise(0.1, 7).bound(0.95) == pytest.approx(0.1943, abs=1e-4)
    assert Noise(0.1, 2).bound(0.95) == pytest.approx(0.6314, abs=1e-4)


def test_a_mean_lies_beyond_its_bound_as_often_as_declared() -> None:
    """1,000 hold-outs of seven days, rows of a day sharing a cause: the normal bound fails in 7.6 % of them."""
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(7), 30)
    beyond = 0
    for _ in range(1000):
        values = rng.normal(0, 1, 7)[days] + rng.normal(0, 1, 210)
        beyond += values.mean() > daily_noise(values, days).bound(0.95)
    assert 0.035 <= beyond / 1000 <= 0.065
