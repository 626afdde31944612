"""What the server answers: JSON, or a status and a sentence; and bodies read no further than they may be long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

MIB = 1 << 20


class Refused(Exception):
    """`status` is the HTTP status, the message what a caller reads in `{"error": ...}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


def answer(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps({"error": message}), status, headers, media_type="application/json")


async def read_body(request: Request, limit: int) -> bytes:
    """Raises Refused (413) for more than `limit` bytes, without reading on."""
    too_large = Refused(413, f"The body is larger than {limit >> 20} MiB: send less at a time.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise too_large
            chunks.append(chunk)
    except ClientDisconnect as gone:
        raise Refused(400, "The connection was closed before the request was complete.") from gone
    return b"".join(chunks)


def parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Refused(400, f"The body is not valid JSON: {problem}.") from problem


def parse_object(body: bytes) -> dict[str, Any]:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise Refused(400, "The body must be a JSON object.")
    return document
