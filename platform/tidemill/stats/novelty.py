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

from .partition_table import Moved as Moved
from .partition_table import PartitionTable, known_rows
from .summary import Summary

Array = npt.NDArray[np.float64]

RECENT = 365  # partitions compared with: a year of days holds every season and every holiday once
WARM_UP = 15  # a score against fewer partitions than two weeks says little, and sets no threshold
ENOUGH = 60  # scores: where history has no more, none is left out for being old
TAIL = 0.2
STEP = 2.0
"""By how much a held partition lowers the logarithm of the level."""
FORGET = 2.0
"""In how many partitions that is forgotten: 1 / (FORGET * false_alarms)."""


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
    alarms = alarms[: known_rows(alarms)[-1]]
    recent, alarms = list(history[: len(alarms)])[-RECENT:], alarms[-RECENT:]
    if len(recent) <= WARM_UP:
        raise ValueError(f"{len(recent)} partitions are too little history: more than {WARM_UP} are needed")
    table = PartitionTable(recent, partition, alarms)
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
    table = PartitionTable(list(history[:-1]), history[-1], np.zeros(len(history) - 1, dtype=bool))
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
