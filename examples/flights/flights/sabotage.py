"""Challengers that are spoilt between evaluation and rollout, as a faulty packaging job spoils them.

Their metrics are those of the honest model, so that the acceptance test has nothing to object to: what serves is
something else. Only a comparison on live outcomes can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

Respell = Callable[[pd.DataFrame], pd.DataFrame]

MIXED_UP_INPUTS = "mixed-up inputs"
STALE_PREPROCESSING = "stale preprocessing"
SPOILED = {2: MIXED_UP_INPUTS, 4: STALE_PREPROCESSING}  # by ordinal of the challenger after the bootstrap


def spoil(artifact: Path, kind: str) -> None:
    """Rewrites the pickled estimator in the model folder `artifact`; its files' names and format stay.

    Raises FileNotFoundError where there is no pickled scikit-learn Pipeline in the folder, and KeyError for an
    unknown kind.
    """
    import cloudpickle

    spoiling = {MIXED_UP_INPUTS: mixed_up_inputs, STALE_PREPROCESSING: stale_preprocessing}[kind]
    for path in sorted(artifact.rglob("*.pkl")):
        with path.open("rb") as file:
            model = cloudpickle.load(file)
        pipeline = _pipeline_in(model)
        if pipeline is not None:
            _put_before(pipeline, spoiling(pipeline))
            with path.open("wb") as file:
                cloudpickle.dump(model, file)
            return
    raise FileNotFoundError(f"No pickled scikit-learn Pipeline in {artifact}: give the folder of a registered model.")


def mixed_up_inputs(pipeline: Any) -> Respell:
    """The serving job fills two of the model's inputs from each other's columns."""

    def respell(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.rename(columns={"pressure": "humid", "humid": "pressure"})

    return respell


def stale_preprocessing(pipeline: Any) -> Respell:
    """An older preparation of the inputs was packed: metric units, hours in UTC, and the categories as an older file
    numbers them, so that each carrier, origin and destination is taken for another."""
    encoder = pipeline.named_steps["columns"].named_transformers_["categories"]
    known = [list(codes) for codes in encoder.categories_]
    another = {
        column: dict(zip(codes, codes[1:] + codes[:1], strict=True))
        for column, codes in zip(encoder.feature_names_in_, known, strict=True)
    }
    to_metric = dict(METRIC)

    def respell(frame: pd.DataFrame) -> pd.DataFrame:
        out = frame.copy()
        for column, (offset, factor) in to_metric.items():
            out[column] = (out[column] - offset) * factor
        out["hour"] = (out["hour"] + UTC_AHEAD) % 24
        for column, codes in another.items():
            out[column] = out[column].map(lambda code, codes=codes: codes.get(code, code))
        return out

    return respell


UTC_AHEAD = 5  # hours, of New York
METRIC = {
    "temp": (32, 1 / 1.8),
    "dewp": (32, 1 / 1.8),
    "wind_speed": (0, 0.447),
    "wind_gust": (0, 0.447),
    "visib": (0, 1.609),
    "precip": (0, 25.4),
    "distance": (0, 1.609),
}


def _put_before(pipeline: Any, respell: Respell) -> None:
    from sklearn.preprocessing import FunctionTransformer

    # A nested function is pickled by value: the spoilt model needs nothing of this module where it is loaded.
    pipeline.steps.insert(0, ("packaging", FunctionTransformer(respell)))


def _pipeline_in(model: Any) -> Any:
    """The innermost scikit-learn Pipeline that `model` is or ends with, which gets the features; None without one."""
    from sklearn.pipeline import Pipeline

    if not isinstance(model, Pipeline):
        return None
    return _pipeline_in(model.steps[-1][1]) or model
