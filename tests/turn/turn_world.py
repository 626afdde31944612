"""A tiny project and the request of one turn of it: for whatever runs a turn, or a step of one."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tidemill.loop.model import ChampionRef, Partition, TurnRequest
from tidemill.loop.turn.request import write_request
from tidemill.loop.turn.snapshot import snapshot_of

START = datetime(2020, 1, 1, tzinfo=UTC)
DAYS, ROWS, HOLD_OUT = 12, 60, 4
_NUMBER = itertools.count(1)

LOGISTIC = """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer


def train(X, y, previous=None):
    chosen = make_column_transformer(("passthrough", ["x", "z"]))
    return make_pipeline(chosen, LogisticRegression()).fit(X, y.astype(int))


def base(X, y, previous=None):
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior").fit(X, y.astype(int))
"""


def rows_of(day: int) -> pd.DataFrame:
    """Key id, time at, inputs x, z, place, and the label y, which follows x."""
    rng = np.random.default_rng(day)
    x, z = rng.normal(size=ROWS), rng.normal(size=ROWS)
    y = (rng.random(ROWS) < 1 / (1 + np.exp(-1.5 * x))).astype(float)
    moment = START + timedelta(days=day)
    at = [moment + timedelta(minutes=n) for n in range(ROWS)]
    place = np.where(np.arange(ROWS) % 2, "north", "south")
    return pd.DataFrame({"id": [f"{day}-{n}" for n in range(ROWS)], "at": at, "x": x, "z": z, "place": place, "y": y})


def document(module: str, **spec: Any) -> dict[str, Any]:
    """A ModelLoop; `model={...}` and so on replace or extend parts of its spec."""
    base: dict[str, Any] = {
        "model": {"task": "binary-classification", "trainer": f"{module}:train", "baseline": f"{module}:base"},
        "data": {"source": {"parquet": "data/"}, "key": "id", "eventTime": "at", "label": {"column": "y"}},
        "window": {"holdOut": f"{HOLD_OUT}d"},
        "evaluation": {"accept": {"minRows": 50, "minGain": -0.05}},
    }
    merged = {key: {**base.get(key, {}), **spec.get(key, {})} for key in {*base, *spec}}
    return {"apiVersion": "tidemill.dev/v1alpha1", "kind": "ModelLoop", "metadata": {"name": "tiny"}, "spec": merged}


def turn(
    folder: Path,
    code: str = LOGISTIC,
    champion: ChampionRef | None = None,
    labels: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
    **spec: Any,
) -> TurnRequest:
    """A written request in `folder`, whose trainer is `code`. `labels` changes the frame (key, label) of outcomes."""
    number = next(_NUMBER)
    module, id = f"tiny_{number}", f"turn{number}"  # a module of its own: modules are imported once a process
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    work = folder / "home" / "turns" / id
    work.mkdir(parents=True)
    partitions, known = [], []
    for day in range(DAYS):
        start, rows = START + timedelta(days=day), rows_of(day)
        path = folder / "data" / f"{start:%Y-%m-%d}.parquet"
        if not path.exists():
            rows.drop(columns="y").to_parquet(path, index=False)
        digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        partitions.append(Partition(f"{start:%Y-%m-%d}", start, start + timedelta(days=1), digest, path.as_uri()))
        known.append(rows[["id", "y"]].rename(columns={"id": "key", "y": "label"}))
    outcomes = labels(pd.concat(known, ignore_index=True))
    outcomes.to_parquet(work / "labels.parquet", index=False)
    request = TurnRequest(
        id=id,
        loop="tiny",
        spec=document(module, **spec),
        project=str(folder),
        as_of=START + timedelta(days=DAYS),
        signals=("Bootstrap",),
        partitions=tuple(partitions),
        labels_uri=(work / "labels.parquet").as_uri(),
        snapshot=snapshot_of(partitions, outcomes),
        champion=champion,
        tracking_uri=f"sqlite:///{folder}/home/mlflow.db",
        work_uri=work.as_uri(),
    )
    write_request(request)
    return request


def digest_of(request: TurnRequest) -> str:
    from tidemill.loop.turn.request import folder_of

    return "sha256:" + hashlib.sha256((folder_of(request.work_uri) / "request.json").read_bytes()).hexdigest()
