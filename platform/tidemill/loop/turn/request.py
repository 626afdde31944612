"""A turn's request on disk: written before the run is submitted, read by every step of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tidemill.loop.model import Calibrator, ChampionRef, Partition, TurnRequest


def folder_of(uri: str) -> Path:
    """The local folder or file of a `file://` URI or plain path."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(uri)


def write_request(request: TurnRequest) -> str:
    """Writes work_uri/request.json whole or not at all; returns the content's digest."""
    text = to_json(request)
    path = folder_of(request.work_uri) / "request.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    aside.write_text(text)
    aside.replace(path)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def read_request(work: Path) -> TurnRequest:
    return from_json((work / "request.json").read_text())


def to_json(request: TurnRequest) -> str:
    return json.dumps(asdict(request), sort_keys=True, default=lambda value: value.isoformat())


def from_json(text: str) -> TurnRequest:
    document: dict[str, Any] = json.loads(text)
    partitions = tuple(
        Partition(**{**p, "start": datetime.fromisoformat(p["start"]), "end": datetime.fromisoformat(p["end"])})
        for p in document["partitions"]
    )
    return TurnRequest(
        **{
            **document,
            "as_of": datetime.fromisoformat(document["as_of"]),
            "signals": tuple(document["signals"]),
            "partitions": partitions,
            "champion": _champion(document["champion"]),
        }
    )


def _champion(document: dict[str, Any] | None) -> ChampionRef | None:
    if document is None:
        return None
    calibrator = document["calibrator"]
    if calibrator is not None:
        calibrator = Calibrator(**{**calibrator, "fitted_at": datetime.fromisoformat(calibrator["fitted_at"])})
    until = document["trained_until"]
    trained = None if until is None else datetime.fromisoformat(until)
    return ChampionRef(**{**document, "calibrator": calibrator, "trained_until": trained})
