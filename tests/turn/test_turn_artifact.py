from __future__ import annotations

from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tidemill.loop.errors import ArtifactChanged
from tidemill.loop.turn.artifact import digest, model_file, save, verify

SAMPLE = pd.DataFrame({"a": np.arange(10), "b": np.linspace(0, 1, 10)})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("saved") / "model"
    pickled = cloudpickle.dumps(LogisticRegression().fit(SAMPLE, SAMPLE["a"] > 4))
    save(folder, pickled, SAMPLE)
    return folder, pickled


def test_the_model_in_the_folder_is_the_pickle_that_was_given(saved: tuple[Path, bytes]) -> None:
    folder, pickled = saved
    assert model_file(folder).read_bytes() == pickled


def test_mlflow_loads_it_and_answers_with_probabilities(saved: tuple[Path, bytes]) -> None:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(saved[0]))
    answers = model.predict(SAMPLE.astype(float))
    assert np.shape(answers) == (10, 2)
    missing = pd.DataFrame({"a": [1.0, None], "b": [0.1, 0.2]}).dropna()
    assert len(model.predict(missing)) == 1, "integers are declared as floats: a request may lack one"


def test_its_digest_stands_for_it(saved: tuple[Path, bytes], tmp_path: Path) -> None:
    folder, _ = saved
    before = digest(folder)
    verify(folder, before)
    with pytest.raises(ArtifactChanged, match="It was not loaded"):
        verify(folder, "sha256:other")
    with pytest.raises(ArtifactChanged, match="no model folder"):
        verify(tmp_path / "nothing", before)
