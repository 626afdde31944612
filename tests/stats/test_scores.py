from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from tidemill.stats import scores

probability = st.floats(0, 1)
rows = st.lists(st.tuples(probability, st.integers(0, 1)), min_size=1, max_size=40)


def test_log_loss_is_the_textbook_formula() -> None:
    expected = -(math.log(0.8) + math.log(1 - 0.3)) / 2
    assert scores.log_loss([0.8, 0.3], [1, 0]) == pytest.approx(expected)


@given(rows)
def test_no_row_loses_more_than_the_clip_allows(pairs: list[tuple[float, int]]) -> None:
    p, y = zip(*pairs, strict=True)
    losses = scores.log_loss_rows(p, y)
    assert losses.min() >= 0
    assert losses.max() <= -math.log(scores.CLIP) + 1e-12


@given(probability)
def test_entropy_is_the_expected_clipped_loss_under_the_model(p: float) -> None:
    expected = p * scores.log_loss_rows([p], [1])[0] + (1 - p) * scores.log_loss_rows([p], [0])[0]
    assert scores.entropy_rows([p])[0] == pytest.approx(expected)


def test_a_calibrated_model_keeps_its_promise_on_easy_and_on_hard_days() -> None:
    rng = np.random.default_rng(1)
    for low, high in ((0.0, 0.1), (0.4, 0.6)):
        p = rng.uniform(low, high, 200_000)
        y = rng.random(len(p)) < p
        assert scores.log_loss(p, y) == pytest.approx(scores.entropy_rows(p).mean(), abs=0.005)


def test_brier_is_the_mean_squared_error() -> None:
    assert scores.brier([0.8, 0.3], [1, 0]) == pytest.approx((0.04 + 0.09) / 2)


@given(rows)
def test_auc_counts_pairs_in_the_right_order_and_ties_as_half(pairs: list[tuple[float, int]]) -> None:
    p, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    positive, negative = p[y == 1], p[y == 0]
    if len(positive) == 0 or len(negative) == 0:
        assert math.isnan(scores.auc(p, y))
        return
    wins = (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2
    assert scores.auc(p, y) == pytest.approx(wins)


def test_calibration_error_is_small_for_the_truth_and_large_for_a_shift() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0, 0.8, 50_000)
    y = rng.random(len(p)) < p
    assert scores.calibration_error(p, y) < 0.01
    assert scores.calibration_error(p + 0.2, y) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 1.0), (2.0, 0.5), (0.5, 2.0)])
def test_the_calibration_slope_tells_too_extreme_from_too_timid(factor: float, expected: float) -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 1, 40_000)
    y = rng.random(len(logit)) < 1 / (1 + np.exp(-logit))
    assert scores.calibration_slope(1 / (1 + np.exp(-factor * logit)), y) == pytest.approx(expected, rel=0.06)


def test_calibration_error_by_hand() -> None:
    """Two bins of equal mass by p: |.15 - .5| and |.8 - 2/3| weigh 2 and 3 of 5."""
    p, y = [0.9, 0.1, 0.7, 0.2, 0.8], [1, 0, 0, 1, 1]
    three, two = abs(0.4 / 1.2 * 0 + np.mean([0.1, 0.2, 0.7]) - 1 / 3), abs(0.85 - 1)
    assert scores.calibration_error(p, y, bins=2) == pytest.approx(3 / 5 * three + 2 / 5 * two)
    assert math.isnan(scores.calibration_error([], []))
    assert scores.calibration_error([0.3], [1], bins=10) == pytest.approx(0.7)
    many = np.linspace(0, 1, 1000)
    assert scores.calibration_error(many, many > 0.5) == pytest.approx(scores.calibration_error(many, many > 0.5, 10))


@pytest.mark.parametrize("factor", [0.2, 1.0, 4.0])
def test_the_calibration_slope_is_the_maximum_of_the_likelihood(factor: float) -> None:
    """Where the likelihood is flat: the residuals are orthogonal to constant and logit."""
    rng = np.random.default_rng(4)
    logit = rng.normal(1.0, 0.8, 3000)
    p = 1 / (1 + np.exp(-factor * logit))
    y = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)
    slope = scores.calibration_slope(p, y)
    kept = np.clip(p, scores.CLIP, 1 - scores.CLIP)
    seen = np.log(kept / (1 - kept))

    def residuals(intercept: float) -> np.ndarray:
        return y - 1 / (1 + np.exp(-intercept - slope * seen))

    intercept = brentq(lambda a: residuals(a).sum(), -20, 20)
    assert residuals(intercept) @ seen == pytest.approx(0, abs=1e-3)


def test_separated_classes_have_no_slope() -> None:
    assert math.isnan(scores.calibration_slope([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]))
    assert math.isnan(scores.calibration_slope([], []))


def test_a_slope_that_does_not_exist_is_nan() -> None:
    assert math.isnan(scores.calibration_slope([0.2, 0.2], [0, 1]))
    assert math.isnan(scores.calibration_slope([0.2, 0.4], [1, 1]))


def test_a_nan_probability_is_never_made_a_number() -> None:
    p, y = [0.5, float("nan")], [1, 0]
    for metric in (scores.log_loss, scores.brier, scores.auc, scores.calibration_slope):
        assert math.isnan(metric(p, y))
    assert math.isnan(scores.log_loss([], []))
