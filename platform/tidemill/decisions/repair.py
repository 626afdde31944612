"""Does the correction serve? Only while its paired gain over the uncorrected model stands for it.

Two tests take turns, both pure folds over the version's closed blocks:
- *earning*: an e-process against "the correction gains nothing"; it serves once that reaches 1/ALPHA and the plain
  sum of gains is positive too (a guard against what winsorising hides);
- *withdrawing*: while it serves, an e-detector (Shin, Ramdas & Rinaldo 2024) of "it harms", begun anew whenever the
  evidence falls below where it started; at 1/ALPHA the correction is withdrawn and the earning begins again from
  nothing.

Why ALPHA = 1/2 and not a promotion's 1/20. The step is reversible, bounded, and undone by the same test within days,
and the daily gain of a level that is .1 wrong is a tenth of the days' own noise: whoever waits for certainty waits for a
season. Evidence of two to one is the least that still says something. If a correction never gains anything, a count ends
in serving with probability at most ALPHA (Ville), so that at most ALPHA / (1 - ALPHA) = 1 useless spell of serving is
expected, ever; each ends once the evidence of harm is two to one. That is the promise: no worse than the static model,
up to about one such spell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tidemill.stats.eprocess import EProcess, betting, winsorise

from .verdict import Reason, Verdict

ALPHA = 0.5
BETS = (0.0, 0.5, 0.95)  # with a bettor who keeps the money: a correction that harms at first may earn its place later
STAKES = (0.2, 0.2, 0.6)  # most on the boldest: a repair worth having gains something like the gains' own spread
SHARE = 0.05  # so much is dealt out afresh each day; a fresh model needs no repair, a stale one does
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


@dataclass(frozen=True)
class _Count:
    """Where the fold stands: since when it counts, towards what, and how far it is."""

    serving: bool
    since: int
    e: float
    gain: float


def repair(blocks: Sequence[RepairBlock], serving: bool) -> Verdict[RepairAction]:
    """Serve or withdraw the correction of one version, given all its closed blocks in order.

    The answer depends on the blocks alone; `serving` says whether it serves now, and only words the reason.
    """
    known = [block for block in blocks if block.n > 0 and math.isfinite(block.gain)]
    count = _fold(_winsorised([block.gain for block in known]), [block.gain for block in known])
    figures = {
        "blocks": len(known),
        "since": known[count.since].partition if count.since < len(known) else None,
        "days": len(known) - count.since,
        "gain": count.gain,
        "e": count.e,
        "needed": 1 / ALPHA,
    }
    mean = count.gain / max(len(known) - count.since, 1)
    if count.serving:
        message = f"the correction serves: its evidence of harm is {count.e:.2g}, {1 / ALPHA:g} withdraws it"
        if not serving:
            message = f"the correction has earned its place on {len(known)} days"
        return Verdict(RepairAction.SERVE, Reason.EARNED, message, figures)
    if serving:
        message = "the correction no longer pays: the uncorrected model serves, and the count begins anew"
        return Verdict(RepairAction.WITHDRAW, Reason.WITHDRAWN, message, figures)
    message = (
        f"the correction has not earned its place: evidence {count.e:.2g} of {1 / ALPHA:g} after "
        f"{len(known) - count.since} days (mean gain {mean:+.4f})"
    )
    return Verdict(RepairAction.WITHDRAW, Reason.NOT_EARNED, message, figures)


def _winsorised(gains: Sequence[float]) -> list[float]:
    """Each gain on the scale of those before it. The first has none before it: it sets the scale and is not bet on."""
    values, size = [], 0.0
    for index, gain in enumerate(gains):
        scale = SCALE * size / max(index, 1)
        values.append(float(winsorise([gain], scale)[0]) if scale > 0 else 0.0)
        size += abs(gain)
    return values


def _fold(values: Sequence[float], gains: Sequence[float]) -> _Count:
    """Turns of earning and withdrawing, one after the other, up to the last block."""
    since, serving = 0, False
    while True:
        end, e = _withdrawing(values[since:]) if serving else _earning(values[since:], gains[since:])
        if end is None:
            return _Count(serving, since, e, float(sum(gains[since:])))
        since, serving = since + end, not serving


def _earning(values: Sequence[float], gains: Sequence[float]) -> tuple[int | None, float]:
    """How many blocks it took to earn a place (None: not yet), and the evidence at the end."""
    process, total = betting(values, BETS, STAKES, SHARE), 0.0
    for index, (e, gain) in enumerate(zip(process.path, gains, strict=True)):
        total += gain
        if e >= 1 / ALPHA and total > 0:
            return index + 1, e
    return None, process.e


def _withdrawing(values: Sequence[float]) -> tuple[int | None, float]:
    """How many blocks it took to lose the place (None: not yet), and the evidence of harm at the end."""
    begun, process = 0, EProcess(())
    for index in range(len(values)):
        process = betting([-value for value in values[begun : index + 1]], BETS, STAKES, SHARE)
        if process.e >= 1 / ALPHA:
            return index + 1, process.e
        if process.e < 1:
            begun = index + 1
    return None, max(process.e, 1.0)
