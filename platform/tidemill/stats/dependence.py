"""How long do outcomes depend on each other? The shortest block whose mean says nothing of the next one's.

A day's outcomes may share a cause: weather, a strike, a campaign. Counted row by row they would seem to be far more
evidence than they are; counted day by day, where rows are independent, far less. So the length of a block is taken from
the loop's own past, from residuals of the champion (what came true minus what was predicted), which carry the causes
that a paired difference of two models carries too.

A length passes where
- the lag-1 correlation of its block means is at most MOST_CORRELATED, and
- the variance of the means of all longer blocks is what independent blocks of this length would give, up to a factor
  (the variance ratio of Lo & MacKinlay 1988, the design effect of Kish 1965). The first rule alone is blind to a small
  cause that lasts: among many short and noisy blocks it hardly shows in the correlation of two neighbours, and yet it
  moves all of them.

What is too weak to fail these rules over two weeks moves the mean of a day by less than the noise of that day's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

HOURS = (1, 2, 4, 8, 24)
MOST_CORRELATED = 0.2
MOST_SPREAD = 1.5  # times the variance of independent blocks of hours
MOST_SPREAD_OF_ROWS = 1.25  # the same for single rows, which make many more of the same evidence
LEAST_DAYS, LEAST_ROWS = 7, 500
_LEAST_NEIGHBOURS = 20


@dataclass(frozen=True)
class Dependence:
    """`hours`: the length of a block. `single_rows`: rows within a block are independent of each other, too.
    `correlation`: lag-1 of the block means at that length; None where too few blocks could be compared."""

    hours: int
    single_rows: bool
    correlation: float | None


def shortest_block(hours: Array, residuals: Sequence[Array]) -> Dependence:
    """`hours`: time of each row in hours, shape (n,); `residuals`: one or more series, each of shape (n,). Every series
    has to pass. A day where too little is known."""
    known = np.all([np.isfinite(series) for series in residuals], axis=0)
    hours, series = hours[known], [np.asarray(values, dtype=float)[known] for values in residuals]
    days = len(np.unique(hours // 24))
    if days < LEAST_DAYS or len(hours) < LEAST_ROWS:
        return Dependence(24, False, None)
    for length in HOURS[:-1]:
        correlations = [lag_one(hours, values, length) for values in series]
        found = [value for value in correlations if value is not None]
        if len(found) < len(series) or max(found) > MOST_CORRELATED:
            continue
        if any(_spread(hours, values, length, longer) > MOST_SPREAD for values in series for longer in _after(length)):
            continue
        rows = all(_spread(hours, values, None, longer) <= MOST_SPREAD_OF_ROWS for values in series for longer in HOURS)
        return Dependence(length, length == HOURS[0] and rows, max(found))
    last = [value for values in series if (value := lag_one(hours, values, 24)) is not None]
    return Dependence(24, False, max(last, default=None))


def lag_one(hours: Array, values: Array, length: int) -> float | None:
    """Correlation of the means of neighbouring blocks of `length` hours; None for fewer than 20 neighbours."""
    means, _, index = _blocks(hours, values, length)
    after = np.flatnonzero(np.diff(index) == 1)
    if len(after) < _LEAST_NEIGHBOURS:
        return None
    centred = means - means.mean()
    variance = float(np.mean(centred**2))
    return 0.0 if variance == 0 else float(np.mean(centred[after] * centred[after + 1])) / variance


def _after(length: int) -> tuple[int, ...]:
    return HOURS[HOURS.index(length) + 1 :]


def _blocks(hours: Array, values: Array, length: int) -> tuple[Array, Array, Array]:
    """Mean, number of rows and number of each block of `length` hours that has rows, in order of time."""
    index, inverse, counts = np.unique(hours // length, return_inverse=True, return_counts=True)
    return np.bincount(inverse, weights=values) / counts, counts.astype(float), index


def _spread(hours: Array, values: Array, length: int | None, longer: int) -> float:
    """Variance of the means of blocks of `longer` hours, as a multiple of what independent blocks of `length` hours
    (None: independent rows) would give them."""
    means, counts, index = _blocks(hours, values, longer)
    if length is None:
        expected = float(np.var(values)) * float(np.mean(1 / counts))
    else:
        parts, sizes, where = _blocks(hours, values, length)
        inside = np.searchsorted(index, where * length // longer)
        weights = sizes / counts[inside]
        expected = float(np.var(parts)) * float(np.mean(np.bincount(inside, weights=weights**2)))
    return float(np.var(means, ddof=1)) / expected if expected > 0 else 0.0
