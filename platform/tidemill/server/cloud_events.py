"""CloudEvents 1.0 over HTTP: binary, structured and batched. Parsed here, by the specification's rules.

The `cloudevents` package would parse them too; it brings two dependencies, and its errors name no field of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .answers import Refused, parse_json

MAX_BATCH = 100
LONGEST = 2000  # characters of an attribute
_KNOWN = ("specversion", "id", "source", "type", "subject")
_NOT_EXTENSIONS = (*_KNOWN, "time", "datacontenttype", "dataschema", "data", "data_base64")


@dataclass(frozen=True)
class CloudEvent:
    """What an event says about itself. `extensions` are its further attributes, as text; its data is not kept."""

    id: str
    source: str
    type: str
    subject: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)


def parse_events(headers: Mapping[str, str], body: bytes) -> tuple[list[CloudEvent], bool]:
    """The events, and whether they came as a batch. Raises Refused naming what is wrong."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/cloudevents-batch+json":
        documents = parse_json(body)
        if not isinstance(documents, list) or len(documents) > MAX_BATCH:
            raise Refused(400, f"A batch is a JSON array of at most {MAX_BATCH} events.")
        return [_event(document, f"Event {n} of the batch") for n, document in enumerate(documents)], True
    if kind == "application/cloudevents+json":
        return [_event(parse_json(body), "The event")], False
    if kind.startswith("application/cloudevents"):
        raise Refused(415, f"Content-Type {kind} is not understood: send application/cloudevents+json.")
    given = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    if not given:
        raise Refused(
            400,
            "The request is not a CloudEvent: send Content-Type application/cloudevents+json (or -batch+json), or the "
            "headers ce-specversion, ce-id, ce-source and ce-type.",
        )
    return [_event(given, "The event")], False


def _event(document: Any, which: str) -> CloudEvent:
    if not isinstance(document, dict):
        raise Refused(400, f"{which} is not a JSON object.")
    if document.get("specversion") != "1.0":
        raise Refused(400, f'{which} has specversion {document.get("specversion")!r}: "1.0" is understood.')
    for name in ("id", "source", "type"):
        if not isinstance(document.get(name), str) or not document[name]:
            raise Refused(400, f"{which} has no {name}: a CloudEvent needs one, as text.")
    subject = document.get("subject") or ""
    extensions = {name: value for name, value in document.items() if name not in _NOT_EXTENSIONS}
    for name, value in [*((name, document[name]) for name in _KNOWN[1:4]), ("subject", subject), *extensions.items()]:
        if isinstance(value, dict | list) or len(str(value)) > LONGEST:
            raise Refused(400, f"{which}: attribute {name} must be text of at most {LONGEST} characters.")
    texts = {name: str(value) for name, value in extensions.items()}
    return CloudEvent(document["id"], document["source"], document["type"], str(subject), texts)
