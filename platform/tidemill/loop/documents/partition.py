"""A delivered partition and how it was judged."""

from __future__ import annotations

from typing import Literal

from .base import Document, Moment


class PartitionDocument(Document):
    """`digest` is of the delivered bytes that were judged, `revision` how often the partition was. `judged_by` is a
    digest of the words that it was judged by, `labels_from` the columns of keys and labels; `kinds` is of its columns.
    `until` is the end, or the latest time of an event where that is later. `distance` is the distance to history and
    `moved` names the columns that moved most: both are known where the learnt gate compared."""

    kind = "partition"

    id: str
    digest: str
    uri: str
    start: Moment
    end: Moment
    status: Literal["admitted", "quarantined"]
    reason: str
    message: str
    rows: int
    revision: int
    judged_at: Moment
    judged_by: str | None = None
    labels_from: tuple[str, ...] | None = None
    kinds: dict[str, str]
    until: Moment | None = None
    distance: float | None = None
    moved: tuple[str, ...] | None = None

    @property
    def admitted(self) -> bool:
        return self.status == "admitted"
