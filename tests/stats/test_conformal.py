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
    assert calibrate(p) == pytest.approx(mixture, rel=1e-6)


@pytest.mark.parametrize("p", [0.999, 0.99985, 0.9999, 0.99995, 1.0])
def test_near_one_the_calibrator_is_still_the_mixture(p: float) -> None:
    mixture, _ = quad(lambda e: e * p ** (e - 1), 0, 1)
    assert calibrate(p) == pytest.approx(mixture, rel=1e-7)


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


def test_a_p_value_is_the_rank_of_a_score_among_those_before_it() -> None:
    """One id has one tie-breaker u, which a single score shows."""
    (u,) = p_values(["x"], [0.0])
    assert 0 < u <= 1
    assert p_values(["x"] * 4, [3.0, 1.0, 2.0, 4.0]) == pytest.approx([u, (1 + u) / 2, (1 + u) / 3, u / 4])
    assert p_values(["x"] * 4, [2.0, 2.0, 1.0, 2.0]) == pytest.approx([u, 2 * u / 2, (2 + u) / 3, 3 * u / 4])


def test_ties_are_broken_alike_on_every_machine() -> None:
    assert p_values(["2024-01-01", "2024-01-02"], [0.0, 0.0]) == pytest.approx(
        [0.2566861930113, 0.5710366340921], abs=1e-12
    )


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


CALM = [0.0, *[-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0] * 2]  # median 0, deviations of 1, lag-1 correlation 7 / 12


def test_an_innovation_by_hand() -> None:
    phi = 7 / 12 + np.sqrt((1 - (7 / 12) ** 2) / 15)
    assert innovations([*CALM, 5.0])[-1] == pytest.approx(5 - phi)
    level = 3.0
    assert innovations([level + 2 * x for x in [*CALM, 5.0]])[-1] == pytest.approx(2 * (5 - phi))


def test_a_correlation_that_may_be_chance_foretells_nothing() -> None:
    """Less than 1 / sqrt(15) = .258 of 15 scores."""
    few = [0.0, *[-1.0] * 2, *[1.0] * 3, *[-1.0] * 3, *[1.0] * 2, *[-1.0] * 2, *[1.0] * 2]  # 3 / 14 = .214
    assert innovations([*few, 5.0])[-1] == 5
    some = [0.0, *[1.0] * 3, *[-1.0] * 3, *[1.0] * 3, *[-1.0] * 4, 1.0]  # 5 / 14 = .357
    assert innovations([*some, 5.0])[-1] == pytest.approx(5 - 5 / 14 - np.sqrt((1 - (5 / 14) ** 2) / 15))


def test_however_correlated_scores_are_a_twentieth_is_new() -> None:
    steady = [*[-1.0] * 7, 0.0, *[1.0] * 7]  # 6 / 7, and one standard error
    assert innovations([*steady, 2.0])[-1] == pytest.approx(2 - 0.95)


def test_the_first_fifteen_scores_are_taken_as_they_are_around_their_median() -> None:
    scores = [float(n) for n in range(15)]
    assert innovations(scores) == [n - 7.0 for n in range(15)]
    assert innovations(scores[:2]) == [-0.5, 0.5]
    assert innovations([]) == []


def test_a_storm_counts_as_four_deviations_in_what_it_foretells() -> None:
    """The day after a storm is compared with a storm that was cut: at 4 * 1.4826 deviations, however large it was."""
    after = [innovations([*CALM[:-1], storm, 1.0])[-1] for storm in (6.0, 1e3, 1e6)]
    assert after[1] == pytest.approx(after[2])
    assert after[0] == pytest.approx(after[1], abs=0.05)
    assert innovations([*CALM[:-1], 5.0, 1.0])[-1] != pytest.approx(after[1], abs=0.1)
