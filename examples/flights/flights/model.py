"""The model: will this flight arrive more than 15 minutes late? Asked at its scheduled departure.

Everything here is pickled by value with the model, so the module imports nothing of its own package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

CATEGORICAL = ("origin", "carrier", "dest")
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
NUMERIC = ("distance", "hour", "minute", "weekday", *WEATHER)
MAX_CATEGORIES = 200  # gradient boosting takes fewer than 255; rarer ones are missing values

ON_TIME, LATE = 0, 1


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """The model's inputs from delivered rows: a frame of the same length and index, strings and floats only.

    Row by row, so that a batch and a single request give the same values. Whatever cannot be read as what it should be
    becomes missing: the model knows what to do with missing values, and nothing with an exception.
    """
    out = pd.DataFrame(index=frame.index)
    for name in CATEGORICAL:
        out[name] = _column(frame, name).astype("str").fillna("missing")
    departure = pd.to_datetime(_column(frame, "scheduled_departure"), utc=True, errors="coerce")
    out["hour"] = departure.dt.hour.astype(float)
    out["minute"] = departure.dt.minute.astype(float)
    out["weekday"] = departure.dt.weekday.astype(float)
    for name in ("distance", *WEATHER):
        out[name] = pd.to_numeric(_column(frame, name), errors="coerce").astype(float)
    return out[[*CATEGORICAL, *NUMERIC]]


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name] if name in frame.columns else pd.Series(np.nan, index=frame.index)


def train(X: pd.DataFrame, y: pd.Series, previous: Any = None) -> Pipeline:
    """Gradient boosting on `features`; from scratch each time (`previous` is not used: training takes seconds).

    Few small trees with large leaves, because the labels are noisy. Of nineteen settings, cross-validated over days
    of January and February (before the loop goes live), the cheapest within one standard error of the best.
    """
    columns = ColumnTransformer(
        [("categories", CategoryCodes(), list(CATEGORICAL)), ("numbers", "passthrough", list(NUMERIC))],
        verbose_feature_names_out=False,
    )
    boosting = HistGradientBoostingClassifier(
        categorical_features=list(range(len(CATEGORICAL))),  # by position: the transformer puts them first
        max_iter=30,
        max_leaf_nodes=8,
        learning_rate=0.2,
        min_samples_leaf=50,
        early_stopping=False,  # it would hold out rows at random, and rows of one day know each other
        random_state=0,
    )
    return Pipeline([("columns", columns), ("boosting", boosting)]).fit(X, y.astype(int))


class CategoryCodes(TransformerMixin, BaseEstimator):
    """Each category's number among the MAX_CATEGORIES most common of its column; NaN for any other, so that a carrier
    never seen is a missing value, not an error. What OrdinalEncoder does value by value, which takes a fifth of the
    whole training here."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> CategoryCodes:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.categories_ = [sorted(X[name].value_counts().index[:MAX_CATEGORIES]) for name in X.columns]
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        named = zip(self.feature_names_in_, self.categories_, strict=True)
        codes = np.column_stack([self._codes(X[name], known) for name, known in named]).astype(float)
        return np.where(codes < 0, np.nan, codes)

    @staticmethod
    def _codes(values: pd.Series, known: list[str]) -> np.ndarray:
        """Each different value is looked up once; -1 where it is not known."""
        places, different = values.factorize()
        return pd.Index(known).get_indexer(different)[places]


class CarrierRate(ClassifierMixin, BaseEstimator):
    """The heuristic that a person would use: how often this carrier was late, drawn towards the rate of all."""

    def __init__(self, prior_rows: float = 100.0) -> None:
        self.prior_rows = prior_rows

    def fit(self, X: pd.DataFrame, y: pd.Series) -> CarrierRate:
        late = pd.Series(np.asarray(y, dtype=float)).groupby(X["carrier"].astype(str).to_numpy())
        self.classes_ = np.array([ON_TIME, LATE])
        self.overall_ = float(np.mean(y))
        rates = (late.sum() + self.prior_rows * self.overall_) / (late.count() + self.prior_rows)
        self.rates_ = {str(carrier): float(rate) for carrier, rate in rates.items()}
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        rate = X["carrier"].astype(object).map(lambda carrier: self.rates_.get(str(carrier), self.overall_))
        late = rate.to_numpy(dtype=float)
        return np.column_stack([1 - late, late])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]


def carrier_rate(X: pd.DataFrame, y: pd.Series, previous: Any = None) -> CarrierRate:
    """The baseline: the bar to clear, and the last fallback."""
    return CarrierRate().fit(X, y)
