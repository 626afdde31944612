from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.stats import scores

probability = st.floats(0, 1)
rows = st.lists(st.tuples(probability, st.integers(0, 1)), min_size=1, max_size=40)


def test_log_loss_is_the_textbook_formula() -> None:
    expected = -(math.log(0.8) + math.log(1 - 0.3)) / 2
    assert scores.log_loss_rows([0.8, 0.3], [1, 0]).mean() == pytest.approx(expected)


def test_certain_and_wrong_is_as_bad_as_one_in_a_hundred() -> None:
    """-ln .01, on either side; the model that says so promises next to nothing."""
    assert scores.log_loss_rows([0.0, 1.0, 0.0], [1, 0, 0]) == pytest.approx([4.60517, 4.60517, 0.01005], abs=1e-5)
    assert scores.entropy_rows([0.0, 1.0]) == pytest.approx([0.01005, 0.01005], abs=1e-5)
    assert scores.log_loss_rows([0.0], [1], clip=0.1)[0] == pytest.approx(-math.log(0.1))
    assert scores.entropy_rows([0.2], clip=0.3)[0] == pytest.approx(-0.2 * math.log(0.3) - 0.8 * math.log(0.7))


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
        assert scores.log_loss_rows(p, y).mean() == pytest.approx(scores.entropy_rows(p).mean(), abs=0.005)


def test_brier_is_the_squared_error() -> None:
    assert scores.brier_rows([0.8, 0.3], [1, 0]) == pytest.approx([0.04, 0.09])


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


def test_calibration_error_by_hand() -> None:
    """Two bins of equal mass by p: |.15 - .5| and |.8 - 2/3| weigh 2 and 3 of 5."""
    p, y = [0.9, 0.1, 0.7, 0.2, 0.8], [1, 0, 0, 1, 1]
    three, two = abs(0.4 / 1.2 * 0 + np.mean([0.1, 0.2, 0.7]) - 1 / 3), abs(0.85 - 1)
    assert scores.calibration_error(p, y, bins=2) == pytest.approx(3 / 5 * three + 2 / 5 * two)
    assert math.isnan(scores.calibration_error([], []))
    assert scores.calibration_error([0.3], [1], bins=10) == pytest.approx(0.7)
    many = np.linspace(0, 1, 1000)
    assert scores.calibration_error(many, many > 0.5) == pytest.approx(scores.calibration_error(many, many > 0.5, 10))


def test_a_nan_probability_is_never_made_a_number() -> None:
    p, y = [0.5, float("nan")], [1, 0]
    for rows in (scores.log_loss_rows(p, y), scores.brier_rows(p, y), scores.entropy_rows(p)):
        assert np.isnan(rows).tolist() == [False, True]
    assert math.isnan(scores.auc(p, y))


def test_one_of_each_class_is_enough_to_be_ranked() -> None:
    assert (scores.auc([0.2, 0.7], [0, 1]), scores.auc([0.7, 0.2], [0, 1]), scores.auc([0.5, 0.5], [0, 1])) == (
        1,
        0,
        0.5,
    )
