"""One partition in a few KB: what the learnt gate and the drift check compare. The first form of the profile.

Numeric by dtype: numbers, and times (as hours of the day in UTC, since a date is new every day). Everything else,
bool too, is categorical. A value that is null, NaN or infinite counts as null. Figures keep six digits: enough for any
comparison, and the same on every machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .numeric import QUANTILES, NumericColumn, as_numbers, is_null, rounded, summarize_numbers
from .text import Shape, is_free_text, shape_of, shown

VERSION = 2  # 1 had no shapes of text, and listed the values of free text as categories
TOP = 20
Feature = tuple[str, str, str]  # kind of statistic, column, statistic


@dataclass(frozen=True)
class CategoricalColumn:
    """`top` holds the shares (of all rows) of the most common categories; empty where most values are unlike each
    other, as those of a key are: then the values are names of rows and no categories; and for free text. `shape` is of
    the values as text; None where there is no value, or none was stored."""

    null_share: float
    distinct: int
    top: Mapping[str, float]
    shape: Shape | None = None


@dataclass(frozen=True)
class Summary:
    """`duplicate_share` is the share of rows that repeat an earlier row in all columns."""

    rows: int
    duplicate_share: float
    numeric: Mapping[str, NumericColumn]
    categorical: Mapping[str, CategoricalColumn]

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable; `from_dict` gives an equal summary."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Summary:
        """Of this version or an earlier one. Raises ValueError where a newer Tidemill wrote it."""
        version = document.get("version", 1)
        if version > VERSION:
            raise ValueError(f"A summary of version {version} was written by a newer Tidemill: use that one.")
        numeric = {name: _numeric_from(column) for name, column in document["numeric"].items()}
        categorical = {name: _categorical_from(column) for name, column in document["categorical"].items()}
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
                found["share", name, "share of extreme values"] = number.cut_share
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
            if category.shape is not None:
                found.update(_shape_features(name, category.shape))
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
        numbers = as_numbers(np.asarray(values))
        if numbers is not None:
            numeric[name] = summarize_numbers(numbers)
            codes = np.ascontiguousarray(numbers + 0.0).view(np.uint64)  # + 0.0: minus zero is zero
        else:
            labels = _as_labels(np.asarray(values))
            categorical[name] = _summarize_labels(labels)
            codes = np.fromiter(map(hash, labels), dtype=np.int64, count=rows).view(np.uint64)
        seen = _mix(seen, codes)
    distinct = len(np.unique(seen)) if columns else rows
    return Summary(rows, rounded(1 - distinct / rows) if rows else 0.0, numeric, categorical)


def _summarize_labels(labels: list[str | None]) -> CategoricalColumn:
    counts = Counter(labels)
    nulls = counts.pop(None, 0)
    rows, present = len(labels), len(labels) - nulls
    # Ties are broken by name: the same rows in another order give the same summary.
    common = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:TOP]
    known = {str(value): count for value, count in counts.items()}
    unlisted = len(counts) > max(TOP, present / 2) or is_free_text(known, TOP)
    top = {} if unlisted else {shown(str(value)): rounded(count / rows) for value, count in common}
    shape = shape_of(known, rows)
    if shape is not None:
        shape = Shape(**{name: rounded(value) for name, value in asdict(shape).items()})
    return CategoricalColumn(rounded(nulls / rows) if rows else 0.0, len(counts), top, shape)


def _shape_features(name: str, shape: Shape) -> dict[Feature, float]:
    shares = {"letters": shape.letters, "digits": shape.digits, "spaces": shape.spaces, "capitals": shape.upper,
              "the most common value": shape.top_share, "empty values": shape.empty_share}  # fmt: skip
    return {
        ("log", name, "length"): float(np.log(max(shape.length, 0.5))),
        **{("share", name, f"share of {kind}"): share for kind, share in shares.items()},
    }


def _as_labels(values: npt.NDArray[Any]) -> list[str | None]:
    return [None if is_null(value) else str(value) for value in values.tolist()]


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


def _categorical_from(document: Mapping[str, Any]) -> CategoricalColumn:
    shape = document.get("shape")
    # The first version listed free text: where a name is long, none of them is kept.
    top = document["top"] if all(len(shown(value)) == len(value) or shape for value in document["top"]) else {}
    return CategoricalColumn(
        document["null_share"], document["distinct"], top, None if shape is None else Shape(**shape)
    )


def _numeric_from(document: Mapping[str, Any]) -> NumericColumn:
    quantiles = document["quantiles"]
    return NumericColumn(**{**document, "quantiles": None if quantiles is None else tuple(quantiles)})
