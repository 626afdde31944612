"""Conditions, as every Kubernetes object has them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from .rules import LIST_BY_TYPE, Strict


class Condition(Strict):
    """One thing that is so, or is not, or is not known; told apart by its type."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(description="what it is about")
    status: Literal["True", "False", "Unknown"] = Field(description="whether it is so")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="why, in one word of docs/reference/reasons.md"
    )
    message: Annotated[str, StringConstraints(max_length=32768)] = Field("", description="why, in a sentence")
    last_transition_time: AwareDatetime = Field(description="when the status last changed")
    observed_generation: Annotated[int, Field(strict=True, ge=0)] = Field(
        0, description="the metadata.generation that this was said of"
    )


Conditions = Annotated[tuple[Condition, ...], LIST_BY_TYPE]
