"""Fitting: the evaluated twin on everything before the hold-out, and the refit on all rows that then serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemill.spec.model_loop import ModelLoopSpec

from .data import Prepared, model_inputs
from .user_code import fit, load, probabilities

_PROBED = 5


def train(prepared: Prepared, spec: ModelLoopSpec, project: Path, entry: str, whole: bool, previous: Any = None) -> Any:
    """A model on raw inputs: the user's features travel inside it, so that serving cannot compute other ones.

    Raises TrainerFailed where `entry` raises, or what it returns cannot predict.
    """
    rows = slice(None) if whole else ~prepared.late
    # A copy: a trainer may change what it is given, and another one is given the same afterwards.
    X, y = prepared.X[rows].copy(), prepared.y[rows].copy()
    model = with_features(fit(project, entry, X, y, previous, spec.model.seed), spec, project)
    probabilities(model, model_inputs(prepared.raw.head(_PROBED), spec), entry)
    return model


def estimator_of(model: Any) -> Any:
    """What the trainer returned, out of what `train` made of it: the next trainer's `previous`."""
    return getattr(model, "named_steps", {}).get("model", model)


def with_features(estimator: Any, spec: ModelLoopSpec, project: Path) -> Any:
    """The fitted estimator behind the features function, as one scikit-learn Pipeline."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    if spec.model.features is None:
        return Pipeline([("model", estimator)])
    function = load(project, spec.model.features)
    return Pipeline([("features", FunctionTransformer(function)), ("model", estimator)])
