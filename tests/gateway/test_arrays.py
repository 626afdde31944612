from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tidemill.gateway.arrays import takes_arrays
from tidemill.gateway.schema import Column, Schema

X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=["a", "b", "c"])
Y = (X["a"] > X["b"]).astype(int)
SCHEMA = Schema(tuple(Column(name, "double") for name in X.columns))


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(), make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5))],
    ids=["alone", "pipeline"],
)
@pytest.mark.filterwarnings("error")
def test_a_plain_model_takes_arrays_and_answers_the_same(model: Any) -> None:
    expected = model.fit(X, Y).predict_proba(X)
    assert takes_arrays(model, SCHEMA)
    assert np.array_equal(model.predict_proba(X.to_numpy()), expected)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FunctionTransformer(lambda frame: frame[["a"]]), LogisticRegression()),
        make_pipeline(ColumnTransformer([("a", "passthrough", ["a"])]), LogisticRegression()),
        VotingClassifier([("one", LogisticRegression())]),
    ],
    ids=["function", "columns", "ensemble of models"],
)
def test_a_model_that_may_look_at_names_gets_them(model: Any) -> None:
    assert not takes_arrays(model.fit(X, Y), SCHEMA)


def test_other_columns_or_types_than_the_model_was_fitted_on_get_a_frame() -> None:
    model = LogisticRegression().fit(X, Y)
    assert not takes_arrays(model, Schema(SCHEMA.columns[::-1]))
    assert not takes_arrays(model, Schema((Column("a", "long"), *SCHEMA.columns[1:])))
