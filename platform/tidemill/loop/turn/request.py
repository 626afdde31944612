"""A turn's request on disk: written before the run is submitted, read by every step of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tidemill.loop.model import Calibrator, ChampionRef, Partition, TurnRequest

from .files import join, local_path, read_bytes, write_bytes


def folder_of(uri: str) -> Path:
    """The local folder or file of a `file://` URI or plain path. Raises ValueError for one of an object store."""
    path = local_path(uri)
    if path is None:
        raise ValueError(f"{uri} is not on this machine")
    return path


def write_request(request: TurnRequest) -> str:
    """Writes work_uri/request.json whole or not at all; returns the content's digest."""
    write_bytes(request_uri(request.work_uri), to_json(request).encode())
    return request_digest(request)


def read_request(work_uri: str) -> TurnRequest:
    return from_json(read_bytes(request_uri(work_uri)).decode())


def request_uri(work_uri: str) -> str:
    return join(work_uri, "request.json")


def request_digest(request: TurnRequest) -> str:
    return "sha256:" + hashlib.sha256(to_json(request).encode()).hexdigest()


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
