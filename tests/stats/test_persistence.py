"""How much a day is like the day before is learnt without levels, weekdays or a look ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats.persistence import MOST, USUAL, inflation, learn, long_run

values = st.lists(st.floats(-1, 1), max_size=60)


def spells(rng: np.random.Generator, days: int, phi: float) -> np.ndarray:
    x = rng.standard_normal(days)
    for day in range(1, days):
        x[day] = phi * x[day - 1] + np.sqrt(1 - phi**2) * x[day]
    return x


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_a_long_history_tells_phi_and_the_variance_of_a_day(phi: float) -> None:
    found = learn(spells(np.random.default_rng(1), 20_000, phi))
    assert found.phi[-1] == pytest.approx(phi, abs=0.06)
    assert found.variance[-1] == pytest.approx(1 - phi**7, abs=0.1)


@given(values, values)
def test_what_comes_later_does_not_change_what_was_learnt(past: list[float], future: list[float]) -> None:
    whole, part = learn(np.array(past + future)), learn(np.array(past))
    np.testing.assert_allclose(whole.phi[: len(past)], part.phi, atol=1e-9)
    np.testing.assert_allclose(whole.variance[: len(past)], part.variance, atol=1e-9)


def test_what_a_day_is_is_not_known_on_that_day() -> None:
    quiet, loud = np.zeros(30), np.zeros(30)
    loud[-1] = 1.0
    assert learn(quiet).phi[-1] == learn(loud).phi[-1]


def test_a_short_history_is_the_usual_one() -> None:
    found = learn(np.random.default_rng(2).standard_normal(14))
    assert found.phi == pytest.approx(np.full(14, USUAL), abs=0.006)
    assert np.isinf(found.variance[:8]).all()
    assert np.isfinite(found.variance[8:]).all()
    assert len(learn(np.array([])).phi) == 0


def ratio(phi: float) -> float:
    """7 Var(mean of u over 7 days) / Var(u), u_t = x_t - x_(t-7), from the autocovariance of x."""
    x = lambda lag: phi ** abs(lag)  # noqa: E731
    u = lambda lag: 2 * x(lag) - x(lag - 7) - x(lag + 7)  # noqa: E731
    return 7 * sum(u(i - j) for i in range(7) for j in range(7)) / 49 / u(0)


def by_hand(x: np.ndarray, t: int) -> tuple[float, float]:
    """The ratio behind phi, and the variance of a day, from x[:t], day by day."""
    u = [x[day] - x[day - 7] for day in range(7, t)]
    cut = []
    for day, value in enumerate(u):
        limit = 2 * np.sqrt(np.mean(np.square(u[:day]))) if day >= 14 else np.inf
        cut.append(float(np.clip(value, -limit, limit)))
    weeks = [np.mean(cut[day - 6 : day + 1]) for day in range(6, len(cut))]
    seen = 7 * np.mean(np.square(weeks)) / np.mean(np.square(cut))
    return (len(weeks) * seen + 28 * ratio(0.4)) / (len(weeks) + 28), float(np.mean(np.square(u)) / 2)


@pytest.mark.parametrize("t", [14, 20, 22, 23, 35, 60, 99])
@pytest.mark.parametrize("size", [0.05, 1.0])
def test_the_formula_by_hand(t: int, size: float) -> None:
    """With a jump after five weeks, which is cut."""
    x = size * spells(np.random.default_rng(9), 100, 0.5)
    x[35:] += 5 * size
    expected, variance = by_hand(x, t)
    found = learn(x)
    assert ratio(float(found.phi[t])) == pytest.approx(expected, abs=0.01)
    assert 0 < found.phi[t] < MOST
    assert found.variance[t] == pytest.approx(variance)


def test_what_comes_and_goes_within_a_week_has_no_persistence() -> None:
    assert learn(np.tile([1.0, -1.0], 2000)).phi[-1] == 0


def test_the_weekday_is_no_persistence() -> None:
    rng = np.random.default_rng(3)
    x = 0.3 * rng.standard_normal(2000) + np.cos(2 * np.pi * (np.arange(2000) % 7) / 7)
    assert learn(x).phi[-1] < 0.1
    assert learn(x).variance[-1] == pytest.approx(0.09, abs=0.01)


def test_a_change_of_level_passes_for_persistence_hardly_and_briefly() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((40, 200))
    shifted = x.copy()
    shifted[:, 100:] += 2.0
    before, after = (np.mean([learn(row).phi[-1] for row in rows]) for rows in (x, shifted))
    assert after - before < 0.2


def test_days_that_never_differ_are_independent() -> None:
    assert learn(np.full(400, 0.3)).phi[-1] < 0.05


def test_phi_is_bounded() -> None:
    assert learn(np.cumsum(np.random.default_rng(5).standard_normal(3000))).phi[-1] == MOST


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_a_mean_of_days_varies_more_than_they_say_by_the_inflation(phi: float) -> None:
    rng = np.random.default_rng(6)
    weeks = spells(rng, 7 * 8000, phi).reshape(-1, 7)
    factor = weeks.mean(axis=1).var() / (weeks.var(axis=1, ddof=1).mean() / 7)
    assert inflation(np.array([phi]), 7)[0] == pytest.approx(factor, rel=0.08)


def test_a_mean_of_many_days_is_inflated_by_the_long_run_factor() -> None:
    assert long_run(np.array([0.0, 0.5, 0.8])) == pytest.approx([1, 3, 9])
    assert inflation(np.array([0.5]), 3000)[0] == pytest.approx(3, rel=0.01)
