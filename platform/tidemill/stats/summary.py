"""One partition in a few KB: what the learnt gate and the drift check compare. The first form of the profile.

Numeric by dtype: numbers, and times (as hours of the day in UTC, since a date is new every day). Everything else,
bool too, is categorical. A value that is null, NaN or infinite counts as null. Figures keep six digits: enough for any
comparison, and the same on every machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
TOP = 20
_NUMBERS = (int, float, np.number, Decimal, datetime)
Feature = tuple[str, str, str]  # kind of statistic, column, statistic


@dataclass(frozen=True)
class NumericColumn:
    """Shares are of all rows. `mean`, `sd` and `quantiles` (at QUANTILES) are None where the column holds no number."""

    null_share: float
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...] | None
    distinct_share: float
    top_share: float


@dataclass(frozen=True)
class CategoricalColumn:
    """`top` holds the shares (of all rows) of the most common categories; empty where most values are unlike each
    other, as those of a key are: then the values are names of rows and no categories."""

    null_share: float
    distinct: int
    top: Mapping[str, float]


@dataclass(frozen=True)
class Summary:
    """`duplicate_share` is the share of rows that repeat an earlier row in all columns."""

    rows: int
    duplicate_share: float
    numeric: Mapping[str, NumericColumn]
    categorical: Mapping[str, CategoricalColumn]

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable; `from_dict` gives an equal summary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Summary:
        numeric = {name: _numeric_from(column) for name, column in document["numeric"].items()}
        categorical = {name: CategoricalColumn(**column) for name, column in document["categorical"].items()}
        return cls(int(document["rows"]), float(document["duplicate_share"]), numeric, categorical)

    @cached_property
    def features(self) -> dict[Feature, float]:
        """The summary as named numbers. The kind says on what scale a statistic is compared (see novelty)."""
        rows = max(self.rows, 1)
        found: dict[Feature, float] = {
            ("log", "(rows)", "rows"): float(np.log(rows)),
            ("share", "(rows)", "duplicates"): self.duplicate_share,
        }
        for name, number in self.numeric.items():
            found["share", name, "null share"] = number.null_share
            if number.mean is not None and number.sd is not None and number.quantiles is not None:
                found["share", name, "distinct share"] = number.distinct_share
                found["share", name, "share of the most common value"] = number.top_share
                found["location", name, "mean"] = number.mean
                found["spread", name, "sd"] = number.sd
                found.update(
                    {("location", name, f"q{q:g}"): v for q, v in zip(QUANTILES, number.quantiles, strict=True)}
                )
        for name, category in self.categorical.items():
            found["share", name, "null share"] = category.null_share
            found["share", name, "distinct share"] = min(category.distinct / rows, 1.0)
            found["count", name, "distinct values"] = float(category.distinct)
            found.update({("category", name, value): share for value, share in category.top.items()})
        return found

    @cached_property
    def unlisted(self) -> dict[str, float]:
        """By categorical column, what share to assume of a category that is not listed: at most that of the rarest
        listed one, and none where all are listed."""
        return {name: _unlisted(column, self.rows) for name, column in self.categorical.items()}


def summarize(columns: Mapping[str, npt.NDArray[Any]]) -> Summary:
    """The summary of one partition, given as columns of equal length.

    Raises ValueError where the columns' lengths differ.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of one partition must be equally long, not {sorted(lengths)} rows")
    rows = lengths.pop() if lengths else 0
    numeric: dict[str, NumericColumn] = {}
    categorical: dict[str, CategoricalColumn] = {}
    seen = np.zeros(rows, dtype=np.uint64)
    for name, values in columns.items():
        numbers = _as_numbers(np.asarray(values))
        if numbers is not None:
            numeric[name] = _summarize_numbers(numbers)
            codes = np.ascontiguousarray(numbers + 0.0).view(np.uint64)  # + 0.0: minus zero is zero
        else:
            labels = _as_labels(np.asarray(values))
            categorical[name] = _summarize_labels(labels)
            codes = np.fromiter(map(hash, labels), dtype=np.int64, count=rows).view(np.uint64)
        seen = _mix(seen, codes)
    distinct = len(np.unique(seen)) if columns else rows
    return Summary(rows, _round(1 - distinct / rows) if rows else 0.0, numeric, categorical)


def _summarize_numbers(numbers: npt.NDArray[np.float64]) -> NumericColumn:
    rows = len(numbers)
    present = numbers[~np.isnan(numbers)]
    if len(present) == 0:
        return NumericColumn(1.0 if rows else 0.0, None, None, None, 0.0, 0.0)
    _, counts = np.unique(present, return_counts=True)
    quantiles = tuple(_round(value) for value in np.quantile(present, QUANTILES))
    return NumericColumn(
        null_share=_round(1 - len(present) / rows),
        mean=_round(present.mean()),
        sd=_round(present.std()) if len(counts) > 1 else 0.0,
        quantiles=quantiles,
        distinct_share=_round(len(counts) / rows),
        top_share=_round(counts.max() / rows),
    )


def _summarize_labels(labels: list[str | None]) -> CategoricalColumn:
    counts = Counter(labels)
    nulls = counts.pop(None, 0)
    rows, present = len(labels), len(labels) - nulls
    # Ties are broken by name: the same rows in another order give the same summary.
    common = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:TOP]
    names_of_rows = len(counts) > max(TOP, present / 2)
    top = {} if names_of_rows else {str(value): _round(count / rows) for value, count in common}
    return CategoricalColumn(_round(nulls / rows) if rows else 0.0, len(counts), top)


def _as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """The column as floats with NaN for null, or None where it is categorical."""
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
    elif values.dtype.kind == "M":
        numbers = _hour_of_day(values)
    elif values.dtype.kind == "O":
        present = [value for value in values.tolist() if not _is_null(value)]
        types = set(map(type, present))
        if not present or not all(issubclass(kind, _NUMBERS) for kind in types) or bool in types:
            return None
        numbers = np.array(
            [np.nan if _is_null(value) else _number(value) for value in values.tolist()], dtype=np.float64
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
    time = value.astimezone(UTC) if value.tzinfo else value
    return time.hour + time.minute / 60 + time.second / 3600


def _as_labels(values: npt.NDArray[Any]) -> list[str | None]:
    return [None if _is_null(value) else str(value) for value in values.tolist()]


def _is_null(value: Any) -> bool:
    # By name: pandas' NA and NaT compare with nothing, and this layer does not import pandas.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _mix(seen: npt.NDArray[np.uint64], codes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A rolling hash over the columns of each row; equal rows are equal, others collide about once in 2^64 pairs."""
    with np.errstate(over="ignore"):
        mixed = (seen ^ codes) * np.uint64(0x9E3779B97F4A7C15)
        return mixed ^ (mixed >> np.uint64(29))


def _unlisted(column: CategoricalColumn, rows: int) -> float:
    if column.distinct <= len(column.top):
        return 0.0
    rest = max(1.0 - column.null_share - sum(column.top.values()), 0.0)
    return min(min(column.top.values(), default=1 / max(rows, 1)), rest)


def _numeric_from(document: Mapping[str, Any]) -> NumericColumn:
    quantiles = document["quantiles"]
    return NumericColumn(**{**document, "quantiles": None if quantiles is None else tuple(quantiles)})


def _round(value: float) -> float:
    return float(f"{float(value):.6g}")
