"""What a person, or something on a person's behalf, asked a loop for."""

from __future__ import annotations

from .base import Document, Moment


class RequestDocument(Document):
    """`what` is one of loop.asking.WORDS. `target` is what it is about: a rollout, a partition, else the version that
    was champion. `since` is given where partitions from there on are to be admitted. `handled_at` is None until a tick
    acted on it."""

    kind = "request"

    id: str
    what: str
    by: str
    note: str
    at: Moment
    target: str | None
    handled_at: Moment | None
    since: str | None = None

    @property
    def open(self) -> bool:
        return self.handled_at is None
