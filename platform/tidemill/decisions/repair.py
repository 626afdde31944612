"""Does the correction serve? Only while its paired gain over the uncorrected model stands for it.

One e-process against "the correction gains nothing", over all closed blocks of the version: a mixture of small and
large bets on the winsorised daily gain; winnings beyond MOST are given away, which leaves it a supermartingale. The
correction serves once the evidence is above SERVES (even odds: its gain so far speaks for it) while its mean gain is
above 0, and is withdrawn when the evidence falls below WITHDRAWS (four to one against it). The mean is asked for as
well, since the evidence does not count the first day and cuts terrible ones.

Why such low bars, and not a promotion's twenty. The step is reversible, bounded, and undone by the same test. The
daily gain of a level that is a little wrong is a tenth of the days' own noise: whoever waits for certainty waits for a
season, in which the served model is wrong every day. The promise is not about how sure one is, but about what a
useless correction can cost: under "no gain" the evidence is a supermartingale, so that by Doob's inequality it climbs
from WITHDRAWS back above SERVES at most WITHDRAWS / (SERVES - WITHDRAWS) = 1/3 times, in expectation, ever. With the
first one that makes 4/3 useless spells of serving, each of which ends with the evidence four to one against it: no
worse than the static model, up to that constant (cf. Feng et al. 2022, "Bayesian logistic regression for online
recalibration"). WITHDRAWS mirrors MOST: a correction is dropped on as much evidence as it can save up. A higher bar
drops it after a calm spell and misses the storm that follows (`bench/repair_cost.py` compares bars on ten streams).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

import numpy as np

from tidemill.stats.eprocess import winsorise

from .verdict import Reason, Verdict

SERVES, WITHDRAWS = 1.0, 0.25
BETS = (0.05, 0.1, 0.2, 0.4, 0.8)  # doubling from timid to bold: within a factor of two of the best bet, whatever it is
MOST = 4.0  # a correction that turns harmful is judged by what it does now, not held up by all it ever gained
SCALE = 2.0  # winsorising at twice the mean size of the gains *before* the block: no unit, no tuning, and predictable


class RepairAction(StrEnum):
    SERVE = "serve"
    WITHDRAW = "withdraw"


@dataclass(frozen=True)
class RepairBlock:
    """One closed block. `gain`: mean loss(raw) - mean loss(corrected), the correction fitted on earlier blocks only."""

    partition: str
    n: int
    gain: float


def repair(blocks: Sequence[RepairBlock], serving: bool) -> Verdict[RepairAction]:
    """Serve or withdraw the correction of one version, given all its closed blocks in order.

    The answer depends on the blocks alone; `serving` says whether it serves now, and only words the reason.
    """
    known = [block for block in blocks if block.n > 0 and math.isfinite(block.gain)]
    gains = [block.gain for block in known]
    path, means = _evidence(_winsorised(gains)), [total / n for n, total in enumerate(accumulate(gains), start=1)]
    e, mean = (path[-1], means[-1]) if known else (1.0, 0.0)
    figures = {"blocks": len(known), "gain": mean, "e": e, "serves_above": SERVES, "withdrawn_below": WITHDRAWS}
    seen = f"evidence {e:.2g} after {len(known)} days, mean gain {mean:+.4f}"
    if _serves(path, means):
        message = f"the correction {'serves' if serving else 'has earned its place'}: {seen}"
        return Verdict(RepairAction.SERVE, Reason.EARNED, message, figures)
    if serving:
        message = f"the correction no longer pays, the uncorrected model serves: {seen}"
        return Verdict(RepairAction.WITHDRAW, Reason.WITHDRAWN, message, figures)
    message = f"the correction has not earned its place: {seen}"
    return Verdict(RepairAction.WITHDRAW, Reason.NOT_EARNED, message, figures)


def _evidence(values: Sequence[float]) -> list[float]:
    """The e-process after each block, winnings beyond MOST given away."""
    wealth, path = np.full(len(BETS), 1 / len(BETS)), []
    for value in values:
        wealth = wealth * (1 + np.array(BETS) * value)
        wealth *= min(1.0, MOST / wealth.sum())
        path.append(float(wealth.sum()))
    return path


def _serves(path: Sequence[float], means: Sequence[float]) -> bool:
    """Whether it serves after the last block: between the two bars it stays what it was."""
    serves = False
    for e, mean in zip(path, means, strict=True):
        if e < WITHDRAWS:
            serves = False
        elif e > SERVES and mean > 0:
            serves = True
    return serves


def _winsorised(gains: Sequence[float]) -> list[float]:
    """Each gain on the scale of those before it. The first has none before it: it sets the scale and is not bet on."""
    values, size = [], 0.0
    for index, gain in enumerate(gains):
        scale = SCALE * size / max(index, 1)
        values.append(float(*winsorise([gain], scale)) if scale > 0 else 0.0)
        size += abs(gain)
    return values
