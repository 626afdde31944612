"""Whether the last tick did all that it could: the condition `Reconciled` of a ModelLoop that was ticked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from .conditions import Fact
from .reasons import ConditionReason

RECONCILED = Fact("Reconciled", "True", ConditionReason.RECONCILED, "The last tick did all that it could.")
ROUTE = "route"  # in the name of the step that Ready is known from


class Failure(Protocol):
    """A step of a tick that could not be done; the others were."""

    @property
    def step(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def since(self) -> datetime: ...
    @property
    def temporary(self) -> bool:
        """It gets better by itself: something does not answer."""
        ...


def reconciled(failures: Iterable[Failure], not_shown: str = "") -> Fact:
    """`not_shown`: why the rollouts' objects could not be written. What a person must mend goes first."""
    ordered = sorted(failures, key=lambda failure: (failure.temporary, failure.since, failure.step))
    said = [f"{one.step}: {one.message} (since {one.since:%Y-%m-%d %H:%M} UTC)" for one in ordered]
    if not_shown:
        said.append(not_shown)
    if not said:
        return RECONCILED
    return Fact("Reconciled", "False", _reason(ordered), " ".join(said))


def is_routed(failures: Iterable[Failure]) -> bool:
    """Whether the tick saw what answers. Where it did not, nothing new is known of it."""
    return not any(ROUTE in failure.step for failure in failures)


def _reason(ordered: Sequence[Failure]) -> ConditionReason:
    if not ordered:
        return ConditionReason.ROLLOUT_NOT_SHOWN
    return ConditionReason.UNAVAILABLE if ordered[0].temporary else ConditionReason.FAILED
