"""Is what the learnt gate holds back one lasting change of the world? Told once, and put to a person once.

A fold over the judged partitions, oldest first. Those held back for a hard fault are left out, for they say nothing of
the world, and so are those that a person admitted. A run begins where a partition is unlike history, and goes on while
the next ones are unlike history in a column that all of the run have in common. With IN_A_ROW partitions it is an
incident, and then ends only after IN_A_ROW partitions in a row that are like history: one mild day in the middle of a
change does not ask the question anew.

The fold gives the same incidents however often it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Partitions that are unlike history in the same columns. `over`: later ones are like history again."""

    partitions: tuple[str, ...]
    columns: tuple[str, ...]
    over: bool = False

    @property
    def lasts(self) -> bool:
        return len(self.partitions) >= IN_A_ROW


def incidents(judged: Sequence[Judged]) -> list[Run]:
    """The runs that are incidents, oldest first; at most the last one is not over."""
    found: list[Run] = []
    run: Run | None = None
    like = 0  # partitions in a row that were like history
    for each in judged:
        if each.unlike:
            like = 0
            common = () if run is None else tuple(column for column in run.columns if column in each.moved)
            if run is not None and common:
                run = replace(run, partitions=(*run.partitions, each.partition), columns=common)
            elif run is None or not run.lasts:
                run = Run((each.partition,), each.moved)
            # else another fault, during the incident: its own verdict
            continue
        like += 1
        if run is not None and (not run.lasts or like >= IN_A_ROW):
            found.append(replace(run, over=True))
            run = None
    if run is not None:
        found.append(run)
    return [each for each in found if each.lasts]
