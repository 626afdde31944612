from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tidemill.loop.turn.data import Prepared
from tidemill.loop.turn.training import estimator_of, train
from tidemill.loop.turn.user_code import TrainerFailed
from tidemill.spec.model_loop import ModelLoop
from turn_world import LOGISTIC, document, rows_of

ROWS = rows_of(0)
LATE = np.arange(len(ROWS)) >= 40
WITH_FEATURES = (
    LOGISTIC.replace("passthrough", "passthrough").replace('["x", "z"]', '["double"]')
    + """

def features(frame):
    return frame.assign(double=frame["x"] * 2)
"""
)
COUNTS = """
class Counts:
    def __init__(self, n, previous):
        self.n, self.previous = n, previous
    def fit(self, X, y):
        return self
    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator
        return BaseEstimator().__sklearn_tags__()
    def __sklearn_is_fitted__(self):
        return True
    def predict_proba(self, X):
        import numpy as np
        return np.full((len(X), 2), 0.5)

def train(X, y, previous=None):
    X["x"] = 0.0  # a trainer may do what it likes with what it is given
    return Counts(len(X), previous)
"""


def prepared(**features: Any) -> Prepared:
    X = ROWS.drop(columns=["id", "y"]).assign(**features)
    return Prepared(ROWS, X, ROWS["y"], LATE)


def spec_of(folder: Path, name: str, code: str, features: bool = False) -> Any:
    (folder / f"{name}.py").write_text(code)
    model = {"features": f"{name}:features"} if features else {}
    return ModelLoop.model_validate(document(name, model=model)).spec


def test_the_twin_sees_what_is_before_the_hold_out_and_the_refit_all_rows(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "tr_counts", COUNTS)
    twin = train(data := prepared(), spec, tmp_path, spec.model.trainer, whole=False)
    whole = train(data, spec, tmp_path, spec.model.trainer, whole=True)
    assert (estimator_of(twin).n, estimator_of(whole).n) == (40, 60)
    assert data.X["x"].equals(ROWS["x"]), "what a trainer does to its rows, the next one does not see"


def test_the_next_trainer_gets_what_the_last_one_returned(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "tr_previous", COUNTS)
    first = train(prepared(), spec, tmp_path, spec.model.trainer, whole=True)
    second = train(prepared(), spec, tmp_path, spec.model.trainer, True, previous=estimator_of(first))
    assert estimator_of(second).previous is first.named_steps["model"]
    assert estimator_of(None) is None


def test_features_travel_inside_the_model(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "tr_features", WITH_FEATURES, features=True)
    model = train(prepared(double=ROWS["x"] * 2), spec, tmp_path, spec.model.trainer, whole=False)
    raw = ROWS[["x", "z"]]
    assert model.predict_proba(raw).shape == (60, 2)


def test_a_model_that_cannot_predict_fails_where_it_was_trained(tmp_path: Path) -> None:
    bare = "class Bare:\n    def predict_proba(self, X):\n        return [[0.5, 0.5]] * len(X)\n"
    spec = spec_of(tmp_path, "tr_bare", bare + "\ndef train(X, y, previous=None):\n    return Bare()\n")
    with pytest.raises(TrainerFailed, match=r"The model of tr_bare:train raised in predict_proba: .*not an estimator"):
        train(prepared(), spec, tmp_path, spec.model.trainer, whole=False)
