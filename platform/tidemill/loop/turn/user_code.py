"""The user's own functions: imported from the project's folder, and pickled by value with the model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemill.loop.errors import TidemillError


class TrainerFailed(TidemillError):
    """The user's trainer raised, or returned what cannot predict."""


def load(project: Path, entry: str) -> Callable[..., Any]:
    """The function named `module:function`. Raises TrainerFailed with what the import said."""
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    module, _, name = entry.partition(":")
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except Exception as error:
        raise TrainerFailed(f"{entry} cannot be imported from {project}: {type(error).__name__}: {error}") from error
    return function


def module_of(project: Path, entry: str) -> ModuleType:
    load(project, entry)
    return sys.modules[entry.partition(":")[0]]


def dump(model: Any, project: Path, entries: list[str | None]) -> bytes:
    """Pickles a model with the user's modules inside: what was trained does not change when their code does."""
    import cloudpickle

    modules = {module_of(project, entry) for entry in entries if entry is not None}
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickled: bytes = cloudpickle.dumps(model)
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return pickled


def fit(project: Path, entry: str, X: Any, y: Any, previous: Any, seed: int) -> Any:
    """Calls a trainer. Raises TrainerFailed naming it when it raises, or returns something without predict_proba."""
    import numpy as np

    function = load(project, entry)
    np.random.seed(seed)
    try:
        model = function(X, y, previous=previous)
    except Exception as error:
        raise TrainerFailed(f"{entry} raised {type(error).__name__}: {error}") from error
    if not hasattr(model, "predict_proba"):
        raise TrainerFailed(
            f"{entry} returned a {type(model).__name__}, which has no predict_proba. Return a classifier."
        )
    return model
