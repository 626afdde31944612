"""The user's own functions: imported from the project's folder, and pickled by value with the model."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemill.loop.errors import TidemillError

_ROUNDING = 1e-6


class TrainerFailed(TidemillError):
    """The user's trainer raised, or returned what cannot predict."""


@contextmanager
def users(what: str) -> Iterator[None]:
    """The user's own code runs here: whatever it raises, SystemExit too, is TrainerFailed with its words, which begin
    with `what`. A person's Ctrl-C is the person's."""
    try:
        yield
    except (KeyboardInterrupt, TrainerFailed):
        raise
    except BaseException as error:
        raise TrainerFailed(f"{what} {type(error).__name__}: {error}") from error


def load(project: Path, entry: str) -> Callable[..., Any]:
    """The function named `module:function`. Raises TrainerFailed with what the import said."""
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    module, _, name = entry.partition(":")
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module that ends the interpreter is no better than one with a mistake
        said = f"{entry} cannot be imported from {project}: {type(error).__name__}: {error}"
        if not any(project.glob("*")):
            said += ". That folder is empty: on a cluster spec.model.image must name an image with your code in it"
        raise TrainerFailed(said) from error
    return function


def modules_of(project: Path) -> list[ModuleType]:
    """Every imported module that lies in the project's folder, packages installed there (a .venv) left out."""
    # Compared as text: to resolve the paths of some thousand modules takes a third of a second.
    roots = {f"{project}{os.sep}", f"{project.resolve()}{os.sep}"}
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name == "__main__" or getattr(module, "__name__", None) != name:
            continue
        inside = next((file.removeprefix(root) for root in roots if file.startswith(root)), None)
        if inside is not None and "site-packages" not in Path(inside).parts:
            found.append(module)
    return found


def dump(model: Any, project: Path) -> bytes:
    """Pickles a model with the user's modules inside, those that their modules import too: what was trained does not
    change when their code does, and whoever loads it needs none of it."""
    import cloudpickle

    modules = modules_of(project)
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        with users(f"The model of the trainer, a {type(model).__name__}, cannot be pickled:"):
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
    with users(f"{entry} raised"):
        model = function(X, y, previous=previous)
    if not hasattr(model, "predict_proba"):
        raise TrainerFailed(
            f"{entry} returned a {type(model).__name__}, which has no predict_proba. Return a classifier."
        )
    return model


def probabilities(model: Any, inputs: Any, who: str) -> Any:
    """P(label = 1) for each row, shape (n,); NaN where an answer is no probability (within rounding).

    Raises TrainerFailed naming `who` where predict_proba raises, or answers in another shape than (n, 2).
    """
    import numpy as np

    with users(f"The model of {who} raised in predict_proba:"):
        answer = np.asarray(model.predict_proba(inputs), dtype=float)
    if answer.shape != (len(inputs), 2):
        raise TrainerFailed(
            f"The model of {who} answered {len(inputs)} rows in shape {answer.shape}, not ({len(inputs)}, 2): "
            "predict_proba gives the probabilities of label 0 and of label 1."
        )
    p = answer[:, 1]
    return np.where((p >= -_ROUNDING) & (p <= 1 + _ROUNDING), np.clip(p, 0.0, 1.0), np.nan)
