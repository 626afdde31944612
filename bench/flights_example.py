"""What docs/demo.md says of the example's model and sabotage: the settings cross-validated over days of January and
February, and how much each sabotage costs over the twenty days after a training. Prints JSON in a minute."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "flights"))

import cloudpickle
import numpy as np
import pandas as pd
from flights import data, model, sabotage
from sklearn.base import clone
from sklearn.metrics import log_loss

# Trees, learning rate, leaves.
SETTINGS = [
    (100, 0.1, 31), (100, 0.1, 15), (50, 0.1, 31), (50, 0.1, 15), (50, 0.2, 15), (50, 0.15, 15), (100, 0.05, 31),
    (60, 0.05, 31), (30, 0.1, 15), (30, 0.15, 15), (30, 0.15, 31), (25, 0.2, 15), (25, 0.2, 31), (50, 0.1, 8),
    (40, 0.15, 8), (30, 0.2, 8), (25, 0.25, 8), (25, 0.2, 8), (25, 0.25, 6),
]  # fmt: skip
TRAINED = ("2013-03-16", "2013-05-24", "2013-08-11", "2013-10-05")
FOLDS = 5


def settings(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Mean daily log loss of each; the gap to the best and its standard error are paired by day."""
    rows = rows[rows[data.EVENT_TIME] < "2013-03-01"]
    X, y = model.features(rows), rows[data.LABEL].astype(int).to_numpy()
    day = rows[data.EVENT_TIME].dt.dayofyear.to_numpy() - 1
    fold = np.random.default_rng(0).permutation(day.max() + 1)[day] % FOLDS
    pipeline, found = model.train(X, rows[data.LABEL]), []
    named = ("boosting__max_iter", "boosting__learning_rate", "boosting__max_leaf_nodes")
    for values in SETTINGS:
        losses, spent = np.zeros(len(y)), 0.0
        chosen = dict(zip(named, values, strict=True))
        for part in range(FOLDS):
            out = fold == part
            began = time.process_time()
            fitted = clone(pipeline).set_params(**chosen).fit(X[~out], y[~out])
            spent += time.process_time() - began
            late = np.clip(fitted.predict_proba(X[out])[:, 1], 1e-6, 1 - 1e-6)
            losses[out] = -np.where(y[out] == 1, np.log(late), np.log1p(-late))
        found.append((chosen, pd.Series(losses).groupby(day).mean().to_numpy(), spent / FOLDS))
    best = min((daily for _, daily, _ in found), key=np.mean)
    return [
        {**chosen, "log_loss": round(float(daily.mean()), 4), "gap": round(float((daily - best).mean()), 4),
         "standard_error": round(float((daily - best).std() / len(daily) ** 0.5), 4), "fit_seconds": round(spent, 2)}
        for chosen, daily, spent in found
    ]  # fmt: skip


def harm(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Log loss of each sabotaged model minus that of the honest one, over the twenty days after its training."""
    found: list[dict[str, object]] = []
    for trained in TRAINED:
        before = rows[rows[data.EVENT_TIME] < trained]
        until = str((pd.Timestamp(trained) + pd.Timedelta(days=20)).date())
        after = rows[(rows[data.EVENT_TIME] >= trained) & (rows[data.EVENT_TIME] < until)]
        honest, X = model.train(model.features(before), before[data.LABEL]), model.features(after)
        loss = log_loss(after[data.LABEL], honest.predict_proba(X)[:, 1])
        for spoil in (sabotage.mixed_up_inputs, sabotage.stale_preprocessing):
            spoilt = spoil(cloudpickle.loads(cloudpickle.dumps(honest)))(X)
            worse = log_loss(after[data.LABEL], honest.predict_proba(spoilt)[:, 1]) - loss
            found.append({"trained": trained, "sabotage": spoil.__name__, "worse_by": round(worse, 4)})
    return found


if __name__ == "__main__":
    departures = data.departures().dropna(subset=[data.LABEL])
    print(json.dumps({"settings": settings(departures), "sabotage": harm(departures)}, indent=1))
