"""Lets quarantined partitions in after all, where a person says that what is new in them is right."""

from __future__ import annotations

from datetime import datetime

from tidemill.decisions.verdict import Reason

from .admission import entry_id, summary_of
from .batch_facts import read_facts
from .context import Context, Event
from .delivered_labels import labels_from, take_labels
from .documents.partition import PartitionDocument
from .documents.request import RequestDocument
from .documents.store import to_write
from .incidents import answer_incidents
from .model import Partition


def admit_by_hand(context: Context, request: RequestDocument, said: str, now: datetime) -> None:
    """One partition, or with `since` each that is only unlike history, from there on: that is how the world is now, and
    later partitions are compared with it.

    What cannot be read, lacks its key or time, has no rows or labels that are none stays out, whoever asks. A feature's
    column may be gone for good: days after it are then expected to lack it, too.
    """
    delivered = {partition.id: partition for partition in context.ports.source.partitions()}
    since = request.since
    partitions = context.documents(PartitionDocument)
    for held in held_since(partitions, since) if since else _named(partitions, request.target):
        if held.id in delivered:
            _admit(context, held, delivered[held.id], said, now)
    if since:
        answer_incidents(context, since, said, now)


def held_since(documents: list[PartitionDocument], since: str) -> list[PartitionDocument]:
    """Partitions that are held back as unlike history alone, oldest first."""
    held = [d for d in documents if not d.admitted and d.reason == Reason.UNLIKE_HISTORY]
    return sorted((d for d in held if d.id >= since), key=lambda d: d.id)


def _named(documents: list[PartitionDocument], id: str | None) -> list[PartitionDocument]:
    return [d for d in documents if d.id == id and not d.admitted]


def _admit(context: Context, held: PartitionDocument, delivered: Partition, said: str, now: datetime) -> None:
    id = held.id
    read = read_facts(context, delivered, {}, {}, now)
    facts, frame = read.facts, read.frame
    if frame is None or facts.missing_columns or facts.bad_label or not facts.rows:
        message = f"Partition {id} stays out, though asked for {said}: {held.message}"
        context.wait(Event(now, "partition.quarantined", Reason(held.reason), message))
        return
    message = f"Partition {id} was admitted {said}; the gate had held it: {held.message}"
    document = held.model_copy(
        update={
            "digest": delivered.digest,
            "status": "admitted",
            "reason": str(Reason.APPROVED),
            "message": message,
            "kinds": read.kinds,
            "rows": facts.rows,
            "revision": held.revision + 1,
            "judged_at": now,
            "labels_from": labels_from(context),
        }
    )
    take_labels(context, frame, delivered, now)
    writes = [to_write(document, id), *summary_of(document, facts.summary)]
    context.record(Event(now, "partition.admitted", Reason.APPROVED, message), writes, entry_id(document))
