"""A spoilt challenger still loads and answers, and is clearly worse; nothing but its answers tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from flights import data, model, sabotage
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

BEFORE, AFTER = "2013-03-16", "2013-04-05"


@pytest.fixture(scope="module")
def honest() -> Any:
    rows = data.departures().dropna(subset=[data.LABEL])
    rows = rows[rows[data.EVENT_TIME] < BEFORE]
    trained = model.train(model.features(rows), rows[data.LABEL])
    return Pipeline([("features", FunctionTransformer(model.features)), ("model", trained)])  # as a turn packs it


def _rows() -> pd.DataFrame:
    rows = data.departures().dropna(subset=[data.LABEL])
    return rows[(rows[data.EVENT_TIME] >= BEFORE) & (rows[data.EVENT_TIME] < AFTER)]


def _loss(folder: Path) -> float:
    loaded = cloudpickle.loads((folder / "model.pkl").read_bytes())
    return float(log_loss(_rows()[data.LABEL], loaded.predict_proba(_rows())[:, 1]))


@pytest.mark.parametrize("kind", sorted(sabotage.SPOILED.values()))
def test_a_spoilt_challenger_is_clearly_worse_though_not_absurd(kind: str, honest: Any, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(honest))
    before = _loss(tmp_path)
    sabotage.spoil(tmp_path, kind)
    assert before + 0.05 < _loss(tmp_path) < np.log(2) + 0.1


@pytest.mark.parametrize("kind", sorted(sabotage.SPOILED.values()))
def test_a_spoilt_challenger_answers_alone_as_in_a_batch_and_to_anything(
    kind: str, honest: Any, tmp_path: Path
) -> None:
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(honest))
    sabotage.spoil(tmp_path, kind)
    spoilt = cloudpickle.loads((tmp_path / "model.pkl").read_bytes())
    rows = _rows().sample(5, random_state=0)
    alone = [spoilt.predict_proba(rows.loc[[index]])[0, 1] for index in rows.index]
    np.testing.assert_allclose(spoilt.predict_proba(rows)[:, 1], alone)
    assert np.isfinite(spoilt.predict_proba(rows.assign(carrier=None, dest="?", temp=np.nan))).all()


def test_nothing_to_spoil_is_said(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps({"no": "pipeline"}))
    with pytest.raises(FileNotFoundError, match="No pickled scikit-learn Pipeline"):
        sabotage.spoil(tmp_path, sabotage.MIXED_UP_INPUTS)
