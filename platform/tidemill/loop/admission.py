"""What arrived is judged once, on arrival, and only what was admitted is ever trained on."""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from tidemill.decisions.admit import AdmitAction, BatchFacts, admit
from tidemill.decisions.verdict import Reason
from tidemill.stats.summary import Summary, summarize

from .context import Context, Event, Write
from .delivered_labels import labels_from, look_again, take_labels
from .errors import DataUnreadable
from .frames import arrays, canonical, changed_kinds, feature_columns, kinds_of, labels_of
from .judgement import Standing, standing, stands_otherwise
from .model import Partition

if TYPE_CHECKING:
    import pandas as pd


def admit_arrivals(context: Context, now: datetime) -> None:
    known = {document["id"]: document for document in context.state.documents(context.name, "partition")}
    stands = cache(partial(standing, context))  # read once a tick, and only where somebody asks
    for partition in context.ports.source.partitions():
        if partition.start <= now < partition.end:
            context.wait(_incomplete(partition, now))
            continue
        document = known.get(partition.id)
        if document is None or _is_new(document, partition, now) or stands_otherwise(document, stands):
            known[partition.id] = _judge(context, partition, document, list(known.values()), stands, now)
        elif document["status"] == "admitted":
            look_again(context, partition, document, now)


def _is_new(document: dict[str, Any], partition: Partition, now: datetime) -> bool:
    if document["digest"] != partition.digest:
        return True
    return document["reason"] == Reason.IN_THE_FUTURE and partition.end <= now


def _incomplete(partition: Partition, now: datetime) -> Event:
    message = f"Partition {partition.id} is judged when its day is over, at {partition.end:%Y-%m-%d %H:%M}Z."
    return Event(now, "partition.waiting", Reason.NOT_READY, message)


def _judge(
    context: Context,
    partition: Partition,
    before: dict[str, Any] | None,
    known: list[dict[str, Any]],
    stands: Standing,
    now: datetime,
) -> dict[str, Any]:
    admitted = [document for document in known if document["status"] == "admitted" and document["id"] != partition.id]
    expected: dict[str, str] = admitted[-1]["kinds"] if admitted else {}
    frame, facts = _facts(context, partition, expected, admitted, now)
    verdict = admit(facts, context.spec.data.gate)
    status = "admitted" if verdict.action is AdmitAction.ADMIT else "quarantined"
    revision = 1 if before is None else before["revision"] + 1
    document = {
        "id": partition.id,
        "digest": partition.digest,
        "uri": partition.uri,
        "start": partition.start.isoformat(),
        "end": partition.end.isoformat(),
        "status": status,
        "reason": str(verdict.reason),
        "message": verdict.message,
        "rows": facts.rows,
        "revision": revision,
        "judged_at": now.isoformat(),
        "judged_by": stands(),
        "labels_from": labels_from(context),
        # Nulls say nothing of a column's kind: what it was before still holds.
        "kinds": {
            name: expected.get(name, kind) if kind == "nothing" else kind for name, kind in _kinds(frame).items()
        },
    }
    if "distance" in verdict.evidence:
        document["distance"] = verdict.evidence["distance"]
        document["moved"] = [moved["column"] for moved in verdict.evidence["moved"]]
    if status == "admitted" and frame is not None:
        take_labels(context, frame, partition, now)
    event = Event(now, f"partition.{status}", verdict.reason, verdict.message, dict(verdict.evidence))
    id = f"partition/{partition.id}/{partition.digest[-16:]}/{verdict.reason}"
    writes = [Write("partition", partition.id, document), *_summary(document, facts.summary)]
    context.record(event, writes, id)
    return document


