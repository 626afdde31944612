"""Lasting changes of the world: each is one stored incident, one line in the ledger and one question to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tidemill.decisions.lasting import Judged, Run, incidents
from tidemill.decisions.verdict import Reason

from .context import Context, Event, Write
from .documents.partition import PartitionDocument
from .incident import ANSWERED, KIND, OPEN, OVER, Incident, stored_incidents


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
        _note(context, left, replace(left, state=OVER, closed_at=now.isoformat()), now)


def answer_incidents(context: Context, since: str, said: str, now: datetime) -> None:
    """A person says that the world is as it is from the partition `since` on."""
    for incident in stored_incidents(context.state, context.name):
        if incident.state == OPEN and incident.until >= since:
            answered = replace(incident, state=ANSWERED, closed_at=now.isoformat(), answer=said)
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
    state, closed_at = (OVER, now.isoformat()) if run.over else (OPEN, None)
    first, last = run.partitions[0], run.partitions[-1]
    if before is not None:
        found = replace(before, columns=run.columns, partitions=len(run.partitions), state=state, closed_at=closed_at)
        return replace(found, since=min(first, before.since), until=last)
    return Incident(
        f"unlike-{first}", first, last, last, run.columns, len(run.partitions), now.isoformat(), state, closed_at
    )


def _note(context: Context, before: Incident | None, incident: Incident, now: datetime) -> None:
    if incident == before:
        return
    write = Write(KIND, incident.id, incident.to_document())
    if before is None:
        evidence = {"since": incident.since, "columns": list(incident.columns), "partitions": incident.partitions}
        event = Event(now, "incident.opened", Reason.LASTING_CHANGE, incident.question, evidence)
        context.record(event, [write], f"{KIND}/{incident.id}/{OPEN}")
    elif incident.state == before.state:
        context.state.transact(context.name, [write])
    if incident.state in (OVER, ANSWERED):
        context.record(_closed(incident, now), [write], f"{KIND}/{incident.id}/{incident.state}")


def _closed(incident: Incident, now: datetime) -> Event:
    about = f"{incident.partitions} partitions from {incident.since} to {incident.until}"
    evidence = {"since": incident.since, "until": incident.until, "partitions": incident.partitions}
    if incident.state == ANSWERED:
        message = (
            f"The change of {', '.join(incident.columns[:5])} since {incident.since} was confirmed {incident.answer}."
        )
        return Event(now, "incident.answered", Reason.APPROVED, message, evidence)
    message = (
        f"The change of {', '.join(incident.columns[:5])} is over: {about} were unlike history, later ones are not."
    )
    return Event(now, "incident.over", Reason.OVER, message, evidence)
