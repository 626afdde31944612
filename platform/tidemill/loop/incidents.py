"""Lasting changes of the world: each is one stored incident, one line in the ledger and one question to a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidemill.decisions.lasting import Judged, Run, incidents
from tidemill.decisions.verdict import Reason

from .context import Context, Event
from .documents.incident import ANSWERED, OPEN, OVER, Incident, stored_incidents
from .documents.partition import PartitionDocument
from .documents.store import to_write


def is_in_incident(context: Context, id: str, documents: Sequence[PartitionDocument]) -> bool:
    """Whether a held partition is one of an incident's, which tells of it."""
    return any(id in run.partitions for run in _runs(documents, stored_incidents(context.state, context.name)))


def note_incidents(context: Context, documents: Sequence[PartitionDocument], now: datetime) -> None:
    """Opens, continues and ends incidents as the partitions' documents have it. Idempotent."""
    stored = stored_incidents(context.state, context.name)
    unclaimed = {incident.id: incident for incident in stored if incident.state == OPEN}
    for run in _runs(documents, stored):
        before = next((i for i in unclaimed.values() if set(i.columns) & set(run.columns)), None)
        if before is not None:
            del unclaimed[before.id]
        _note(context, before, _incident(before, run, now), now)
    for left in unclaimed.values():  # its partitions were delivered again, or admitted one by one
        _note(context, left, left.model_copy(update={"state": OVER, "closed_at": now}), now)


def answer_incidents(context: Context, since: str, said: str, now: datetime) -> None:
    """A person says that the world is as it is from the partition `since` on."""
    for incident in stored_incidents(context.state, context.name):
        if incident.state == OPEN and incident.until >= since:
            answered = incident.model_copy(update={"state": ANSWERED, "closed_at": now, "answer": said})
            _note(context, incident, answered, now)


def _runs(documents: Sequence[PartitionDocument], stored: Sequence[Incident]) -> list[Run]:
    closed = [incident for incident in stored if incident.state != OPEN]
    judged = [
        Judged(document.id, document.reason == Reason.UNLIKE_HISTORY, document.moved or ())
        for document in sorted(documents, key=lambda document: document.id)
        if document.reason in (Reason.ADMITTED, Reason.UNLIKE_HISTORY)
        and not any(incident.covers(document.id) for incident in closed)
    ]
    return incidents(judged)


def _incident(before: Incident | None, run: Run, now: datetime) -> Incident:
    first, last = run.partitions[0], run.partitions[-1]
    found: dict[str, Any] = {
        "columns": run.columns,
        "joined": run.joined,
        "partitions": len(run.partitions),
        "until": last,
    }
    found |= {"state": OVER, "closed_at": now} if run.over else {"state": OPEN, "closed_at": None}
    if before is not None:
        return before.model_copy(update={**found, "since": min(first, before.since)})
    return Incident(id=f"unlike-{first}", since=first, opened_on=last, opened_at=now, **found)


def _note(context: Context, before: Incident | None, incident: Incident, now: datetime) -> None:
    if incident == before:
        return
    write = to_write(incident, incident.id)
    if before is None:
        evidence = {"since": incident.since, "columns": list(incident.columns), "partitions": incident.partitions}
        event = Event(now, "incident.opened", Reason.LASTING_CHANGE, incident.question, evidence)
        context.record(event, [write], f"{incident.kind}/{incident.id}/{OPEN}")
    elif incident.state == OPEN and incident.joined.keys() - before.joined.keys():
        evidence = {"since": incident.since, "columns": list(incident.columns), "joined": incident.joined}
        event = Event(now, "incident.widened", Reason.LASTING_CHANGE, incident.question, evidence)
        context.record(event, [write], f"{incident.kind}/{incident.id}/joined/{incident.until}")
    elif incident.state == before.state:
        context.state.transact(context.name, [write])
    if incident.state in (OVER, ANSWERED):
        context.record(_closed(incident, now), [write], f"{incident.kind}/{incident.id}/{incident.state}")


def _closed(incident: Incident, now: datetime) -> Event:
    about = f"{incident.partitions} partitions from {incident.since} to {incident.until}"
    evidence = {"since": incident.since, "until": incident.until, "partitions": incident.partitions}
    if incident.state == ANSWERED:
        message = (
            f"The change of {', '.join(incident.columns[:5])} since {incident.since} was confirmed {incident.answer}."
        )
        return Event(now, "incident.answered", Reason.APPROVED, message, evidence)
    message = (
        f"The change of {', '.join(incident.columns[:5])} is over: {about} were unlike history in the same columns, "
        "later ones are not."
    )
    return Event(now, "incident.over", Reason.OVER, message, evidence)
