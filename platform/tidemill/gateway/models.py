"""Model versions in memory: loaded once their files are proven to be those that were registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tidemill.adapters.artifact import fingerprint, local_folder, verify
from tidemill.loop.model import ModelVersion

from .arrays import takes_arrays
from .batching import Batcher, one_core
from .schema import Cells, Schema, read_schema
from .user_code import loading


class Served:
    """A loaded version. Its `front` answers requests; its `back` scores mirrored ones, in another thread."""

    endpoint = None

    def __init__(self, version: ModelVersion, folder: Path, estimator: Any, schema: Schema | None) -> None:
        self.version = version.version
        self.digest = version.digest
        self.schema = schema
        self._folder = folder
        self._fingerprint = fingerprint(folder)
        self._estimator = estimator
        self._positive = _positive(estimator)
        self._array = schema is not None and takes_arrays(estimator, schema)
        self.front = Batcher(f"model {version.version}", self.predict)
        self.back = Batcher(f"mirror {version.version}", self.predict)

    def check(self, expected: str) -> None:
        """Raises ArtifactChanged where the files on disk are no longer `expected`: a restart could not load them."""
        now = fingerprint(self._folder)
        if now != self._fingerprint or expected != self.digest:
            verify(self._folder, expected)
            self._fingerprint = now

    def cells(self, columns: Mapping[str, list[Any]]) -> Cells:
        """Raises Refused. Without a recorded schema the model gets the columns as they came, names included."""
        if self.schema is None:
            return [list(columns), *columns.values()]
        return self.schema.cells(columns)

    def predict(self, parts: Sequence[Cells]) -> np.ndarray[Any, Any]:
        """P(label = 1) for the rows of all parts. Raises what the model raises, and ValueError for what is no
        probability."""
        raw = np.asarray(self._estimator.predict_proba(self._frame(parts)), dtype=float)[:, self._positive]
        if not ((raw >= 0) & (raw <= 1)).all():  # false for NaN too
            raise ValueError("the model returned a value that is not a probability")
        return raw

    def warm_up(self) -> None:
        """The first prediction is slow (imports, caches): nobody should wait for it. What it says is of no interest."""
        if self.schema is not None:
            blank = [["" if column.type == "string" else None] for column in self.schema.columns]
            try:
                self.predict([blank])
            except KeyboardInterrupt:
                raise
            except BaseException:
                return

    def _frame(self, parts: Sequence[Cells]) -> Any:
        import pandas as pd

        if self.schema is not None:
            return self.schema.array(parts) if self._array else self.schema.frame(parts)
        return pd.concat([pd.DataFrame(dict(zip(names, values, strict=True))) for names, *values in parts])


def load(version: ModelVersion) -> Served:
    """Raises ArtifactChanged, and whatever Exception unpickling raises."""
    folder = local_folder(version.uri)
    verify(folder, version.digest)
    return loading(lambda: _loaded(version, folder))


def _loaded(version: ModelVersion, folder: Path) -> Served:
    estimator = _unpickled(folder)
    with one_core():
        served = Served(version, folder, estimator, read_schema(folder))
        served.warm_up()
    return served


def _unpickled(folder: Path) -> Any:
    """As MLflow does it, without the three seconds and the hundred megabytes of importing MLflow; other formats than
    pickles are left to MLflow."""
    import yaml

    flavor = yaml.safe_load((folder / "MLmodel").read_text())["flavors"].get("sklearn", {})
    if flavor.get("serialization_format") in ("cloudpickle", "pickle") and "pickled_model" in flavor:
        import cloudpickle

        with (folder / flavor["pickled_model"]).open("rb") as file:
            return cloudpickle.load(file)
    import mlflow.sklearn

    return mlflow.sklearn.load_model(str(folder))


def _positive(estimator: Any) -> int:
    """The column of predict_proba that is label 1."""
    classes = [float(label) for label in getattr(estimator, "classes_", (0, 1))]
    return classes.index(1.0)
