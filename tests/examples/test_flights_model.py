"""The model: the same answer for a row alone as in a batch, an answer to anything, better than the baseline."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from flights import data, model
from sklearn.metrics import log_loss


def _between(first: str, end: str) -> pd.DataFrame:
    frame = data.departures()
    part = frame[(frame[data.EVENT_TIME] >= first) & (frame[data.EVENT_TIME] < end)]
    return part.dropna(subset=[data.LABEL]).reset_index(drop=True)


@pytest.fixture(scope="module")
def january() -> Any:
    rows = _between("2013-01-01", "2013-02-01")
    return model.train(model.features(rows), rows[data.LABEL]), model.carrier_rate(
        model.features(rows), rows[data.LABEL]
    )


def test_a_row_alone_has_the_features_that_it_has_in_a_batch() -> None:
    rows = _between("2013-02-08", "2013-02-09").sample(25, random_state=0)
    batch = model.features(rows)
    alone = pd.concat([model.features(rows.loc[[index]]) for index in rows.index])
    pd.testing.assert_frame_equal(batch, alone, check_dtype=False)


def test_features_from_json_are_the_features_from_the_table() -> None:
    rows = _between("2013-02-08", "2013-02-09").head(50)
    told = rows.astype(object).where(rows.notna(), None)
    told["scheduled_departure"] = [moment.isoformat() for moment in rows["scheduled_departure"]]
    pd.testing.assert_frame_equal(model.features(rows), model.features(told), check_dtype=False)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"carrier": None, "origin": "Newark", "dest": "", "distance": "far", "scheduled_departure": "tomorrow"},
        {"carrier": 7, "origin": float("nan"), "temp": None, "scheduled_departure": None, "visib": "10"},
        {"carrier": "ZZ", "distance": -1e12, "temp": float("inf"), "scheduled_departure": "2013-03-01T05:15:00Z"},
    ],
)
def test_whatever_is_asked_gets_a_probability(odd: dict[str, Any], january: Any) -> None:
    for estimator in january:
        late = estimator.predict_proba(model.features(pd.DataFrame([odd] if odd else [{"nothing": 1}])))[:, model.LATE]
        assert np.isfinite(late).all()
        assert ((late >= 0) & (late <= 1)).all()


def test_trained_on_the_history_the_model_beats_the_baseline_in_the_next_weeks() -> None:
    history, ahead = _between("2013-01-01", "2013-03-01"), _between("2013-03-01", "2013-03-29")
    told, asked = model.features(history), model.features(ahead)
    of_model, of_baseline = (
        log_loss(ahead[data.LABEL], train(told, history[data.LABEL]).predict_proba(asked)[:, 1])
        for train in (model.train, model.carrier_rate)
    )
    assert of_model < of_baseline - 0.01


def test_more_misspelt_categories_than_boosting_can_take_still_train() -> None:
    rows = _between("2013-01-01", "2013-01-08")
    rows["dest"] = [f"{dest}{n % 400}" for n, dest in enumerate(rows["dest"])]
    trained = model.train(model.features(rows), rows[data.LABEL])
    assert trained.predict_proba(model.features(rows.head(3))).shape == (3, 2)


def test_training_twice_gives_the_same_model() -> None:
    rows = _between("2013-01-01", "2013-01-08")
    inputs = model.features(rows)
    one, two = (model.train(inputs, rows[data.LABEL]).predict_proba(inputs) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_model_pickled_by_value_needs_nothing_of_this_project(january: Any, tmp_path: Path) -> None:
    cloudpickle.register_pickle_by_value(model)
    try:
        (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps((january[1], model.features)))
    finally:
        cloudpickle.unregister_pickle_by_value(model)
    script = (
        "import pickle, sys, pandas as pd\n"
        "estimator, features = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(estimator.predict_proba(features(pd.DataFrame([{'carrier': 'UA'}])))[0, 1])\n"
        "assert 'flights' not in sys.modules\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "model.pkl")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) < 1


def test_the_baseline_falls_back_to_the_overall_rate_for_a_carrier_it_never_saw() -> None:
    baseline = model.carrier_rate(pd.DataFrame({"carrier": ["UA", "UA", "B6", "B6"]}), pd.Series([1, 1, 0, 0]))
    rates = pickle.loads(pickle.dumps(baseline)).predict_proba(pd.DataFrame({"carrier": ["ZZ", "UA", "B6"]}))[:, 1]
    assert rates[0] == 0.5
    assert rates[2] < 0.5 < rates[1]
