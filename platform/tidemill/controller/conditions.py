"""Conditions as Kubernetes has them: what is so, since when, and of which generation it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tidemill.decisions.verdict import Reason
from tidemill.spec.conditions import Condition

from .reasons import ConditionReason

_LONGEST = 1000  # characters of a message; the whole is in the log


# No other text: a reason that no page explains tells nobody anything.
Why = Reason | ConditionReason


@dataclass(frozen=True)
class Fact:
    kind: str
    status: Literal["True", "False", "Unknown"]
    reason: Why
    message: str


def conditions(
    facts: Sequence[Fact], generation: int, before: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """Of the status `before` and the facts. `lastTransitionTime` is when the status last changed, not the message; one
    that is not told of stays as it was."""
    known = {condition["type"]: condition for condition in before.get("conditions") or []}
    for fact in facts:
        old = known.get(fact.kind)
        since = old["lastTransitionTime"] if old and old["status"] == fact.status else f"{now:%Y-%m-%dT%H:%M:%SZ}"
        made = Condition(
            type=fact.kind,
            status=fact.status,
            reason=str(fact.reason),
            message=_short(fact.message),
            last_transition_time=since,
            observed_generation=generation,
        )
        known[fact.kind] = made.model_dump(mode="json", by_alias=True)
    return [known[kind] for kind in sorted(known)]


def known(before: Mapping[str, Any], kind: str) -> bool:
    return any(condition["type"] == kind for condition in before.get("conditions") or [])


def _short(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 3] + "..."
