"""How unlike history a partition is: summaries as vectors, robustly scaled, compared with what was admitted before.

After GATE (Shankar et al. 2023, "Automatic and Precise Data Validation for Machine Learning"): partition summaries,
robust z-scores, distance to the nearest neighbours in history. Two distances, because two kinds of fault exist:

- `distance`: to the K nearest earlier partitions, over all columns. Finds many small moves at once. Neighbours may be
  the same weekday or the last weeks: a season is no fault.
- `excess`: how far the single most extreme statistic lies beyond the range of all earlier partitions. Finds one stuck
  column among a hundred good ones, which any average drowns.

A partition is scored on arrival, against earlier partitions only, and so was every partition in history: a season that
moves slowly makes new scores large, but it made the old ones large too. The threshold of each distance is what at most
half the declared share of the scores on arrival exceeded, those of the later half of history: the earlier half had
little to be compared with, which made its scores large.

What was held back does not vanish. Its score counts towards the thresholds, and it is what later partitions are
compared with, but not while later ones are held back right after it: a change that lasts is no history before a person
says so. Without this, holding back a partition of a slow trend makes the next one still farther from all that is known.

Guarantee. If the scores are exchangeable, which i.i.d. partitions satisfy up to the slow growth of the history, the
chance that a good partition is held back is at most the declared share (split conformal prediction, Vovk et al. 2005),
where n scores can resolve it: n + 1 >= 2 / share. With fewer (1% needs 199) no distribution-free threshold exists; an
exponential tail is fitted to the largest fifth of the scores and extended to the share, with the error of the fit: an
assumption and no guarantee. Scores are on a logarithmic scale (asinh), which makes heavy tails about exponential.

Real partitions are not exchangeable, so the level adapts (Gibbs and Candes 2021, "Adaptive conformal inference under
distribution shift"), here on a logarithmic scale, so that no level is ever 0 and no threshold infinite. Each partition
that is held back lowers the level by exp(-STEP), and a fraction FORGET * share of that is given back with each that is
not; those held back just now, in a row, count once the row has ended, and not where it became an incident. Whatever the
stream, if C is the caution at which nothing is held back (scores are bounded), T partitions hold back about FORGET *
share * T + C / STEP at most, besides such rows. What a person admits, or delivers again, no longer counts as held back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

import numpy as np
import numpy.typing as npt

from .summary import Feature, Summary

Array = npt.NDArray[np.float64]

RECENT = 365  # partitions compared with: a year of days holds every season and every holiday once
NEIGHBOURS = 5
RANGE = (
    2  # the range of history runs from its 2nd smallest to its 2nd largest value: one fault that slipped in is not in
)
WARM_UP = 15  # a score against fewer partitions than two weeks says little, and sets no threshold
ENOUGH = 60  # scores: where history has no more, none is left out for being old
TAIL = 0.2
BOUND = 12.0  # of a scaled statistic: 80,000 robust deviations; more tells no more
STEP = 2.0
"""By how much a held partition lowers the logarithm of the level."""
FORGET = 2.0
"""In how many partitions that is forgotten: 1 / (FORGET * false_alarms)."""
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


@dataclass(frozen=True)
class Novelty:
    """`unlike` is the answer; `moved` names columns, most first; `calibrated_on` is the number of scores behind the
    thresholds, and `resolves` the smallest rate of false alarms that so many can show without an assumption on their
    tail: 2 / (n + 1), there being two thresholds."""

    unlike: bool
    distance: float
    distance_threshold: float
    excess: float
    excess_threshold: float
    calibrated_on: int
    resolves: float
    moved: tuple[Moved, ...]


def novelty(
    partition: Summary, history: Sequence[Summary], false_alarms: float, held: Sequence[bool] = (), named: int = 20
) -> Novelty:
    """Compares a partition with history, oldest first; only the last RECENT count. `held` says of each partition of
    history whether it was held back as unlike the others (and nobody said that it is right); by default none was.

    Raises ValueError where history is not longer than WARM_UP, or `false_alarms` is not a share within (0, 1).
    """
    if not 0 < false_alarms < 1:
        raise ValueError(f"false_alarms must lie between 0 and 1, not {false_alarms}: it is a share of good partitions")
    # Those held back just now, in a row, may be a change that lasts: no part of what it is compared with.
    alarms = np.asarray(held if len(held) else np.zeros(len(history)), dtype=bool)
    alarms = alarms[: _known(alarms)[-1]]
    recent, alarms = list(history[: len(alarms)])[-RECENT:], alarms[-RECENT:]
    if len(recent) <= WARM_UP:
        raise ValueError(f"{len(recent)} partitions are too little history: more than {WARM_UP} are needed")
    table = _Table(recent, partition, alarms)
    excesses = table.excesses()
    first = min(max(WARM_UP, len(recent) // 2), max(len(recent) - ENOUGH, WARM_UP))
    scores, peaks = table.distances()[first:], excesses.max(axis=1)[first:]
    caution = caution_after(alarms, false_alarms)
    far = conformal_threshold(scores[:-1], false_alarms / 2, caution)
    high = conformal_threshold(peaks[:-1], false_alarms / 2, caution)
    return Novelty(
        unlike=bool(scores[-1] > far or peaks[-1] > high),
        distance=float(scores[-1]),
        distance_threshold=far,
        excess=float(peaks[-1]),
        excess_threshold=high,
        calibrated_on=len(scores) - 1,
        resolves=min(2 / len(scores), 1.0),
        moved=table.moved(excesses[-1])[:named],
    )


def caution_after(held: Sequence[bool] | npt.NDArray[np.bool_], false_alarms: float) -> float:
    """By how much the logarithm of the level is lowered after partitions were held back, oldest first (see above)."""
    caution = 0.0
    for was_held in held:
        caution = caution + STEP if was_held else max(caution - FORGET * false_alarms * STEP, 0.0)
    return caution


def distances(history: Sequence[Summary]) -> list[float]:
    """The distance of each partition, on arrival, to those before it; the first WARM_UP + 1 are left out."""
    if len(history) <= WARM_UP + 1:
        return []
    table = _Table(list(history[:-1]), history[-1], np.zeros(len(history) - 1, dtype=bool))
    return [float(value) for value in table.distances()[WARM_UP + 1 :]]


def conformal_threshold(scores: Array, share: float, caution: float = 0.0) -> float:
    """What a new score exceeds with probability at most `share`, if it is exchangeable with `scores`, shape (n,).

    The ceil((n + 1)(1 - share))-th smallest score where there is one; else a fitted exponential tail, whose scale is
    the median excess over its foot / ln 2, so that one fault in history does not blind the gate. The scale is an
    estimate from k excesses: what an excess X exceeds with probability p, the scale being that of k others, is
    k (p^(-1/k) - 1) scales and not log(1 / p) (the predictive distribution of an exponential is a Pareto one). The
    threshold is never below the second largest score. With `caution` c the share is exp(-c) times as large, on an
    exponential tail: the threshold lies c scales higher.
    """
    ordered = np.sort(scores)
    foot = float(np.quantile(ordered, 1 - TAIL))
    excess = ordered[ordered > foot] - foot
    scale = float(np.median(excess)) / log(2) if len(excess) else 0.0
    rank = ceil((len(ordered) + 1) * (1 - share))
    if rank <= len(ordered):
        return float(ordered[rank - 1]) + caution * scale
    k = max(len(excess), 1)
    beyond: float = k * (max(TAIL / share, 1.0) ** (1 / k) - 1)
    return max(foot + scale * beyond, float(ordered[-min(2, len(ordered))])) + caution * scale


class _Table:
    """Features of history (rows 0 to n - 1, oldest first) and of the new partition (row n), scaled by history."""

    def __init__(self, history: Sequence[Summary], partition: Summary, held: npt.NDArray[np.bool_]) -> None:
        bag = [*history, partition]
        self.known = _known(held)
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


def _known(held: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many of the first rows each row is compared with, shape (n + 1,): all before it, but not those that were held
    back right before it. While a change lasts, it is no history."""
    known = np.arange(len(held) + 1)
    for index in range(1, len(known)):
        if held[index - 1]:
            known[index] = known[index - 1]
    return known


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
