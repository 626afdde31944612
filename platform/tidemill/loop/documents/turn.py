"""A turn: what it was started on and why, and how it ended."""

from __future__ import annotations

from typing import Any, Literal

from .base import Document, Moment

Status = Literal["running", "accepted", "rejected", "failed"]


class TurnDocument(Document):
    """`number` counts the turns of the loop from 1. `rows` is of all partitions that were admitted when it started,
    `snapshot` the digest over partitions and labels, `made_of` that over spec and code. `champion` is the version that
    the turn warm started from; None where it is to make the first one. `attempts` counts the submissions of its run.

    Once it has ended, `result` is what its steps recorded, `version` the version that it made, and `image_digests` what
    its steps ran of `image`, as far as that is known.
    """

    kind = "turn"

    id: str
    number: int
    status: Status
    reason: str
    message: str
    signals: tuple[str, ...]
    snapshot: str
    partitions: tuple[str, ...]
    rows: int
    started_at: Moment
    work_uri: str
    attempts: int
    champion: str | None
    made_of: str | None = None
    image: str = ""
    finished_at: Moment | None = None
    result: dict[str, Any] | None = None
    version: str | None = None
    image_digests: tuple[str, ...] | None = None

    @property
    def running(self) -> bool:
        return self.status == "running"
