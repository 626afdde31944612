"""The document of a lasting change of the world: which partitions, which columns, and whether a person answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .ports import State

KIND = "incident"
VERSION = 1
OPEN, ANSWERED, OVER = "open", "answered", "over"


@dataclass(frozen=True)
class Incident:
    """Partitions from `since` to `until` are unlike history in the same `columns`; `partitions` is how many. `state` is
    open (a person is asked), answered (a person said that the world is so now) or over (it went by itself).
    `opened_on` is the partition with which it became an incident."""

    id: str
    since: str
    until: str
    opened_on: str
    columns: tuple[str, ...]
    partitions: int
    opened_at: str
    state: str = OPEN
    closed_at: str | None = None
    answer: str = ""

    def to_document(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self), "columns": list(self.columns)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Incident:
        """Raises ValueError for a document that a newer Tidemill wrote."""
        if document["version"] > VERSION:
            raise ValueError(f"Incident {document['id']} was written by a newer Tidemill: use that one.")
        fields = {key: value for key, value in document.items() if key != "version"}
        return cls(**{**fields, "columns": tuple(fields["columns"])})

    def covers(self, partition: str) -> bool:
        return self.since <= partition <= self.until

    @property
    def question(self) -> str:
        return (
            f"{self.partitions} partitions since {self.since} are unlike history in the same columns: "
            f"{', '.join(self.columns[:5])}. Is this how the world is now? `tidemill admit --since {self.since}` "
            "admits them, and then later ones like them. Otherwise leave them: they stay out of training."
        )


def stored_incidents(state: State, loop: str) -> list[Incident]:
    return [Incident.from_document(document) for document in state.documents(loop, KIND)]
