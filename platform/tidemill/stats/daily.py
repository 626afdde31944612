"""How far a mean over rows may be off, where the rows of one day share causes: what counts is the days.

The standard error is that of a mean of clusters (Liang & Zeger 1986, with the factor D / (D - 1) for few clusters).
With days of equal size it is the standard deviation of the daily means over sqrt(D). It is itself estimated from D
days, so that a bound takes Student's t with D - 1 degrees of freedom (Bell & McCaffrey 2002 for clusters), not the
normal distribution: with seven days the one-sided 95 % bound is 1.94 standard errors, not 1.64.

Assumption: days are independent of each other. `stats.persistence` says what it costs where they are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Noise:
    """Standard error of a mean over `days` days. Not known (infinite) where there are fewer than two."""

    error: float
    days: int

    @property
    def known(self) -> bool:
        return math.isfinite(self.error) and self.days > 1

    def bound(self, confidence: float) -> float:
        """How far the mean may be off to one side with this confidence; infinite where the noise is not known."""
        return t_quantile(confidence, self.days - 1) * self.error if self.known else math.inf


UNKNOWN = Noise(math.inf, 1)


def daily_noise(values: Array, days: Array) -> Noise:
    """The noise of `mean(values)`. `values`: one number a row, shape (n,); `days`: the day of each row, shape (n,)."""
    found, index = np.unique(days, return_inverse=True)
    if len(found) < 2:
        return Noise(math.inf, len(found))
    sums = np.bincount(index, weights=np.asarray(values, dtype=float) - float(np.mean(values)))
    error = math.sqrt(len(found) / (len(found) - 1) * float(np.sum(np.square(sums)))) / len(values)
    return Noise(error, len(found))


def t_quantile(confidence: float, degrees: int) -> float:
    """The quantile of Student's t distribution.

    >>> round(t_quantile(0.95, 6), 2)
    1.94
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees, confidence))
