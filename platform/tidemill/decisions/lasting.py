"""Is what the learnt gate holds back one lasting change of the world? Told once, and put to a person once.

A fold over the judged partitions, oldest first. Those held back for a hard fault are left out, for they say nothing of
the world, and so are those that a person admitted. A run begins where a partition is unlike history, and goes on while
the next ones are unlike history in a column that all of the run have in common. With IN_A_ROW partitions it is an
incident, and then ends only after IN_A_ROW partitions in a row that are like history: one mild day in the middle of a
change does not ask the question anew.

An incident hides no second change. A column that IN_A_ROW partitions of it in a row have moved, too, joins it, and the
question names it. IN_A_ROW partitions in a row that are unlike history in other columns alone end the incident and are
the next one.

The fold gives the same incidents however often it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

IN_A_ROW = 3
"""A storm, a holiday or a sale lasts a day or two, and so does most broken data: three days in the same columns are
seldom chance (the learnt gate holds one day in a hundred), and a person can answer before the week is over."""


@dataclass(frozen=True)
class Judged:
    """A partition as the learnt gate saw it. `moved` names columns, most first."""

    partition: str
    unlike: bool
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """Partitions that are unlike history in the same columns. `joined` are columns that moved later in it, each with
    the partition since which it did. `over`: later ones are like history again, or unlike it in other columns."""

    partitions: tuple[str, ...]
    columns: tuple[str, ...]
    over: bool = False
    joined: dict[str, str] = field(default_factory=dict)

    @property
    def lasts(self) -> bool:
        return len(self.partitions) >= IN_A_ROW


def incidents(judged: Sequence[Judged]) -> list[Run]:
    """The runs that are incidents, oldest first; at most the last one is not over."""
    found: list[Run] = []
    run: Run | None = None
    other: Run | None = None  # during an incident: the last partitions, where they are unlike history in other columns
    row: list[Judged] = []  # the last partitions, where they are unlike history
    like = 0  # partitions in a row that were like history
    for each in judged:
        if each.unlike:
            like, row = 0, [*row, each][-IN_A_ROW:]
            grown = _continued(run, each)
            if grown is not None:
                run, other = _with_joined(grown, row), None
            elif run is None or not run.lasts:
                run = _begun(each)
            else:  # another fault, during the incident: its own verdict, unless it lasts
                other = _continued(other, each) or _begun(each)
                if other.lasts:
                    found.append(replace(run, over=True))
                    run, other = other, None
            continue
        like, row, other = like + 1, [], None
        if run is not None and (not run.lasts or like >= IN_A_ROW):
            found.append(replace(run, over=True))
            run = None
    if run is not None:
        found.append(run)
    return [each for each in found if each.lasts]


def _begun(judged: Judged) -> Run:
    return Run((judged.partition,), judged.moved)


def _continued(run: Run | None, judged: Judged) -> Run | None:
    """The run with one partition more; None where that has no column in common with it."""
    common = () if run is None else tuple(column for column in run.columns if column in judged.moved)
    if run is None or not common:
        return None
    return replace(run, partitions=(*run.partitions, judged.partition), columns=common)


def _with_joined(run: Run, row: Sequence[Judged]) -> Run:
    """With the columns that all of the row have moved and that the run does not name yet."""
    if len(run.partitions) <= IN_A_ROW or len(row) < IN_A_ROW:
        return run
    named = {*run.columns, *run.joined}
    fresh = [c for c in row[-1].moved if c not in named and all(c in each.moved for each in row)]
    return replace(run, joined={**run.joined, **dict.fromkeys(fresh, row[0].partition)})
