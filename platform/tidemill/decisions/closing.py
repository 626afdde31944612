"""When is a block of outcomes evidence? When its labels are in, and never with the first of them.

Labels that come sooner for one class than for the other would bias whatever is concluded from the first of them. So a
block waits until nearly all labels that usually come are there. Some never come (a cancelled flight), and on some days
many more of them than usual. Once each class by itself has usually arrived, what is missing is lost rather than late,
and fewer labels suffice. Such days are often the hard ones: they must not be the last to count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

ALL_IN = (
    0.98  # of the labels that usually come: what is missing, all of one class, moves a base rate by 2 % of the rows
)
ENOUGH = 0.9  # once each class has usually arrived: what is missing is then no longer the slow class, but lost
SETTLED = 0.95  # of each class's labels: the age that a block must have for ENOUGH to suffice
MOST = 0.5  # at OVERDUE times that age; with fewer labels, their delivery itself has failed
OVERDUE = 2.0  # a delivery that is late once may take as long again


@dataclass(frozen=True)
class Arrival:
    """What the loop has learnt of its labels. `usual`: the share of answered rows that get a label in the end; None
    while unknown. `settled`: the age of a block at which SETTLED of the labels of each class have come; None while
    unknown."""

    usual: float | None = None
    settled: timedelta | None = None


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
    """Whether the block may be read as evidence now. `coverage` is what the spec declares in place of it."""
    if not facts.due or facts.age < arrives_after:
        return False
    if facts.age >= give_up_after:
        return facts.labelled > 0
    share = facts.labelled / facts.due
    if coverage is not None:
        return share >= coverage
    if arrival.usual is None:
        return False
    if share >= ALL_IN * arrival.usual:
        return facts.labelled > 0
    if arrival.settled is None or facts.age < arrival.settled:
        return False
    overdue = facts.age >= OVERDUE * max(arrival.settled, arrives_after)
    return share >= (MOST if overdue else ENOUGH) * arrival.usual
