"""Fitting: the evaluated twin on everything before the hold-out, and the refit on all rows that then serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemill.spec.model_loop import ModelLoopSpec

from .data import Prepared
from .user_code import fit, load


def train(prepared: Prepared, spec: ModelLoopSpec, project: Path, entry: str, whole: bool, previous: Any = None) -> Any:
    """A model on raw inputs: the user's features travel inside it, so that serving cannot compute other ones."""
    rows = slice(None) if whole else ~prepared.late
    X, y = prepared.X[rows], prepared.y[rows]
    return with_features(fit(project, entry, X, y, previous, spec.model.seed), spec, project)


def with_features(estimator: Any, spec: ModelLoopSpec, project: Path) -> Any:
    """The fitted estimator behind the features function, as one scikit-learn Pipeline."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    if spec.model.features is None:
        return Pipeline([("model", estimator)])
    function = load(project, spec.model.features)
    return Pipeline([("features", FunctionTransformer(function)), ("model", estimator)])
