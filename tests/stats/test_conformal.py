from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from tidemill.stats.conformal import LEAST, calibrate, detect_drift, innovations, p_values


def ids(n: int, salt: str = "") -> list[str]:
    return [f"{salt}{index}" for index in range(n)]


@given(st.floats(1e-6, 1.0))
def test_the_calibrator_is_the_mixture_of_powers(p: float) -> None:
    mixture, _ = quad(lambda e: e * p ** (e - 1), 0, 1)
    assert calibrate(p) == pytest.approx(mixture, rel=1e-3)


def test_its_expectation_under_no_change_is_one() -> None:
    # Substituting p = exp(-u) takes the spike at 0 apart.
    expectation, _ = quad(lambda u: calibrate(float(np.exp(-u))) * np.exp(-u), 0, 500, limit=500)
    assert expectation == pytest.approx(1.0, abs=0.01)
    assert expectation <= 1.0


def test_p_values_of_an_unchanged_stream_are_uniform() -> None:
    scores = np.random.default_rng(1).normal(size=3000)
    found = np.sort(p_values(ids(3000), list(scores)))
    assert np.abs(found - np.linspace(0, 1, 3000)).max() < 1.63 / np.sqrt(3000)  # Kolmogorov, 1 %


def test_ties_are_broken_alike_each_time_and_uniformly() -> None:
    first = p_values(ids(2000), [1.0] * 2000)
    assert first == p_values(ids(2000), [1.0] * 2000)
    assert np.mean(first) == pytest.approx(0.5, abs=0.03)


def test_false_alarms_of_an_unchanged_stream_are_rationed() -> None:
    rng = np.random.default_rng(2)
    alarms = sum(len(detect_drift(ids(365, f"{s}/"), list(rng.normal(size=365)), 1 / 365).alarms) for s in range(60))
    assert alarms / 60 <= 1.0


def test_a_stream_that_moves_away_is_seen_within_weeks() -> None:
    rng = np.random.default_rng(3)
    for salt in range(10):
        scores = [*rng.normal(size=120), *rng.normal(3, 1, size=40)]
        alarms = detect_drift(ids(160, f"{salt}/"), scores, 1 / 365).alarms
        assert any(120 <= alarm < 141 for alarm in alarms)


def test_the_reference_counts_as_the_past() -> None:
    reference = list(np.random.default_rng(4).normal(size=200))
    assert p_values(["x"], [10.0], reference)[0] <= 1 / 201
    assert detect_drift(ids(10), [10.0] * 10, 1 / 365, reference).alarms


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_an_error(p: float) -> None:
    with pytest.raises(ValueError, match="p-value"):
        calibrate(p)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_alarms_keep_the_declared_rate_where_scores_are_autocorrelated(phi: float) -> None:
    rng = np.random.default_rng(7)
    alarms = [len(detect_drift(ids(365, f"{s}/"), autocorrelated(rng, phi, 365), 1 / 365).alarms) for s in range(40)]
    assert np.mean(alarms) <= 1 + 2 / np.sqrt(40)


def test_a_step_is_seen_where_scores_are_autocorrelated() -> None:
    rng = np.random.default_rng(8)
    seen = 0
    for seed in range(10):
        scores = np.array(autocorrelated(rng, 0.8, 160))
        scores[120:] *= np.exp(1.2)
        seen += any(alarm >= 120 for alarm in detect_drift(ids(160, f"{seed}/"), list(scores), 1 / 365).alarms)
    assert seen >= 8


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 60))
def test_later_scores_change_nothing_of_earlier_ones(scores: list[float], cut: int) -> None:
    whole, part = innovations(scores), innovations(scores[:cut])
    assert np.isfinite(whole).all()
    if len(part) >= LEAST:
        assert whole[: len(part)] == part


def autocorrelated(rng: np.random.Generator, phi: float, n: int) -> list[float]:
    noise, x, found = rng.normal(size=n + 50) * np.sqrt(1 - phi**2), 0.0, []
    for each in noise:
        x = phi * x + each
        found.append(float(np.exp(0.4 * x)))
    return found[50:]
