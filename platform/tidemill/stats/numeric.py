"""A column of numbers in a few figures.

One value cannot hide the others: mean and standard deviation are of values cut at REACH times the spread of the middle
98 %, and the share that was cut is a statistic of its own. A sentinel such as 1e300 moves that share and the largest
quantiles, not the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
REACH = 10.0
LARGEST = 1e150  # its square is still a number
_NUMBERS = (int, float, np.number, Decimal, datetime)


@dataclass(frozen=True)
class NumericColumn:
    """Shares are of all rows. `mean`, `sd` and `quantiles` (at QUANTILES) are None where the column holds no number."""

    null_share: float
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...] | None
    distinct_share: float
    top_share: float
    cut_share: float = 0.0


def summarize_numbers(numbers: npt.NDArray[np.float64]) -> NumericColumn:
    rows = len(numbers)
    present = numbers[~np.isnan(numbers)]
    if len(present) == 0:
        return NumericColumn(1.0 if rows else 0.0, None, None, None, 0.0, 0.0)
    _, counts = np.unique(present, return_counts=True)
    present = np.clip(present, -LARGEST, LARGEST)
    quantiles = tuple(rounded(value) for value in np.quantile(present, QUANTILES))
    low, high = _bounds(present)
    within = np.clip(present, low, high)
    return NumericColumn(
        null_share=rounded(1 - len(present) / rows),
        mean=rounded(within.mean()),
        sd=rounded(within.std()) if len(counts) > 1 else 0.0,
        quantiles=quantiles,
        distinct_share=rounded(len(counts) / rows),
        top_share=rounded(counts.max() / rows),
        cut_share=rounded(np.count_nonzero((present < low) | (present > high)) / rows),
    )


def _bounds(present: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Beyond them a value is cut. Where a hundredth of the values are sentinels, the middle 80 % say what is usual."""
    outer_low, inner_low, center, inner_high, outer_high = np.quantile(present, QUANTILES)
    for low, high, other in ((outer_low, outer_high, inner_high - inner_low), (inner_low, inner_high, 0.0)):
        width = high - low
        if width > 0 and not 0 < other < width / 1e6:
            return float(low - REACH * width), float(high + REACH * width)
    apart = np.abs(present - center)  # nearly all values are one: the others say how far they usually are apart
    width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 0.0
    return float(center - REACH * width), float(center + REACH * width)


def as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """The column as floats with NaN for null, or None where it is categorical."""
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
    elif values.dtype.kind == "M":
        numbers = _hour_of_day(values)
    elif values.dtype.kind == "O":
        present = [value for value in values.tolist() if not is_null(value)]
        types = set(map(type, present))
        if not present or not all(issubclass(kind, _NUMBERS) for kind in types) or bool in types:
            return None
        numbers = np.array(
            [np.nan if is_null(value) else _number(value) for value in values.tolist()], dtype=np.float64
        )
    else:
        return None
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _hour_of_day(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    seconds = values.astype("datetime64[s]")
    hours: npt.NDArray[np.float64] = (seconds - seconds.astype("datetime64[D]")) / np.timedelta64(3600, "s")
    return hours


def _number(value: Any) -> float:
    if not isinstance(value, datetime):
        return float(value)
    offset = value.utcoffset()  # not astimezone: the last day of the calendar has no next one
    seconds = value.hour * 3600 + value.minute * 60 + value.second - (offset.total_seconds() if offset else 0)
    return seconds % 86400 / 3600


def is_null(value: Any) -> bool:
    # By name: pandas' NA and NaT compare with nothing, and this layer does not import pandas.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def rounded(value: float) -> float:
    return float(f"{float(value):.6g}")
