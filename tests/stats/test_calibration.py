"""Recalibration: bounded, shrunk, and the identity where there is nothing to learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from tidemill.stats.calibration import IDENTITY, INTERCEPT_BOUNDS, SLOPE_BOUNDS, apply, at_level, fit


def sample(
    rng: np.random.Generator, days: int, rows: int, intercept: float, slope: float, day_sd: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    logit = rng.normal(-1.2, 1.0, days * rows)
    day = np.repeat(np.arange(days), rows)
    truth = intercept + slope * logit + day_sd * rng.standard_normal(days)[day]
    return 1 / (1 + np.exp(-logit)), (rng.random(days * rows) < 1 / (1 + np.exp(-truth))).astype(float), day


def test_a_miscalibrated_model_is_put_right() -> None:
    raw, label, day = sample(np.random.default_rng(1), 14, 900, 0.6, 0.7, 0.0)
    intercept, slope = fit(raw, label, day)
    assert intercept == pytest.approx(0.6, abs=0.15)
    assert slope == pytest.approx(0.7, abs=0.1)
    assert apply(raw, intercept, slope).mean() == pytest.approx(label.mean(), abs=0.01)


def posterior(at: np.ndarray, raw: np.ndarray, label: np.ndarray, effect: float) -> float:
    """Minus its log: the likelihood of rows / design effect, and a normal prior (.5, .25) around (0, 1)."""
    p = np.clip(raw, 0.01, 0.99)
    linear = at[0] + at[1] * np.log(p / (1 - p))
    likelihood = np.sum(label * linear - np.log1p(np.exp(linear)))
    return float(-likelihood / effect + (at[0] / 0.5) ** 2 / 2 + ((at[1] - 1) / 0.25) ** 2 / 2)


def design_effect(raw: np.ndarray, label: np.ndarray, day: np.ndarray) -> float:
    """Kish's, averaged with a usual correlation of .02 that is worth three days."""
    at = minimize(posterior, (0.0, 1.0), args=(raw, label, 1.0), method="BFGS").x
    p = np.clip(raw, 0.01, 0.99)
    residual = label - 1 / (1 + np.exp(-at[0] - at[1] * np.log(p / (1 - p))))
    sums = [residual[day == one].sum() for one in np.unique(day)]
    days, spare = len(sums), max(len(sums) - 2, 0)
    estimated = np.sum(np.square(sums)) / np.sum(residual**2) * days / max(spare, 1)
    usual = 1 + (len(raw) / days - 1) * 0.02
    return max(1.0, (spare * estimated + 3 * usual) / (spare + 3))


@pytest.mark.parametrize(
    ("days", "rows", "sd"), [(1, 60, 0.0), (2, 60, 0.5), (3, 40, 0.5), (14, 300, 0.4), (9, 200, 0)]
)
def test_the_fit_is_the_mode_of_the_posterior(days: int, rows: int, sd: float) -> None:
    raw, label, day = sample(np.random.default_rng(7), days, rows, 0.5, 0.8, sd)
    for effect, found in ((1.0, fit(raw, label)), (design_effect(raw, label, day), fit(raw, label, day))):
        best = minimize(posterior, (0.0, 1.0), args=(raw, label, effect), method="BFGS").x
        assert found == pytest.approx(tuple(best), abs=1e-4)


def test_days_that_move_together_no_more_than_chance_has_it_count_as_their_rows() -> None:
    """The design effect is at least 1, however evenly the days fall."""
    day = np.repeat(np.arange(60), 10)
    raw, label = np.full(600, 0.3), np.tile([1.0] * 4 + [0.0] * 6, 60)
    assert fit(raw, label, day) == pytest.approx(fit(raw, label), abs=1e-9)


@pytest.mark.parametrize(("bad", "good", "bound"), [(0.02, 1, INTERCEPT_BOUNDS[1]), (0.98, 0, INTERCEPT_BOUNDS[0])])
def test_the_intercept_goes_as_far_as_its_bound_and_no_farther(bad: float, good: int, bound: float) -> None:
    label = np.full(20_000, float(good))
    label[:20] = 1 - good
    assert fit(np.full(20_000, bad), label)[0] == pytest.approx(bound)
    assert (INTERCEPT_BOUNDS, SLOPE_BOUNDS) == ((-2, 2), (0.25, 4))


def test_the_slope_goes_as_far_as_its_bounds_and_no_farther() -> None:
    rng = np.random.default_rng(8)
    raw = rng.uniform(0.3, 0.7, 20_000)
    assert fit(raw, (raw > 0.5).astype(float))[1] == pytest.approx(4)
    assert fit(raw, (raw < 0.5).astype(float))[1] == pytest.approx(0.25)


def test_fifty_rows_are_the_fewest_that_teach() -> None:
    raw, label = np.full(50, 0.2), (np.arange(50) % 2).astype(float)
    assert fit(raw[:49], label[:49]) == IDENTITY
    assert fit(raw, label) != IDENTITY


def test_a_correction_is_the_formula() -> None:
    assert apply(np.array([0.2, 0.5]), 0.3, 0.5) == pytest.approx([1 / (1 + 2 * np.exp(-0.3)), 1 / (1 + np.exp(-0.3))])
    assert apply(np.array([0.0, 1.0]), 0.3, 1.0) == pytest.approx([0, 1], abs=1e-5)
    assert 0 < apply(np.array([0.0]), 0.0, 0.5)[0] < 0.01
    assert 0.99 < apply(np.array([1.0]), 0.0, 0.5)[0] < 1