def admit_by_hand(context: Context, id: str, said: str, now: datetime) -> None:
    """Lets a quarantined partition in after all: a lasting change is news to the gate until somebody says it is right.

    What cannot be read, lacks its key or time, has no rows or labels that are none stays out, whoever asks. A feature's
    column may be gone for good: days after it are then expected to lack it, too.
    """
    held = context.state.get(context.name, "partition", id)
    delivered = {partition.id: partition for partition in context.ports.source.partitions()}.get(id)
    if held is None or held["status"] != "quarantined" or delivered is None:
        return
    before = [p for p in context.state.documents(context.name, "partition") if p["status"] == "admitted"]
    frame, facts = _facts(context, delivered, {}, before, now)
    if frame is None or facts.missing_columns or facts.bad_label or not facts.rows:
        message = f"Partition {id} stays out, though asked for {said}: {held['message']}"
        context.wait(Event(now, "partition.quarantined", Reason(held["reason"]), message))
        return
    message = f"Partition {id} was admitted {said}; the gate had held it: {held['message']}"
    document = {
        **held,
        "digest": delivered.digest,
        "status": "admitted",
        "reason": str(Reason.APPROVED),
        "message": message,
        "kinds": kinds_of(frame),
        "rows": facts.rows,
        "judged_at": now.isoformat(),
        "labels_from": labels_from(context),
    }
    take_labels(context, frame, delivered, now)
    event = Event(now, "partition.admitted", Reason.APPROVED, message)
    writes = [Write("partition", id, document), *_summary(document, facts.summary)]
    context.record(event, writes, f"partition/{id}/{delivered.digest[-16:]}/{Reason.APPROVED}")


def _summary(document: dict[str, Any], summary: Summary | None) -> list[Write]:
    """Beside the partition, not in it: partitions are listed several times a tick, summaries are read once."""
    if summary is None or document["status"] != "admitted":
        return []
    return [Write("summary", document["id"], {"digest": document["digest"], **summary.to_dict()})]


def _kinds(frame: pd.DataFrame | None) -> dict[str, str]:
    return {} if frame is None else kinds_of(frame)


def _facts(
    context: Context,
    partition: Partition,
    expected: dict[str, str],
    admitted: list[dict[str, Any]],
    now: datetime,
) -> tuple[pd.DataFrame | None, BatchFacts]:
    data = context.spec.data
    common: dict[str, Any] = {"partition": partition.id, "start": partition.start, "end": partition.end, "now": now}
    try:
        frame = canonical(context.ports.source.read(partition), data)
    except DataUnreadable as error:
        return None, BatchFacts(rows=0, unreadable=str(error), **common)
    needed = [data.key, data.event_time, *(name for name in expected if name != data.label.column)]
    missing = tuple(dict.fromkeys(name for name in needed if name not in frame))
    times = frame[data.event_time].dropna() if data.event_time in frame and len(frame) else None
    facts = BatchFacts(
        rows=len(frame),
        max_event_time=None if times is None or times.empty else times.max().to_pydatetime(),
        missing_columns=missing,
        bad_label="" if missing or data.label.column not in frame else labels_of(frame, data)[1],
        changed_types=tuple(changed_kinds(expected, kinds_of(frame))),
        expectation_failures=() if missing or frame.empty else _failures(context, frame),
        summary=None
        if missing or frame.empty or data.gate == "off"
        else summarize(arrays(frame, _summarised(frame, context))),
        history=() if data.gate == "off" else _history(context, admitted),
        **common,
    )
    return frame, facts


def _summarised(frame: pd.DataFrame, context: Context) -> list[str]:
    # The key's duplicates matter, its values do not; the label belongs to the outcomes.
    return [*feature_columns(frame, context.spec.data), context.spec.data.key]


def _failures(context: Context, frame: pd.DataFrame) -> tuple[str, ...]:
    suite = context.spec.data.expectations
    if suite is None or context.spec.data.gate == "off":
        return ()
    features = frame.drop(columns=[context.spec.data.label.column], errors="ignore")
    return tuple(context.ports.validator.failures(features, context.uri(suite)))


def _history(context: Context, admitted: list[dict[str, Any]]) -> tuple[Summary, ...]:
    ordered = sorted(admitted, key=lambda document: str(document["id"]))
    found = (context.summary(document) for document in ordered)
    return tuple(summary for summary in found if summary is not None)
