"""Partitions as rows of scaled statistics: how far each lay from those before it, on arrival, and what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .summary import Feature, Summary

Array = npt.NDArray[np.float64]

NEIGHBOURS = 5
RANGE = (
    2  # the range of history runs from its 2nd smallest to its 2nd largest value: one fault that slipped in is not in
)
BOUND = 12.0  # of a scaled statistic: 80,000 robust deviations; more tells no more
FLOOR = 0.05
"""Smallest scale of a statistic: a move below it is of no consequence, however constant history was. Shares are on the
arcsine scale (from 50% to 55%, or from 0 to .25%), logs relative (5%), locations in standard deviations of the column,
spreads in logs of the standard deviation."""
COUNT_FLOOR = 0.5
"""The same for a count of categories, on the square root scale: the standard deviation of a Poisson count there."""
POINT_MASS_FLOOR = 1.0
"""The same for a location that stands still in a column that does not: it sits on a value that is common (no rain, full
visibility), and where it leaves it, it jumps as far as the column's values are apart."""


@dataclass(frozen=True)
class Moved:
    """A column, its statistic that moved most, in the statistic's own units, and how far in robust deviations."""

    column: str
    statistic: str
    value: float
    typical: float
    deviations: float


class PartitionTable:
    """Features of history (rows 0 to n - 1, oldest first) and of the new partition (row n), scaled by history."""

    def __init__(self, history: Sequence[Summary], partition: Summary, held: npt.NDArray[np.bool_]) -> None:
        bag = [*history, partition]
        self.known = known_rows(held)
        self.features = sorted(set().union(*(summary.features for summary in bag)))
        self.raw = np.array([_values(summary, self.features) for summary in bag])
        # A statistic that does not exist (the mean of nothing) is no deviation: the null share shows what happened.
        for index in np.flatnonzero(np.isnan(self.raw).any(axis=0)):
            known = self.raw[~np.isnan(self.raw[:, index]), index]
            self.raw[:, index] = np.where(np.isnan(self.raw[:, index]), np.median(known), self.raw[:, index])
        self.typical = np.median(self.raw[:-1], axis=0)
        self.scaled = self._scaled()

    def _scaled(self) -> Array:
        spreads = {column: index for index, (kind, column, _) in enumerate(self.features) if kind == "spread"}
        values = np.empty_like(self.raw)
        floors = np.empty(len(self.features))
        for index, (kind, column, _) in enumerate(self.features):
            unit = _unit(self.raw[:-1, spreads[column]], self.raw[:-1, index]) if column in spreads else 1.0
            values[:, index] = _transform(kind, self.raw[:, index], unit)
            floors[index] = COUNT_FLOOR if kind == "count" else FLOOR
        past = values[:-1]
        center = np.median(past, axis=0)
        deviation = np.median(np.abs(past - center), axis=0)
        for index, (kind, column, _) in enumerate(self.features):
            if kind == "location" and deviation[index] == 0 and (self.raw[:-1, spreads[column]] > 0).any():
                floors[index] = POINT_MASS_FLOOR
        low, high = np.quantile(past, (0.05, 0.95), axis=0)
        # The widest of two robust scales: the MAD of a column that is mostly zero (rain) is zero, its range is not.
        scale = np.maximum(1.4826 * deviation, (high - low) / 3.29)
        scaled = np.arcsinh((values - center) / np.maximum(scale, floors))
        return np.asarray(np.clip(scaled, -BOUND, BOUND))

    def distances(self) -> Array:
        """Root mean square over columns to the NEIGHBOURS nearest earlier rows, averaged; shape (n + 1,)."""
        weighted = self.scaled * np.sqrt(self._weights())
        squares = (weighted**2).sum(axis=1)
        apart = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * weighted @ weighted.T, 0.0))
        apart[np.arange(len(apart))[None, :] >= self.known[:, None]] = np.inf
        nearest = np.partition(apart, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        known = np.isfinite(nearest)
        found: Array = np.where(known, nearest, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return found

    def _weights(self) -> Array:
        # Each column counts alike, whether it has five statistics or forty categories.
        columns = [column for _, column, _ in self.features]
        sizes = {column: columns.count(column) for column in set(columns)}
        return np.array([1 / (sizes[column] * len(sizes)) for column in columns])

    def excesses(self) -> Array:
        """How far each statistic lies beyond the range of earlier rows (0 within); shape (n + 1, features)."""
        found = np.zeros_like(self.scaled)
        lowest = list(np.sort(self.scaled[:RANGE], axis=0))
        highest = lowest[::-1]
        entered = RANGE  # rows that are within the range already
        for index in range(RANGE, len(self.scaled)):
            for row in self.scaled[entered : max(self.known[index], entered)]:
                low, high = row, row
                for place in range(RANGE):  # insertion into two short sorted lists, for all statistics at once
                    lowest[place], low = np.minimum(lowest[place], low), np.maximum(lowest[place], low)
                    highest[place], high = np.maximum(highest[place], high), np.minimum(highest[place], high)
            entered = max(int(self.known[index]), entered)
            row = self.scaled[index]
            found[index] = np.maximum(np.maximum(row - highest[-1], lowest[-1] - row), 0.0)
        return found

    def moved(self, excess: Array) -> tuple[Moved, ...]:
        """The statistic of each column that moved most: beyond its range first, then by its deviation. Columns that
        moved less than a quarter as far as the first one are left out."""
        deviation = np.abs(self.scaled[-1])
        found: dict[str, Moved] = {}
        for index in np.lexsort((-deviation, -excess)):
            kind, column, statistic = self.features[index]
            if column not in found:
                name = f"share of {statistic!r}" if kind == "category" else statistic
                value, typical = self.raw[-1, index], self.typical[index]
                if kind == "log":
                    value, typical = np.exp(value), np.exp(typical)
                deviations = float(np.sinh(self.scaled[-1, index]))
                found[column] = Moved(column, name, float(value), float(typical), deviations)
        ranked = list(found.values())
        least = max(abs(ranked[0].deviations) / 4, 1.0)
        return tuple(each for each in ranked if each is ranked[0] or abs(each.deviations) >= least)


def _values(summary: Summary, features: Sequence[Feature]) -> list[float]:
    """In the order of `features`. A category that is not listed has what share it may have; what is missing is NaN."""
    found, unlisted = summary.features, summary.unlisted
    return [
        found[feature] if feature in found else unlisted.get(feature[1], np.nan) if feature[0] == "category" else np.nan
        for feature in features
    ]


def _unit(spreads: Array, values: Array) -> float:
    """The column's standard deviation on partitions where it moves; for a constant column a hundredth of its size.

    The root mean square, without the RANGE largest: partitions on which a column moves much say what its spread is.
    """
    moving = np.sort(spreads[spreads > 0])
    if len(moving):
        return float(np.sqrt(np.mean(moving[: max(len(moving) - RANGE, 1)] ** 2)))
    return float(abs(np.median(values))) / 100 or 1.0


def _transform(kind: str, values: Array, unit: float) -> Array:
    """To a scale on which the noise of a statistic does not depend on its size."""
    if kind in ("share", "category"):
        return np.asarray(np.arcsin(np.sqrt(np.clip(values, 0.0, 1.0))))
    if kind == "count":
        return np.asarray(np.sqrt(values))
    if kind == "spread":
        return np.asarray(np.log(values / unit + 0.01))
    return values / unit if kind == "location" else values


def known_rows(held: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many of the first rows each row is compared with, shape (n + 1,): all before it, but not those that were held
    back right before it. While a change lasts, it is no history."""
    known = np.arange(len(held) + 1)
    for index in range(1, len(known)):
        if held[index - 1]:
            known[index] = known[index - 1]
    return known
