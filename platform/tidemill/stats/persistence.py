"""How much a day is like the day before, learnt from a series of daily values without a look ahead.

A stormy week makes every model bad for a week. A test that takes its days for independent calls that a change. What
matters to a test of the mean is how much more a mean of several days varies than that of independent days. So that is
measured, on differences to the same weekday of the week before, u_t = x_t - x_(t-7):

    ratio = 7 Var(mean of u over 7 days) / Var(u)

It is 1 for independent days and more where bad days come in spells. Differences do not depend on level and weekday. A
change of level affects them for one week only, and each is cut at twice the root mean square of those before it: the
change that one looks for is hardly taken for persistence. The result is phi, the coefficient of the autoregression
x_t = phi x_(t-1) + noise that has the same ratio. A short history is averaged with a usual ratio, that of phi = .4,
worth four weeks.

Sources: the variance of means as the measure of dependence is that of batch means (Schmeiser 1982, "Batch size effects
in the analysis of simulation output"); the closed forms are those of an AR(1) process (Box & Jenkins 1970).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

WEEK = 7
USUAL, USUAL_DAYS = 0.4, 28
CUT, UNCUT = 2.0, 14  # the first two weeks of differences set the scale
MOST = 0.9  # beyond, a spell lasts for months and is a new state of the world


@dataclass(frozen=True)
class Persistence:
    """What the days before each day told: `phi`, and the `variance` of a day (infinite before the eighth)."""

    phi: Array
    variance: Array


def learn(values: Array) -> Persistence:
    """Both before each value, shape (n,): entry t is learnt from values[:t] alone, values of one a day, in order."""
    x = np.asarray(values, dtype=float)
    days = np.maximum(np.arange(len(x)) - WEEK, 0)
    weeks = np.maximum(days - WEEK + 1, 0)
    u = np.concatenate([np.zeros(min(WEEK, len(x))), x[WEEK:] - x[:-WEEK]])
    square = np.divide(_before(np.square(u)), days, out=np.full(len(x), np.inf), where=days > 0)
    limit = np.where(days < UNCUT, np.inf, CUT * np.sqrt(square))
    cut = np.clip(u, -limit, limit)
    sums = np.cumsum(np.concatenate([[0.0], cut]))
    means = np.zeros(len(x))
    means[2 * WEEK - 1 :] = (sums[2 * WEEK :] - sums[WEEK:-WEEK]) / WEEK
    of_days, of_weeks = _before(np.square(cut)) / np.maximum(days, 1), _before(np.square(means)) / np.maximum(weeks, 1)
    ratio = np.divide(WEEK * of_weeks, of_days, out=np.ones(len(x)), where=of_days > 0)
    blended = (weeks * ratio + USUAL_DAYS * _ratio(np.array([USUAL]))) / (weeks + USUAL_DAYS)
    grid = np.linspace(0.0, MOST, 91)
    return Persistence(np.interp(blended, _ratio(grid), grid), square / 2)


def inflation(phi: Array, days: int) -> Array:
    """By how much s^2 / D understates the variance of a mean of D days in a row, s^2 being their own variance.

    For x_t = phi x_(t-1) + noise, with V = Var(mean) / Var(x): V (D - 1) / (1 - V). 1 for phi = 0.
    """
    share = _variance_of_mean(np.asarray(phi, dtype=float), days)
    return np.asarray(share * (days - 1) / (1 - share), dtype=float)


def long_run(phi: Array) -> Array:
    """By how much s^2 / n understates the variance of a mean of many days: (1 + phi) / (1 - phi)."""
    return np.asarray((1 + phi) / (1 - phi), dtype=float)


def _before(squares: Array) -> Array:
    """The sum of all before each."""
    return np.concatenate([[0.0], np.cumsum(squares)])[:-1]


def _variance_of_mean(phi: Array, days: int) -> Array:
    lags = np.arange(1, days)
    return np.asarray((1 + 2 * np.sum((1 - lags / days) * np.power.outer(phi, lags), axis=-1)) / days, dtype=float)


def _ratio(phi: Array) -> Array:
    """The ratio above of an autoregression with coefficient `phi`, increasing in it."""

    def covariance(lag: int) -> Array:
        return np.asarray(2 * phi ** abs(lag) - phi ** abs(lag - WEEK) - phi ** abs(lag + WEEK), dtype=float)

    lags = range(-WEEK + 1, WEEK)
    mean = sum((WEEK - abs(lag)) * covariance(lag) for lag in lags) / WEEK**2
    return np.asarray(WEEK * mean / covariance(0), dtype=float)
