"""The model: will this visit end in a purchase? These three functions are all that the loop needs of you."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

WORDS = ["channel", "device"]
NUMBERS = ["returning", "pages", "minutes", "cart_value", "hour"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """What the model sees, from rows as they are delivered or sent. It travels inside the model: what is trained on and
    what is served on cannot differ. Same rows, same order; what cannot be read becomes missing."""
    frame = frame.reindex(columns=[*WORDS, *NUMBERS[:-1], "visited_at"])
    out = pd.DataFrame(index=frame.index)
    for name in WORDS:
        out[name] = frame[name].astype(object).where(frame[name].notna(), "missing").map(str)
    for name in NUMBERS[:-1]:
        out[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    out["hour"] = pd.to_datetime(frame["visited_at"], utc=True, errors="coerce").dt.hour.astype(float)
    return out


def train(X: pd.DataFrame, y: pd.Series, previous: Any = None) -> Pipeline:
    """Takes features and labels, and the champion (None at first); returns anything with `predict_proba`."""
    columns = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), WORDS),
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        ]
    )
    return Pipeline([("columns", columns), ("regression", LogisticRegression(max_iter=1000))]).fit(X, y.astype(int))


def average(X: pd.DataFrame, y: pd.Series, previous: Any = None) -> DummyClassifier:
    """The baseline: everyone buys as often as the average visitor. A model that cannot beat it is not worth serving,
    and when every model fails, this one answers."""
    return DummyClassifier(strategy="prior").fit(X, y.astype(int))