def test_outcomes_that_move_together_count_for_less() -> None:
    """Two days that were both bad are hardly a reason; as many independent rows would be."""
    raw, label, day = sample(np.random.default_rng(2), 2, 900, 0.8, 1.0, 0.0)
    assert 0 < fit(raw, label, day)[0] < fit(raw, label)[0]


def test_more_days_move_it_further_than_more_rows_of_the_same_days() -> None:
    rng = np.random.default_rng(3)
    few, many = sample(rng, 2, 2000, 0.8, 1.0, 0.3), sample(rng, 20, 200, 0.8, 1.0, 0.3)
    assert abs(fit(*many)[0] - 0.8) < abs(fit(*few)[0] - 0.8)


def test_it_stays_within_its_bounds_whatever_the_outcomes() -> None:
    rng = np.random.default_rng(4)
    raw = rng.uniform(0.01, 0.99, 20000)
    for label in ((raw < 0.5), (raw > 0.5), rng.random(20000) < 0.999, rng.random(20000) < 0.001):
        intercept, slope = fit(raw, label.astype(float))
        assert INTERCEPT_BOUNDS[0] <= intercept <= INTERCEPT_BOUNDS[1]
        assert SLOPE_BOUNDS[0] <= slope <= SLOPE_BOUNDS[1]


@pytest.mark.parametrize("case", ["empty", "few", "one class", "nan prediction", "nan label"])
def test_where_there_is_nothing_to_learn_it_is_the_identity(case: str) -> None:
    raw, label, _ = sample(np.random.default_rng(5), 2, 100, 0.5, 1.0, 0.0)
    if case == "empty":
        raw, label = raw[:0], label[:0]
    elif case == "few":
        raw, label = raw[:20], label[:20]
    elif case == "one class":
        label = np.ones_like(label)
    elif case == "nan prediction":
        raw[3] = np.nan
    else:
        label[3] = np.nan
    assert fit(raw, label) == IDENTITY


def test_constant_predictions_get_an_intercept_only_shift() -> None:
    label = (np.arange(400) % 2).astype(float)
    intercept, slope = fit(np.full(400, 0.2), label)
    assert apply(np.array([0.2]), intercept, slope)[0] == pytest.approx(0.5, abs=0.05)


def test_labels_that_are_no_labels_and_rows_that_do_not_match_are_refused() -> None:
    raw = np.full(100, 0.3)
    with pytest.raises(ValueError, match="labels are 0 or 1"):
        fit(raw, np.full(100, 2.0))
    with pytest.raises(ValueError, match="equal number"):
        fit(raw, np.zeros(99))
    with pytest.raises(ValueError, match="equal number"):
        fit(raw, np.zeros(100), np.zeros(99))
    with pytest.raises(ValueError, match="equal number"):
        fit(raw.reshape(10, 10), np.zeros((10, 10)))


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(-2, 2), st.floats(0.25, 4))
def test_a_correction_gives_probabilities_and_keeps_the_order(raw: list[float], intercept: float, slope: float) -> None:
    values = np.sort(np.array(raw))
    score = apply(values, intercept, slope)
    assert ((score >= 0) & (score <= 1)).all()
    assert (np.diff(score) >= 0).all()


@given(st.lists(st.floats(0, 1), max_size=20))
@settings(max_examples=30)
def test_the_identity_changes_nothing(raw: list[float]) -> None:
    assert apply(np.array(raw), *IDENTITY).tolist() == raw


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)
levels = st.floats(0.001, 0.999)


@given(probabilities, levels)
def test_moved_to_a_level_the_mean_is_that_level_and_the_order_what_it_was(p: np.ndarray, level: float) -> None:
    moved = at_level(np.sort(p), level)
    assert moved.mean() == pytest.approx(level, abs=1e-6)
    assert ((moved >= 0) & (moved <= 1)).all()
    assert (np.diff(moved) >= 0).all()


@given(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=30).map(np.array), st.floats(0.05, 0.95))
def test_a_level_is_one_constant_on_the_logit_and_moving_there_and_back_changes_nothing(
    p: np.ndarray, level: float
) -> None:
    moved = at_level(p, level)
    shift = np.log(moved / (1 - moved)) - np.log(p / (1 - p))
    assert np.ptp(shift) == pytest.approx(0, abs=1e-6)
    assert at_level(moved, float(p.mean())) == pytest.approx(p, abs=1e-6)


def test_a_level_knows_no_labels_so_that_equal_levels_leave_a_model_as_it_is() -> None:
    p = np.array([0.1, 0.2, 0.6])
    assert at_level(p, float(p.mean())) == pytest.approx(p, abs=1e-9)


@pytest.mark.parametrize(("p", "level"), [([], 0.5), ([0.2, np.nan], 0.5), ([0.2, 0.4], 0.0), ([0.2, 0.4], np.nan)])
def test_what_has_no_level_is_left_alone(p: list[float], level: float) -> None:
    np.testing.assert_array_equal(at_level(np.array(p), level), np.array(p))
