"""A day is delivered in one file. Where there are two, nobody knows whether the second one adds to the first or
replaces it, so the day is held back until somebody says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from tidemill.loop.errors import DataUnreadable
from tidemill.loop.model import Partition

Doubled = Mapping[str, Sequence[str]]  # the URIs of each day that has several


def one_a_day(found: Sequence[Partition]) -> tuple[list[Partition], Doubled]:
    """The partitions by day, and which days have several. The digest of such a day is of all its files, so that it is
    judged anew when one comes or goes."""
    days, doubled = [], {}
    for id, several in groupby(sorted(found, key=attrgetter("id", "uri")), attrgetter("id")):
        first, *more = several
        if more:
            doubled[id] = [partition.uri for partition in (first, *more)]
            digests = "\n".join(partition.digest for partition in (first, *more))
            first = replace(first, digest="sha256:" + hashlib.sha256(digests.encode()).hexdigest())
        days.append(first)
    return days, doubled


def refuse_doubled(partition: Partition, doubled: Doubled) -> None:
    """Raises DataUnreadable naming the files."""
    if partition.id in doubled:
        raise DataUnreadable(
            f"{len(doubled[partition.id])} files are of that day, and a day is one file: "
            f"{', '.join(doubled[partition.id])}. Make one of them, or take all but one away"
        )
