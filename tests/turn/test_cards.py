from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tidemill.loop.turn.cards import confusion, evaluation_html, roc, validation_html

FIGURES = {"log_loss": 0.5, "brier": 0.2, "auc": None, "calibration_error": 0.01}


def record(**more: Any) -> dict[str, Any]:
    return {"verdict": "SliceWorse", "message": "because", "rows": 9, "challenger": FIGURES, "champion": None,
            "baseline": FIGURES, "slices": {}, **more}  # fmt: skip


def test_the_curve_starts_at_the_origin_ends_at_the_corner_and_encloses_the_auc() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(5000) < 0.3).astype(float)
    p = np.clip(0.3 + 0.2 * y + rng.normal(0, 0.2, 5000), 0, 1)
    curve = roc(p, y)
    assert curve is not None
    false, true, thresholds = curve
    assert (false[0], true[0], false[-1], true[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert len(false) == len(true) == len(thresholds) <= 101
    assert np.all(np.diff(thresholds) <= 0)
    assert np.trapezoid(true, false) == pytest.approx(roc_auc_score(y, p), abs=0.01)


def test_a_model_that_says_one_thing_has_a_diagonal_whatever_the_order_of_rows() -> None:
    assert roc(np.full(4, 0.3), np.array([1.0, 1.0, 0.0, 0.0])) == ([0.0, 1.0], [0.0, 1.0], [1.0, 0.3])


@pytest.mark.parametrize(("p", "y"), [([0.1, 0.2], [1, 1]), ([0.1, 0.2], [0, 0]), ([0.1, float("nan")], [0, 1])])
def test_no_curve_where_there_is_none(p: list[float], y: list[int]) -> None:
    assert roc(np.array(p), np.array(y, dtype=float)) is None


def test_confusion_counts_true_rows_by_predicted_columns() -> None:
    assert confusion(np.array([0.9, 0.4, 0.6, 0.1]), np.array([1, 1, 0, 0])) == [[1, 1], [1, 1]]
    assert confusion(np.array([0.9, 0.9, 0.1]), np.array([1, 1, 1])) == [[0, 0], [1, 2]]


def test_pages_escape_what_data_holds() -> None:
    slices = {"<b>": {"<script>": {"rows": 1, "challenger": 0.1, "champion": None}}}
    page = evaluation_html(record(message="<script>", slices=slices, champion=FIGURES))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "not a number" in page
    assert "<script>" not in validation_html({"verdict": "DataRejected", "message": "m", "failures": ["<script>"]})


def test_a_page_names_who_is_compared() -> None:
    assert "<td>champion</td>" not in evaluation_html(record())
    assert "<td>champion</td>" in evaluation_html(record(champion=FIGURES))
    assert "0.5000" in evaluation_html(record())
