from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tidemill.loop.turn.user_code import TrainerFailed, dump, fit, load, probabilities

X, Y = pd.DataFrame({"a": np.arange(6.0)}), pd.Series([0, 1, 0, 1, 0, 1.0])


def project(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise OSError('no licence')", "OSError: no licence"),
        ("def other(): ...", "has no attribute 'train'"),
        ("def train(", "SyntaxError"),
        (None, "No module named"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path: Path, request: pytest.FixtureRequest, text: str, said: str) -> None:
    name = f"uc_import_{request.node.callspec.indices['text']}"
    if text is not None:
        project(tmp_path, **{name: text})
    with pytest.raises(TrainerFailed, match=f"{name}:train cannot be imported from .*{said}"):
        load(tmp_path, f"{name}:train")


def test_an_image_without_the_project_is_told_from_a_mistake_in_it(tmp_path: Path) -> None:
    with pytest.raises(TrainerFailed, match=r"folder is empty: on a cluster spec\.model\.image must name"):
        load(tmp_path, "nowhere_to_be_found:train")
    (tmp_path / "other.py").touch()
    with pytest.raises(TrainerFailed) as raised:
        load(tmp_path, "nowhere_to_be_found:train")
    assert "spec.model.image" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('cannot')", "raised ValueError: cannot"),
        ("return None", "returned a NoneType, which has no predict_proba. Return a classifier."),
        ("return 5", "returned a int"),
    ],
)
def test_a_trainer_that_gives_no_model(tmp_path: Path, request: pytest.FixtureRequest, body: str, said: str) -> None:
    name = f"uc_fit_{request.node.callspec.indices['body']}"
    project(tmp_path, **{name: f"def train(X, y, previous=None):\n    {body}"})
    with pytest.raises(TrainerFailed, match=f"{name}:train {said}"):
        fit(tmp_path, f"{name}:train", X, Y, None, 0)


def test_a_trainer_is_given_the_seed_and_the_previous_model(tmp_path: Path) -> None:
    text = """
import numpy as np

class Model:
    def __init__(self, drawn, previous):
        self.drawn, self.previous = drawn, previous
    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

def train(X, y, previous=None):
    return Model(np.random.rand(), previous)
"""
    project(tmp_path, uc_seed=text)
    first, second = (fit(tmp_path, "uc_seed:train", X, Y, "before", 7) for _ in range(2))
    assert first.drawn == second.drawn
    assert first.previous == "before"
    assert fit(tmp_path, "uc_seed:train", X, Y, None, 8).drawn != first.drawn


def test_a_pickled_model_needs_none_of_the_users_modules(tmp_path: Path) -> None:
    """Not even those that their modules import: the code that trained is the code that serves."""
    helper = "def scale(a):\n    return a / 10\n"
    text = """
import numpy as np
import uc_helper

class Model:
    def predict_proba(self, X):
        p = uc_helper.scale(X["a"].to_numpy())
        return np.column_stack([1 - p, p])

def train(X, y, previous=None):
    return Model()
"""
    project(tmp_path, uc_helper=helper, uc_main=text)
    model = fit(tmp_path, "uc_main:train", X, Y, None, 0)
    (tmp_path / "model.pkl").write_bytes(dump(model, tmp_path))
    for name in ("uc_helper", "uc_main"):
        (tmp_path / f"{name}.py").unlink()
    script = (
        "import pickle, pandas as pd, pathlib\n"
        "model = pickle.loads(pathlib.Path('model.pkl').read_bytes())\n"
        "print(model.predict_proba(pd.DataFrame({'a': [5.0]}))[0, 1])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0.5", done.stderr


def test_only_answers_between_0_and_1_are_probabilities() -> None:
    class Model:
        def predict_proba(self, inputs: pd.DataFrame) -> np.ndarray:
            p = np.array([0.5, np.nan, np.inf, 1.1, -1e-9, 1 + 1e-9])
            return np.column_stack([1 - p, p])

    found = probabilities(Model(), X, "m:train")
    assert np.array_equal(found, [0.5, np.nan, np.nan, np.nan, 0.0, 1.0], equal_nan=True)
