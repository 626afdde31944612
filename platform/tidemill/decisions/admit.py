"""The data gate: is a delivered partition admitted? What is not admitted is never trained on.

A chain of small policies, hardest first; the first that objects decides. Hard expectations were checked before (they
need the rows); the learnt gate compares the partition's summary with admitted history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from tidemill.spec.model_loop import Gate
from tidemill.stats.novelty import WARM_UP, Moved, Novelty, novelty
from tidemill.stats.summary import Summary

from .verdict import Reason, Verdict

_LEAST_HISTORY = WARM_UP + 1


class AdmitAction(StrEnum):
    ADMIT = "admit"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class BatchFacts:
    """One delivered partition. `changed_types` holds (column, was, is); `bad_label` a label that is neither 0 nor 1,
    and its key; `history` the summaries of the partitions before it, oldest first: of the admitted ones, and where
    `held` says so, of those that were held back as unlike the others; `max_event_time` is None where no row has a time.
    """

    partition: str
    rows: int
    start: datetime
    end: datetime
    now: datetime
    max_event_time: datetime | None = None
    missing_columns: tuple[str, ...] = ()
    changed_types: tuple[tuple[str, str, str], ...] = ()
    bad_label: str = ""
    expectation_failures: tuple[str, ...] = ()
    unreadable: str | None = None
    summary: Summary | None = None
    history: Sequence[Summary] = ()
    held: Sequence[bool] = ()


Policy = Callable[[BatchFacts], Verdict[AdmitAction] | None]


def admit(facts: BatchFacts, gate: Gate | Literal["off"]) -> Verdict[AdmitAction]:
    """Admits or quarantines. With the gate off, whatever can be read, is not empty and has its columns is admitted."""
    for policy in HARD_POLICIES:
        if (verdict := policy(facts)) is not None:
            return verdict
    if gate == "off":
        return Verdict(AdmitAction.ADMIT, Reason.ADMITTED, f"{_name(facts)} is admitted: {facts.rows} rows; gate off.")
    return _expectation_failed(facts) or _learnt(facts, gate)


def _unreadable(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    if facts.unreadable is None:
        return None
    return _hold(facts, Reason.UNREADABLE, f"cannot be read: {facts.unreadable}. Deliver it again.")


def _empty(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    if facts.rows > 0:
        return None
    return _hold(facts, Reason.EMPTY, "has no rows. If the day truly had none, leave it out; else deliver it again.")


def _missing_columns(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    if not facts.missing_columns:
        return None
    names = ", ".join(facts.missing_columns)
    evidence = {"missing": list(facts.missing_columns)}
    message = f"lacks {names}. Deliver it again with every column, or correct the names in spec.data."
    return _hold(facts, Reason.SCHEMA_CHANGED, message, evidence)


def _in_the_future(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    latest = facts.max_event_time
    if latest is None or latest <= facts.now:
        return None
    message = f"holds events until {latest:%Y-%m-%d %H:%M}Z, later than now ({facts.now:%Y-%m-%d %H:%M}Z)."
    return _hold(facts, Reason.IN_THE_FUTURE, message, {"latest": latest.isoformat()})


def _changed_types(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    if not facts.changed_types:
        return None
    changes = ", ".join(f"{column} was {was} and is {now}" for column, was, now in facts.changed_types)
    evidence = {"changed": [list(change) for change in facts.changed_types]}
    return _hold(facts, Reason.SCHEMA_CHANGED, f"changed its types: {changes}. Deliver it again as before.", evidence)


def _bad_labels(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    if not facts.bad_label:
        return None
    message = (
        f"holds labels that are neither 0 nor 1, such as {facts.bad_label}. Deliver it again with 0 and 1, or without "
        "the column, and send its outcomes."
    )
    return _hold(facts, Reason.BAD_LABELS, message)


HARD_POLICIES: tuple[Policy, ...] = (
    _unreadable,  # nothing else can be known of it
    _empty,  # no rows satisfy every expectation
    _missing_columns,  # before the time: without its column there is none
    _in_the_future,  # its events have not happened: wrong clock or wrong file
    _bad_labels,  # they would be trained on
    _changed_types,  # the model would refuse it, or worse, not
)


def _expectation_failed(facts: BatchFacts) -> Verdict[AdmitAction] | None:
    failures = facts.expectation_failures
    if not failures:
        return None
    more = f", and {len(failures) - 3} more" if len(failures) > 3 else ""
    message = f"fails {len(failures)} expectation(s): {'; '.join(failures[:3])}{more}."
    return _hold(facts, Reason.EXPECTATION_FAILED, message, {"failures": list(failures)})


def _learnt(facts: BatchFacts, gate: Gate) -> Verdict[AdmitAction]:
    admitted = f"{_name(facts)} is admitted: {facts.rows} rows"
    needed = max(gate.min_history, _LEAST_HISTORY)
    known = len(facts.history) - sum(facts.held)
    if facts.summary is None or known < needed:
        message = f"{admitted}; the learnt gate speaks from {needed} admitted partitions on ({known} so far)."
        return Verdict(AdmitAction.ADMIT, Reason.ADMITTED, message, {"history": known})
    found = novelty(facts.summary, facts.history, gate.false_alarms, facts.held)
    evidence = _evidence(found)
    if not found.unlike:
        return Verdict(AdmitAction.ADMIT, Reason.ADMITTED, f"{admitted}, like history.", evidence)
    columns = "; ".join(_sentence(moved) for moved in found.moved[:3])
    if found.resolves > gate.false_alarms:
        columns += f". ({found.calibrated_on} scores prove a false alarm rate of {found.resolves:.1%}; less is a fit)"
    message = f"is unlike all {known} admitted partitions. Moved most: {columns}."
    return _hold(facts, Reason.UNLIKE_HISTORY, message, evidence)


def _evidence(found: Novelty) -> dict[str, Any]:
    return asdict(found) | {"moved": [asdict(moved) for moved in found.moved]}


def _sentence(moved: Moved) -> str:
    return f"{moved.column} ({moved.statistic} {moved.value:.4g}, usually {moved.typical:.4g})"


def _hold(
    facts: BatchFacts, reason: Reason, message: str, evidence: dict[str, Any] | None = None
) -> Verdict[AdmitAction]:
    return Verdict(
        AdmitAction.QUARANTINE, reason, f"{_name(facts)} {message}", {"rows": facts.rows, **(evidence or {})}
    )


def _name(facts: BatchFacts) -> str:
    return f"Partition {facts.partition}"
