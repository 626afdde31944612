"""Plain models take plain arrays: a data frame costs scikit-learn half of a small prediction, for checks of names that
the schema has made already."""

from __future__ import annotations

from typing import Any

import numpy as np

from .schema import Schema

# Estimators that look at columns by position alone, and hold no others that were fitted on named columns.
_PLAIN = (
    "sklearn.ensemble._forest",
    "sklearn.ensemble._hist_gradient_boosting",
    "sklearn.impute._base",
    "sklearn.linear_model",
    "sklearn.preprocessing._data",
)


def takes_arrays(estimator: Any, schema: Schema) -> bool:
    """Whether `estimator` answers the same for an array of the schema's columns. If so it forgets their names (it is a
    copy of our own, just loaded): scikit-learn warns of an array where it knows names."""
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    names = [column.name for column in schema.columns]
    if not schema.plain or not all(type(step).__module__.startswith(_PLAIN) for step in steps):
        return False
    if list(getattr(steps[0], "feature_names_in_", ())) != names:
        return False
    probe = np.random.default_rng(0).normal(size=(16, len(names)))
    expected = estimator.predict_proba(schema.frame([probe.T.tolist()]))
    for step in steps:
        vars(step).pop("feature_names_in_", None)
    if not np.array_equal(estimator.predict_proba(probe), expected):
        raise ValueError("the model answers differently for the same numbers without their names")
    return True
