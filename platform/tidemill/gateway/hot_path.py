"""POST .../infer, straight on ASGI: a framework's routing and wrapping would cost a third of the answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Any

import orjson

from tidemill.loop.errors import TemporaryError

from .plane import Plane
from .protocol import output, parse_inference, parse_json
from .records import Group
from .refusals import Refused

MAX_BODY = 4 << 20  # bytes: what they can become in memory, 34 times as much, must fit into a gateway's

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_INFER = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_log = logging.getLogger(__name__)


class HotPath:
    """An ASGI application: inference here, everything else in `rest`."""

    def __init__(
        self,
        planes: Mapping[str, Plane],
        rest: Callable[[Scope, Receive, Send], Awaitable[None]],
    ) -> None:
        self._planes, self._rest = planes, rest
        self.draining = False  # clients are asked to take their next connection elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _INFER.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None:
            await self._rest(scope, receive, send)
            return
        if scope["method"] == "POST":
            status, body = await self._answer(match[1], match[2], receive)
        else:
            status, body = 405, _json({"error": "Send a request for a prediction by POST."})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if self.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, model: str, version: str | None, receive: Receive) -> tuple[int, bytes]:
        start = perf_counter()
        plane = self._planes.get(model)
        if plane is None:
            return 404, _json({"error": unknown_model(model, self._planes)})
        try:
            status, document = 200, await _infer(plane, version, await read_body(receive))
        except Refused as error:
            status, document = error.status, {"error": str(error)}
        except TemporaryError as error:
            status, document = 503, {"error": str(error)}
        except Exception as error:
            _log.exception("a request for %s failed", model)
            status, document = 500, {"error": f"The gateway failed: {type(error).__name__}. Its log says more."}
        plane.metrics.answered(model, status, perf_counter() - start)
        return status, _json(document)


async def _infer(plane: Plane, version: str | None, body: bytes) -> dict[str, Any]:
    data = plane.spec.data
    inference = parse_inference(parse_json(body), data.key, data.event_time, plane.now())
    groups = await (plane.infer(inference) if version is None else plane.infer_fixed(inference, version))
    return _answer(plane.name, inference.id, len(inference.keys), groups)


def _answer(model: str, id: str, n: int, groups: list[Group]) -> dict[str, Any]:
    probability, versions, arms = [0.0] * n, [""] * n, [""] * n
    why: list[str] = []
    calibrators: dict[str, str] = {}
    for group in groups:
        part = group.scored
        assert part is not None, "a request with an unanswered row was refused before"
        for row, score in zip(part.rows, part.score, strict=True):
            probability[row], versions[row], arms[row] = score, part.version, group.role
        why += group.why
        if part.calibrator is not None:
            calibrators[part.version] = part.calibrator
    parameters: dict[str, Any] = {"request_id": id, "fallback": bool(why)}
    if why:
        parameters["why"] = "; ".join(why)
    if calibrators:
        parameters["calibrators"] = ", ".join(f"{version}: {name}" for version, name in calibrators.items())
    return {
        "model_name": model,
        "model_version": ",".join(dict.fromkeys(versions)),
        "id": id,
        "parameters": parameters,
        "outputs": [
            output("probability", "FP64", probability),
            output("version", "BYTES", versions),
            output("arm", "BYTES", arms),
        ],
    }


async def read_body(receive: Receive, limit: int | None = None) -> bytes:
    """Raises Refused (413) for more than `limit` bytes (default: MAX_BODY), without reading on."""
    limit = limit or MAX_BODY
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The connection was closed before the request was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Refused(413, f"The body is larger than {limit >> 20} MiB: send fewer rows at a time.")
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def unknown_model(name: str, planes: Mapping[str, Plane]) -> str:
    return f"Model {name!r} is not served here. Served models: {', '.join(planes) or 'none'}."


def _json(document: Any) -> bytes:
    return orjson.dumps(document)
