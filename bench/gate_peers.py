"""What bench/gate_streams.py sets beside the learnt gate: each asks whether a partition is like those before it."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
from scipy import stats

EVIDENTLY = find_spec("evidently") is not None


def ks(day: pd.DataFrame, before: pd.DataFrame, rate: float) -> bool:
    """Kolmogorov-Smirnov for each number, chi-squared for each category, at `rate` over the number of columns."""
    level = rate / len(day.columns)
    for name in day:
        if pd.api.types.is_numeric_dtype(day[name]):
            a, b = day[name].dropna(), before[name].dropna()
            if not len(a) or (len(b) and stats.ks_2samp(a, b).pvalue < level):
                return True
        else:
            both = pd.concat([day[name], before[name]]).astype(str)
            counts = pd.crosstab(both.to_numpy(), np.arange(len(both)) < len(day))
            if counts.shape == (max(counts.shape[0], 2), 2) and stats.chi2_contingency(counts).pvalue < level:
                return True
    return False


def evidently(day: pd.DataFrame, before: pd.DataFrame) -> tuple[bool, bool]:
    """DataDriftPreset with its own settings: whether half of the columns have drifted, which is its verdict on a data
    set, and whether any has. A partition that it cannot compare is flagged."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in day if pd.api.types.is_numeric_dtype(before[name]) and before[name].dtype != bool]
    texts = [name for name in day if name not in numbers]
    columns = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            current, reference = (
                Dataset.from_pandas(frame.assign(**{name: frame[name].astype(str) for name in texts}), columns)
                for frame in (day.reset_index(drop=True), before.reset_index(drop=True))
            )
            metrics = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
    except Exception:  # it raises many kinds, for a column without a value among others
        return True, True
    drifted = next(each for each in metrics if each["metric_name"].startswith("DriftedColumnsCount"))["value"]
    return drifted["share"] >= 0.5, drifted["count"] > 0
