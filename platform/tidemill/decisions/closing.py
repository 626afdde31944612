"""When is a block of outcomes evidence? When its labels are in, and never with the first of them.

Labels that come sooner for one class than for the other would bias whatever is concluded from the first of them. So a
block waits until nearly all labels that usually come are there. Some never come (a cancelled flight), and on some days
many more of them than usual. Once each class by itself has usually arrived, what is missing is lost rather than late,
and fewer labels suffice. Such days are often the hard ones: they must not be the last to count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# What may be missing of the labels that usually come, before each class is known to have arrived. If all of that is of
# one class, the rarer class's share is off by a tenth of itself at most, and any share by 2 % of the rows.
MISSING, MISSING_OF_RARER = 0.02, 0.1
ENOUGH = 0.9  # once each class has usually arrived: what is missing is then no longer the slow class, but lost
SETTLED = 0.95  # of each class's labels: the age that a block must have for ENOUGH to suffice
MOST = 0.5  # at OVERDUE times that age; with fewer labels, their delivery itself has failed
OVERDUE = 2.0  # a delivery that is late once may take as long again,
LEAST_OVERDUE = timedelta(hours=6)  # and one that usually takes no time must have failed for a while


@dataclass(frozen=True)
class Arrival:
    """What the loop has learnt of its labels. `usual`: the share of answered rows that get a label in the end; None
    while unknown. `settled`: the age of a block at which SETTLED of the labels of each class have come; None while
    unknown. `rarer`: the share of the rarer class; None while unknown."""

    usual: float | None = None
    settled: timedelta | None = None
    rarer: float | None = None


@dataclass(frozen=True)
class BlockFacts:
    """`due`: rows that were answered; `labelled`: those of them with a label; `age`: since the block's end."""

    due: int
    labelled: int
    age: timedelta


def is_closed(
    facts: BlockFacts,
    arrival: Arrival,
    arrives_after: timedelta,
    give_up_after: timedelta,
    coverage: float | None = None,
) -> bool:
    """Whether the block may be read as evidence now. `coverage` is what the spec declares in place of what is usual."""
    if not facts.due or facts.age < arrives_after:
        return False
    if facts.age >= give_up_after:
        return facts.labelled > 0
    share = facts.labelled / facts.due
    settled = None if arrival.settled is None else facts.age >= arrival.settled
    if coverage is not None:
        return share >= coverage and settled is not False
    if arrival.usual is None:
        return False
    if share >= (1 - _may_miss(arrival)) * arrival.usual:
        return facts.labelled > 0
    if arrival.settled is None or not settled:
        return False
    overdue = facts.age >= max(OVERDUE * max(arrival.settled, arrives_after), LEAST_OVERDUE)
    return share >= (MOST if overdue else ENOUGH) * arrival.usual


def _may_miss(arrival: Arrival) -> float:
    if arrival.rarer is None:
        return MISSING if arrival.settled is None else 0.0  # it will have arrived, and how rare it is is not known
    return min(MISSING, MISSING_OF_RARER * arrival.rarer) if arrival.rarer else MISSING
