"""A lasting change of the world: which partitions, which columns, and whether a person answered."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tidemill.loop.ports import State

from .base import Document, Moment, Stored, Upgrade
from .store import read_all

Standing = Literal["open", "answered", "over"]
OPEN: Standing = "open"
ANSWERED: Standing = "answered"
OVER: Standing = "over"


def _without_version(stored: Stored) -> Stored:
    """The first form said its version under another key."""
    return {key: value for key, value in stored.items() if key != "version"}


class Incident(Document):
    """Partitions from `since` to `until` are unlike history in the same `columns`; `partitions` is how many. `joined`
    are columns that moved later in it, each with the partition since which it did. `state` is
    open (a person is asked), answered (a person said that the world is so now) or over (it went by itself).
    `opened_on` is the partition with which it became an incident."""

    kind = "incident"
    upgrades: ClassVar[tuple[Upgrade, ...]] = (_without_version,)

    id: str
    since: str
    until: str
    opened_on: str
    columns: tuple[str, ...]
    joined: dict[str, str] = Field(default_factory=dict)
    partitions: int
    opened_at: Moment
    state: Standing = OPEN
    closed_at: Moment | None = None
    answer: str = ""

    def covers(self, partition: str) -> bool:
        return self.since <= partition <= self.until

    @property
    def question(self) -> str:
        return (
            f"{self.partitions} partitions since {self.since} are unlike history in the same columns: "
            f"{', '.join(self.columns[:5])}{self._joined()}. Is this how the world is now? "
            f"`tidemill admit --since {self.since}` admits them, and then later ones like them. Otherwise leave them: "
            "they stay out of training."
        )

    def _joined(self) -> str:
        since: dict[str, list[str]] = {}
        for column, first in self.joined.items():
            since.setdefault(first, []).append(column)
        return "".join(f", and since {first} in {', '.join(columns[:5])}, too" for first, columns in since.items())


def stored_incidents(state: State, loop: str) -> list[Incident]:
    return read_all(state, loop, Incident)
