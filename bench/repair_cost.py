"""What the nightly correction gains, and what it costs where there is nothing to gain, by the bar that withdraws it.

    python bench/repair_cost.py [--runs 8] [--seed 1]

Every day the correction is fitted on the last fourteen (`stats.calibration.fit`) and its gain is measured on the day
after, as the loop does; `decisions.repair` says whether it serves. Figures are log loss against the model that is never
corrected, in units of 0.0001 a row: below zero is a gain. Simulated: each day has a cause of its own on the logit (sd),
which keeps a part of the day before, and the level may move for good on day 60. Real: predictions and outcomes that the
package nannyml ships (`pip install --no-deps nannyml`), cut into 120 parts in order of time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from tidemill.decisions import repair as rules
from tidemill.stats.calibration import apply, fit
from tidemill.stats.scores import log_loss_rows

Day = tuple[Any, Any]  # raw probabilities and labels
DAYS, ROWS, WINDOW, MIN_ROWS = 120, 300, 14, 200
BARS = (0.5, 0.25, 0.1)
WORLDS = [(sd, keep, shift) for shift in (0.0, 0.5) for sd, keep in ((0.0, 0.0), (0.3, 0.0), (0.3, 0.8), (0.5, 0.95))]


def simulated(rng: np.random.Generator, sd: float, keep: float, shift: float) -> list[Day]:
    cause = rng.standard_normal(DAYS)
    for day in range(1, DAYS):
        cause[day] = keep * cause[day - 1] + np.sqrt(1 - keep**2) * cause[day]
    level = sd * cause + shift * (np.arange(DAYS) >= DAYS // 2)
    logit = -1.2 + 0.9 * rng.standard_normal((DAYS, ROWS))
    label = rng.random((DAYS, ROWS)) < _sigmoid(logit + level[:, None])
    return [(_sigmoid(a), b.astype(float)) for a, b in zip(logit, label, strict=True)]


def real() -> Iterator[tuple[str, list[Day]]]:
    import pandas as pd

    spec = find_spec("nannyml")
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "datasets" / "data"

    def joined(name: str, answers: str, label: str, read: Any, ending: str) -> Any:
        past, live, found = (read(folder / f"{name}_{part}.{ending}") for part in ("reference", "analysis", answers))
        return pd.concat([past, live.join(found.set_index("id")[label], on="id")])

    loans = joined("synthetic_car_loan", "analysis_target", "repaid", _csv_with_id, "csv")
    yield "car loans", _parts(loans, "timestamp", "y_pred_proba", "repaid")
    census = joined("employment_MA", "analysis_target", "employed", pd.read_parquet, "pq")
    yield "employment", _parts(census, "year", "predicted_probability", "employed")


def _csv_with_id(path: Path) -> Any:
    import pandas as pd

    frame = pd.read_csv(path)
    return frame if "id" in frame else frame.reset_index(names="id")


def _parts(frame: Any, time: str, score: str, label: str) -> list[Day]:
    import pandas as pd

    order = pd.to_datetime(frame[time].astype(str), format="mixed").argsort(kind="stable")
    frame = frame.iloc[order].dropna(subset=[score, label])
    columns = (frame[name].to_numpy(float) for name in (score, label))
    return list(zip(*(np.array_split(values, DAYS) for values in columns), strict=True))


def lived(days: list[Day]) -> tuple[list[float], int]:
    """Gain of the correction on each day that it had one for, and rows of a day."""
    gains = []
    for n, (raw, label) in enumerate(days):
        past = days[max(0, n - WINDOW) : n]
        if sum(len(each[0]) for each in past) < MIN_ROWS:
            continue
        of_day = np.repeat(np.arange(len(past)), [len(each[0]) for each in past])
        found = fit(np.concatenate([each[0] for each in past]), np.concatenate([each[1] for each in past]), of_day)
        gains.append(float(np.mean(log_loss_rows(raw, label) - log_loss_rows(apply(raw, *found), label))))
    return gains, len(days[0][0])


def served(gains: list[float], bar: float) -> float:
    """Log loss a day against the model that is never corrected."""
    total, serving = 0.0, False
    blocks: list[rules.RepairBlock] = []
    with patch.object(rules, "WITHDRAWS", bar):
        for gain in gains:
            total -= gain if serving else 0.0
            blocks.append(rules.RepairBlock(str(len(blocks)), 1, gain))
            serving = rules.repair(blocks, serving).action is rules.RepairAction.SERVE
    return total / len(gains)


def _row(name: str, runs: list[list[float]]) -> dict[str, Any]:
    always = -float(np.mean([np.mean(gains) for gains in runs]))
    by_bar = {str(bar): round(1e4 * float(np.mean([served(gains, bar) for gains in runs])), 1) for bar in BARS}
    return {"stream": name, "always": round(1e4 * always, 1), "withdrawn below": by_bar}


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name, days in real():
        print(json.dumps(_row(name, [lived(days)[0]])), flush=True)
    for number, (sd, keep, shift) in enumerate(WORLDS):
        runs = [lived(simulated(np.random.default_rng([given.seed, number, run]), sd, keep, shift))[0]
                for run in range(given.runs)]  # fmt: skip
        print(json.dumps(_row(f"sd {sd}, keeps {keep}, shift {shift}", runs)), flush=True)


if __name__ == "__main__":
    main()
