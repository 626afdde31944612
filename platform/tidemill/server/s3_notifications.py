"""What MinIO posts by itself when an object arrives (and SQS or SNS pass on for S3): records, each made a CloudEvent.

Attributes as the CloudEvents adapter for AWS S3 has them; MinIO sends its own values in the same places.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from .answers import Refused
from .cloud_events import LONGEST, MAX_BATCH, CloudEvent

PREFIX = "com.amazonaws.s3."


def is_notification(document: Any) -> bool:
    records = document.get("Records") if isinstance(document, dict) else None
    return isinstance(records, list) and bool(records) and all(isinstance(r, dict) and "s3" in r for r in records)


def events_of(document: dict[str, Any]) -> list[CloudEvent]:
    """Raises Refused where a record lacks what would tell it from another."""
    records = document["Records"]
    if len(records) > MAX_BATCH:
        raise Refused(400, f"A notification has {len(records)} records: {MAX_BATCH} are the most.")
    return [_event(record, number) for number, record in enumerate(records)]


def _event(record: dict[str, Any], number: int) -> CloudEvent:
    try:
        bucket, thing = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key = unquote_plus(thing["key"])
        # A later write of the same key has another sequencer; the same notification sent again has not.
        id = f"{key}@{thing.get('sequencer') or record['eventTime']}"
        name = str(record["eventName"]).removeprefix("s3:").lower().replace(":", ".")
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(400, f"Record {number} of the notification has no {error}, which identifies it.") from error
    if len(id) > LONGEST:
        raise Refused(400, f"Record {number} of the notification has a key of more than {LONGEST} characters.")
    source = f"{record.get('eventSource', 'aws:s3')}.{record.get('awsRegion', '')}.{bucket}"
    return CloudEvent(id, source[:LONGEST], f"{PREFIX}{name}"[:LONGEST], key)
