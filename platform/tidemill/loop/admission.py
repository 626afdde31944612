"""What arrived is judged once, on arrival, and only what was admitted is ever trained on.

Each partition stands alone: what one holds, and what keeps one from being read, delays no other. A fault around the
partitions (a store that is away, a suite that is none) is raised after the others were judged.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial
from typing import Any

from tidemill.decisions.admit import AdmitAction, admit
from tidemill.decisions.verdict import Reason
from tidemill.stats.summary import Summary

from .batch_facts import read_facts
from .context import Context, Event, Write
from .delivered_labels import labels_from, look_again, take_labels
from .documents.incident import ANSWERED, Incident, stored_incidents
from .documents.partition import PartitionDocument
from .documents.store import to_write
from .errors import SuiteUnusable, TemporaryError
from .incidents import is_in_incident, note_incidents
from .judgement import Standing, standing, stands_otherwise
from .model import Partition

AWAY = 3  # partitions in a row that a store does not give: it is the store that is away, and the rest is not asked for


def admit_arrivals(context: Context, now: datetime) -> None:
    """Raises what kept partitions from being judged, after the others were."""
    known = {document.id: document for document in context.documents(PartitionDocument)}
    stands = cache(partial(standing, context))  # read once a tick, and only where somebody asks
    raised: list[Exception] = []
    away = 0
    for partition in context.ports.source.partitions():
        try:
            _look_at(context, partition, known, stands, now)
            away = 0
        except SuiteUnusable as error:  # said once; every other partition would say it again
            raised.append(error)
            break
        except TemporaryError as error:
            raised.append(error)
            away += 1
            if away == AWAY:
                break
        except Exception as error:
            raised.append(error)
    note_incidents(context, list(known.values()), now)
    if raised:
        raise raised[0]


def _look_at(
    context: Context, partition: Partition, known: dict[str, PartitionDocument], stands: Standing, now: datetime
) -> None:
    if partition.start <= now < partition.end:
        context.wait(_incomplete(partition, now))
        return
    document = known.get(partition.id)
    if document is None or _is_new(document, partition, now) or stands_otherwise(document, stands):
        _judge(context, partition, known, stands, now)
        note_incidents(context, list(known.values()), now)
    elif document.admitted:
        look_again(context, partition, document, now)


def _is_new(document: PartitionDocument, partition: Partition, now: datetime) -> bool:
    if document.digest != partition.digest:
        return True
    return document.reason == Reason.IN_THE_FUTURE and (document.until or document.end) <= now


def _incomplete(partition: Partition, now: datetime) -> Event:
    message = f"Partition {partition.id} is judged when its day is over, at {partition.end:%Y-%m-%d %H:%M}Z."
    return Event(now, "partition.waiting", Reason.NOT_READY, message)


def _judge(
    context: Context, partition: Partition, known: dict[str, PartitionDocument], stands: Standing, now: datetime
) -> None:
    before = known.get(partition.id)
    others = sorted((d for d in known.values() if d.id != partition.id), key=lambda d: d.id)
    admitted = [document for document in others if document.admitted]
    expected = admitted[-1].kinds if admitted else {}
    read = read_facts(context, partition, expected, history(context, others), now)
    facts = read.facts
    verdict = admit(facts, context.spec.data.gate)
    moved = verdict.evidence["moved"] if "distance" in verdict.evidence else None
    document = PartitionDocument(
        id=partition.id,
        digest=partition.digest,
        uri=partition.uri,
        start=partition.start,
        end=partition.end,
        status="admitted" if verdict.action is AdmitAction.ADMIT else "quarantined",
        reason=str(verdict.reason),
        message=verdict.message,
        rows=facts.rows,
        revision=1 if before is None else before.revision + 1,
        judged_at=now,
        judged_by=stands(),
        labels_from=labels_from(context),
        # Nulls say nothing of a column's kind: what it was before still holds.
        kinds={name: expected.get(name, kind) if kind == "nothing" else kind for name, kind in read.kinds.items()},
        until=None if facts.max_event_time is None else max(facts.max_event_time, partition.end),
        distance=verdict.evidence.get("distance"),
        moved=None if moved is None else tuple(each["column"] for each in moved),
    )
    if document.admitted and read.frame is not None:
        take_labels(context, read.frame, partition, now)
    writes = [to_write(document, document.id), *summary_of(document, facts.summary)]
    event = Event(now, f"partition.{document.status}", verdict.reason, verdict.message, dict(verdict.evidence))
    if _says_the_same(before, document) or is_in_incident(context, partition.id, [*others, document]):
        context.state.transact(context.name, writes)
    else:
        context.record(event, writes, entry_id(document))
    known[partition.id] = document


def _says_the_same(before: PartitionDocument | None, document: PartitionDocument) -> bool:
    """The same bytes judged anew, by another suite say, and with the same outcome: that is told already."""
    return before is not None and (before.digest, before.status, before.reason) == (
        document.digest,
        document.status,
        document.reason,
    )


def entry_id(document: PartitionDocument) -> str:
    """Of the ledger's line on a judgement. The revision is stored with it, so that every judgement has a line of its
    own: of bytes that come back after others, too."""
    return f"partition/{document.id}/revision/{document.revision}"


def summary_of(document: PartitionDocument, summary: Summary | None) -> list[Write]:
    """Beside the partition, not in it: partitions are listed several times a tick, summaries are read once. Of what is
    only unlike history, too: later partitions are compared with it once a person admits it."""
    if summary is None or document.reason not in (Reason.ADMITTED, Reason.APPROVED, Reason.UNLIKE_HISTORY):
        return []
    return [Write("summary", document.id, {"digest": document.digest, **summary.to_dict()})]


def history(context: Context, documents: list[PartitionDocument]) -> dict[str, Any]:
    """What the learnt gate compares with, oldest first: what was admitted, and what was held back as unlike history.
    Of an incident nothing is history before a person says so."""
    if context.spec.data.gate == "off":
        return {}
    unanswered = [i for i in stored_incidents(context.state, context.name) if i.state != ANSWERED]
    seen = [
        (summary, held)
        for document in documents
        if _is_history(document, held := not document.admitted, unanswered)
        and (summary := context.summary(document)) is not None
    ]
    return {"history": tuple(summary for summary, _ in seen), "held": tuple(held for _, held in seen)}


def _is_history(document: PartitionDocument, held: bool, unanswered: list[Incident]) -> bool:
    if not held:
        return True
    return document.reason == Reason.UNLIKE_HISTORY and not any(i.covers(document.id) for i in unanswered)
