"""Detecting a change with a declared rate of false alarms, however often one looks: the e-detector.

Shin, Ramdas and Rinaldo (2024), "E-detectors: a nonparametric framework for sequential change detection", of the
Shiryaev-Roberts type. For values y_t in [-1, 1] whose conditional mean is at most 0 as long as nothing has changed,
1 + b y_t is an e-value for every bet b in (0, 1). For each bet of a grid

    M_t = (M_{t-1} + 1) (1 + b y_t),   M_0 = 0,

and the mean of the M_t over the grid is an e-detector: an alarm where it reaches c comes, without a change, after c
values on average or more (average run length >= c). So c = 1 / (false alarms a value). After an alarm it starts again:
the rate holds for each alarm after the other.

Assumption: E[y_t | past] <= 0 without change. No independence, no distribution. A pure fold: no state is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

BETS = (0.06, 0.12, 0.24, 0.48, 0.95)
"""Nearly geometric: whatever the size of a change, some bet is within about a factor of sqrt(2) of its best one."""


@dataclass(frozen=True)
class Detection:
    """`values` is the detector after each step; `alarms` the indices of steps at which it reached the threshold."""

    values: tuple[float, ...]
    alarms: tuple[int, ...]
    threshold: float


def detect(values: Iterable[float], false_alarms: float, bets: Sequence[float] = BETS) -> Detection:
    """Folds over values in [-1, 1]. `false_alarms` is how many a value are allowed on average (1/365: one in 365).

    Raises ValueError where a value is outside [-1, 1] or no number, a bet outside (0, 1), or the rate not above 0.
    """
    if false_alarms <= 0:
        raise ValueError(f"false_alarms must be above 0, not {false_alarms}: no test is free of false alarms")
    if not bets or not all(0 < bet < 1 for bet in bets):
        raise ValueError(f"bets must lie between 0 and 1, not {tuple(bets)}")
    stakes = np.asarray(bets, dtype=np.float64)
    factors = []
    for value in values:
        if not -1 <= value <= 1:
            raise ValueError(f"a value of the e-detector must lie in [-1, 1], not {value}: winsorise it first")
        factors.append(1 + stakes * value)
    return run(factors, false_alarms)


def run(factors: Iterable[float | np.ndarray[tuple[int], np.dtype[np.float64]]], false_alarms: float) -> Detection:
    """The Shiryaev-Roberts fold over e-values; each step gives one e-value, or one for each bet of a mixture."""
    threshold = max(1 / false_alarms, 1.0)
    path: list[float] = []
    alarms: list[int] = []
    state: np.ndarray[tuple[int], np.dtype[np.float64]] = np.zeros(1)
    for index, factor in enumerate(factors):
        state = (state + 1) * factor
        path.append(float(state.mean()))
        if path[-1] >= threshold:
            alarms.append(index)
            state = np.zeros(1)
    return Detection(tuple(path), tuple(alarms), threshold)
