"""Small models of every temper, saved by MLflow as a turn saves them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from tidemill.adapters.artifact import digest
from tidemill.loop.model import ModelVersion

EXAMPLE = pd.DataFrame({"carrier": ["UA", "AA", "DL", "UA"], "distance": [100.0, 2000.0, 500.0, 700.0]})

gate = threading.Event()  # a Blocked model answers once it is set
entered = threading.Event()  # and says here that it was asked


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even its text can be had")


# What a model may raise that passes, or trips over, what is made for exceptions.
ENDINGS: dict[str, BaseException | type[BaseException]] = {
    "exits": SystemExit(3),
    "interrupts": KeyboardInterrupt,
    "cancels": asyncio.CancelledError,
    "stops": StopIteration,
    "is mute": Mute,
}


class Exiting(ClassifierMixin, BaseEstimator):
    """Ends the process that loads it; or that warms it up, where `late`."""

    def __init__(self, late: bool = False) -> None:
        self.late = late

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Exiting:
        self.classes_ = np.array([0, 1])
        return self

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        if not self.late:
            raise SystemExit("while it is loaded")

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        if (X["carrier"] == "").all():
            raise SystemExit("while it is warmed up")
        return np.full((len(X), 2), 0.5)


class Constant(ClassifierMixin, BaseEstimator):
    """Answers `p`; or raises, or gives no number, or waits at the gate."""

    def __init__(self, p: float = 0.5, temper: str = "calm") -> None:
        self.p, self.temper = p, temper

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Constant:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        poisoned = self.temper == "poisonable" and (X["carrier"] == "poison").any()
        if self.temper in ENDINGS and "poison" in set(X["carrier"]):
            raise ENDINGS[self.temper]
        if self.temper == "short" and "poison" in set(X["carrier"]):
            return np.full((len(X) - 1, 2), 0.5)
        if self.temper == "raises" or poisoned:
            raise RuntimeError("the model fell over")
        if self.temper == "blocked" and not (X["carrier"] == "").all():  # the warm-up passes
            entered.set()
            gate.wait(30)
        p = np.full(len(X), np.nan if self.temper == "no number" else self.p)
        return np.column_stack([1 - p, p])


def real_model() -> Pipeline:
    encode = ColumnTransformer(
        [("carrier", OneHotEncoder(handle_unknown="ignore"), ["carrier"])], remainder="passthrough"
    )
    return Pipeline([("columns", encode), ("model", LogisticRegression())]).fit(EXAMPLE, [0, 1, 0, 1])


def save(estimator: BaseEstimator, folder: Path, version: str) -> ModelVersion:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        estimator,
        str(folder),
        signature=infer_signature(EXAMPLE),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    return ModelVersion(version, folder.as_uri(), digest(folder), turn=f"turn-{version}")


def saved(folder: Path) -> dict[str, ModelVersion]:
    """One of each temper, and more, by name."""
    tempers = ("calm", "raises", "blocked", "no number", "poisonable", "short", *ENDINGS)
    made = {
        temper: Constant(min(0.1 * (number + 1), 0.5), temper).fit(EXAMPLE, None)
        for number, temper in enumerate(tempers)
    }
    made |= {
        "exits when loaded": Exiting().fit(EXAMPLE, None),
        "exits when warmed up": Exiting(True).fit(EXAMPLE, None),
    }
    made |= {"other": Constant(0.9).fit(EXAMPLE, None), "real": real_model()}
    return {name: save(model, folder / name.replace(" ", "-"), name) for name, model in made.items()}
