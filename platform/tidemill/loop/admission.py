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
from .errors import SuiteUnusable, TemporaryError
from .incident import ANSWERED, Incident, stored_incidents
from .incidents import is_in_incident, note_incidents
from .judgement import Standing, standing, stands_otherwise
from .model import Partition

AWAY = 3  # partitions in a row that a store does not give: it is the store that is away, and the rest is not asked for


def admit_arrivals(context: Context, now: datetime) -> None:
    """Raises what kept partitions from being judged, after the others were."""
    known = {document["id"]: document for document in context.state.documents(context.name, "partition")}
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
    context: Context, partition: Partition, known: dict[str, dict[str, Any]], stands: Standing, now: datetime
) -> None:
    if partition.start <= now < partition.end:
        context.wait(_incomplete(partition, now))
        return
    document = known.get(partition.id)
    if document is None or _is_new(document, partition, now) or stands_otherwise(document, stands):
        _judge(context, partition, known, stands, now)
        note_incidents(context, list(known.values()), now)
    elif document["status"] == "admitted":
        look_again(context, partition, document, now)


def _is_new(document: dict[str, Any], partition: Partition, now: datetime) -> bool:
    if document["digest"] != partition.digest:
        return True
    later = document.get("until", document["end"])
    return document["reason"] == Reason.IN_THE_FUTURE and datetime.fromisoformat(later) <= now


def _incomplete(partition: Partition, now: datetime) -> Event:
    message = f"Partition {partition.id} is judged when its day is over, at {partition.end:%Y-%m-%d %H:%M}Z."
    return Event(now, "partition.waiting", Reason.NOT_READY, message)


def _judge(
    context: Context, partition: Partition, known: dict[str, dict[str, Any]], stands: Standing, now: datetime
) -> None:
    before = known.get(partition.id)
    others = sorted((d for d in known.values() if d["id"] != partition.id), key=lambda d: str(d["id"]))
    admitted = [document for document in others if document["status"] == "admitted"]
    expected: dict[str, str] = admitted[-1]["kinds"] if admitted else {}
    read = read_facts(context, partition, expected, history(context, others), now)
    facts = read.facts
    verdict = admit(facts, context.spec.data.gate)
    document = {
        "id": partition.id,
        "digest": partition.digest,
        "uri": partition.uri,
        "start": partition.start.isoformat(),
        "end": partition.end.isoformat(),
        "status": "admitted" if verdict.action is AdmitAction.ADMIT else "quarantined",
        "reason": str(verdict.reason),
        "message": verdict.message,
        "rows": facts.rows,
        "revision": 1 if before is None else before["revision"] + 1,
        "judged_at": now.isoformat(),
        "judged_by": stands(),
        "labels_from": labels_from(context),
        # Nulls say nothing of a column's kind: what it was before still holds.
        "kinds": {name: expected.get(name, kind) if kind == "nothing" else kind for name, kind in read.kinds.items()},
    }
    if facts.max_event_time is not None:
        document["until"] = max(facts.max_event_time, partition.end).isoformat()
    if "distance" in verdict.evidence:
        document["distance"] = verdict.evidence["distance"]
        document["moved"] = [moved["column"] for moved in verdict.evidence["moved"]]
    if document["status"] == "admitted" and read.frame is not None:
        take_labels(context, read.frame, partition, now)
    writes = [Write("partition", partition.id, document), *summary_of(document, facts.summary)]
    event = Event(now, f"partition.{document['status']}", verdict.reason, verdict.message, dict(verdict.evidence))
    if _says_the_same(before, document) or is_in_incident(context, partition.id, [*others, document]):
        context.state.transact(context.name, writes)
    else:
        context.record(event, writes, entry_id(document))
    known[partition.id] = document


def _says_the_same(before: dict[str, Any] | None, document: dict[str, Any]) -> bool:
    """The same bytes judged anew, by another suite say, and with the same outcome: that is told already."""
    return before is not None and all(before[key] == document[key] for key in ("digest", "status", "reason"))


def entry_id(document: dict[str, Any]) -> str:
    """Of the ledger's line on a judgement. The revision is stored with it, so that every judgement has a line of its
    own: of bytes that come back after others, too."""
    return f"partition/{document['id']}/revision/{document['revision']}"


def summary_of(document: dict[str, Any], summary: Summary | None) -> list[Write]:
    """Beside the partition, not in it: partitions are listed several times a tick, summaries are read once. Of what is
    only unlike history, too: later partitions are compared with it once a person admits it."""
    if summary is None or document["reason"] not in (Reason.ADMITTED, Reason.APPROVED, Reason.UNLIKE_HISTORY):
        return []
    return [Write("summary", document["id"], {"digest": document["digest"], **summary.to_dict()})]


def history(context: Context, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """What the learnt gate compares with, oldest first: what was admitted, and what was held back as unlike history.
    Of an incident nothing is history before a person says so."""
    if context.spec.data.gate == "off":
        return {}
    unanswered = [i for i in stored_incidents(context.state, context.name) if i.state != ANSWERED]
    seen = [
        (summary, held)
        for document in documents
        if _is_history(document, held := document["status"] != "admitted", unanswered)
        and (summary := context.summary(document)) is not None
    ]
    return {"history": tuple(summary for summary, _ in seen), "held": tuple(held for _, held in seen)}


def _is_history(document: dict[str, Any], held: bool, unanswered: list[Incident]) -> bool:
    if not held:
        return True
    return document["reason"] == Reason.UNLIKE_HISTORY and not any(i.covers(document["id"]) for i in unanswered)
