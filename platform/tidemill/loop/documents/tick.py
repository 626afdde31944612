"""What the last tick of a loop left: when it was, what waits, and which steps fail."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from .base import Document, Moment


class LastTick(Document):
    kind = "tick"
    id: ClassVar[str] = "last"

    at: Moment


class Waits(BaseModel):
    model_config = ConfigDict(frozen=True)
    event: str
    reason: str
    message: str


class Waiting(Document):
    """What would have happened, and what it waits for."""

    kind = "tick"
    id: ClassVar[str] = "waiting"

    waiting: tuple[Waits, ...] = ()


class FailedStep(BaseModel):
    """`count` failures in a row, from `since` to `last`. `temporary`: something around the loop is away."""

    model_config = ConfigDict(frozen=True)
    message: str
    since: Moment
    last: Moment
    count: int
    temporary: bool


class FailedSteps(Document):
    """By the name of the step."""

    kind = "tick"
    id: ClassVar[str] = "failures"

    steps: dict[str, FailedStep] = Field(default_factory=dict)
