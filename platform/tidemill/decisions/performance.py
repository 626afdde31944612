"""Does the champion lose more than it promised? A reason to train.

The promise is made for the very rows that were served: the mean entropy of the served scores, plus what the model lost
above its entropy at evaluation. So a hard day is no alarm, only wrong probabilities are. Two things keep the declared
rate of false alarms:

- *The promise is an estimate*: the mean of a few days of hold-out. A loss counts above its upper confidence bound
  (Student's t). At a declared alarm a year one champion in four is worse than its bound. Served days reduce that doubt:
  where their own upper bound (two standard errors) is lower, it holds. They never lower the promise itself: a model
  that was better for a while is not held to that.
- *Bad days come in spells*. The test takes each day's value less `phi` times that of the day before, `phi` learnt from
  earlier days (`stats.persistence`). The rest has a mean of at most 0 given the past, as the e-detector assumes.

Each day is winsorised at five tolerances: one storm is no alarm. Cutting good and bad days at the same size keeps the
mean at or below 0 for excesses that are symmetric or skewed to bad days, as losses are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from tidemill.stats.daily import UNKNOWN, Noise
from tidemill.stats.edetector import detect
from tidemill.stats.persistence import Persistence, inflation, learn, long_run

from .signal import Signal
from .verdict import Reason

Array = np.ndarray[Any, np.dtype[np.float64]]

WINSOR = 5.0  # times the tolerance: a day cannot count for more than this excess over it, nor make up for more
LEAST_WINSOR = 0.05  # in units of the loss, for a tolerance near nothing
REIGN = 91  # days that a champion is taken to serve: of as many, a bound may fail as often as a false alarm may come
MOST_FAILING = 0.5  # the promise itself is the bound then
CAUTIOUS = Noise(0.03, 7)  # where none was measured: daily means that spread by .08, twice what is usual
CONFIRMS, CONFIDENT = 14, 2.0  # served days before they say anything of the promise, and their bound in standard errors


@dataclass(frozen=True)
class PerformanceBlock:
    """One closed day of the champion: mean served log loss, and what it promised for these very rows.

    `promised` is the mean entropy of the served scores, plus what the model lost above its entropy at evaluation.
    """

    partition: str
    n: int
    loss: float
    promised: float


def performance(
    blocks: Sequence[PerformanceBlock],
    tolerance: float,
    false_alarms: float,
    promise: Noise = UNKNOWN,
    before: Sequence[PerformanceBlock] = (),
) -> list[Signal]:
    """Alarms of an e-detector on what the champion lost above its promise, the doubt about that, and the tolerance.

    `blocks` start at the champion's promotion, in order; `before` are days of its predecessors, each measured against
    its own promise: they tell how days hang together. `promise` is the noise of the excess at evaluation.
    `false_alarms` is per block (a day).
    """
    usable, earlier = _usable(blocks), _usable(before)
    if not usable:
        return []
    scale = max(WINSOR * tolerance, LEAST_WINSOR)
    excess = _excess(usable)
    known = np.clip(np.concatenate([_excess(earlier), excess]) / scale, -1, 1)
    learnt = learn(known)
    days = Persistence(learnt.phi[len(earlier) :], learnt.variance[len(earlier) :])
    doubt = np.minimum(_of_promise(promise, days.phi, false_alarms), scale * _of_served(known[len(earlier) :], days))
    doubt = np.maximum(doubt, 0.0)
    found = detect(_values(excess, doubt + tolerance, scale, days.phi), false_alarms)
    return [_signal(usable, excess, doubt, found.alarms, alarm, tolerance) for alarm in found.alarms]


def _of_promise(promise: Noise, phi: Array, false_alarms: float) -> Array:
    noise = promise if promise.known else CAUTIOUS
    return noise.bound(1 - min(REIGN * false_alarms, MOST_FAILING)) * np.sqrt(inflation(phi, noise.days))


def _of_served(values: Array, days: Persistence) -> Array:
    """The lowest upper bound of their mean that the served days before each gave so far; infinite before the first."""
    count = np.arange(len(values))
    mean = np.concatenate([[0.0], np.cumsum(values)[:-1]]) / np.maximum(count, 1)
    bound = mean + CONFIDENT * np.sqrt(long_run(days.phi) * days.variance / np.maximum(count, 1))
    return np.asarray(np.minimum.accumulate(np.where(count < CONFIRMS, np.inf, bound)), dtype=float)


def _values(excess: Array, allowed: Array, scale: float, phi: Array) -> Array:
    """What each day lost beyond what the day before it led to expect, in [-1, 1]. The first counts as its own
    predecessor."""
    today = np.clip((excess - allowed) / scale, -1, 1)
    yesterday = np.clip((np.concatenate([excess[:1], excess[:-1]]) - allowed) / scale, -1, 1)
    return np.asarray((today - phi * yesterday) / (1 + phi), dtype=float)


def _usable(blocks: Sequence[PerformanceBlock]) -> list[PerformanceBlock]:
    return [block for block in blocks if block.n > 0 and isfinite(block.loss) and isfinite(block.promised)]


def _excess(blocks: Sequence[PerformanceBlock]) -> Array:
    return np.array([block.loss - block.promised for block in blocks], dtype=float)


def _signal(
    blocks: Sequence[PerformanceBlock],
    excess: Array,
    doubt: Array,
    alarms: Sequence[int],
    alarm: int,
    tolerance: float,
) -> Signal:
    first = max((index + 1 for index in alarms if index < alarm), default=0)
    recent = excess[max(first, alarm - 13) : alarm + 1]
    mean, unsure = float(np.mean(recent)), float(doubt[alarm])
    message = (
        f"The champion lost {mean:.3f} a row more than it promised over the {len(recent)} partitions until "
        f"{blocks[alarm].partition} (tolerance {tolerance:g}; the promise is known to {unsure:.3f})."
    )
    evidence = {"since": blocks[first].partition, "until": blocks[alarm].partition, "recent_excess": mean,
                "recent_partitions": len(recent), "tolerance": tolerance, "doubt": unsure}  # fmt: skip
    return Signal(Reason.PERFORMANCE, f"performance-{blocks[alarm].partition}", message, evidence)
