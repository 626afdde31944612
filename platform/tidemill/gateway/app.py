"""The HTTP side: Open Inference Protocol v2 REST, labels, metrics. Inference itself is in hot_path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import tidemill
from tidemill.loop.errors import LabelRefused, TemporaryError

from .hot_path import HotPath, read_body, unknown_model
from .metrics import Metrics
from .plane import Plane
from .protocol import parse_json, parse_outcomes
from .refusals import Refused

Handler = Callable[[Request, Plane], Awaitable[Response]]


def create_app(planes: Mapping[str, Plane], metrics: Metrics, not_ready: Callable[[], list[str] | None]) -> HotPath:
    """An ASGI application over the loops' data planes, which may be added to `planes` later. `not_ready` names what is
    waited for: nothing where the gateway is ready; it is None where the gateway is about to end."""

    def of_model(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            name = request.path_params["model"]
            plane = planes.get(name)
            if plane is None:
                raise Refused(404, unknown_model(name, planes))
            return await handler(request, plane)

        return endpoint

    async def server(_: Request) -> Response:
        return _json({"name": "tidemill", "version": tidemill.__version__, "extensions": []})

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        waiting = not_ready()
        if waiting is None:
            return _json({"ready": False, "draining": True}, 503)
        return _json({"ready": not waiting, "waiting": waiting}, 503 if waiting else 200)

    async def exposition(_: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    rest = Starlette(
        routes=[
            Route(f"{model}/outcomes", of_model(_outcomes), methods=["POST"]),
            Route(f"{model}/ready", of_model(_ready)),
            Route(f"{version}/ready", of_model(_ready)),
            Route(model, of_model(_metadata)),
            Route(version, of_model(_metadata)),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            Route("/v2", server),
            Route("/metrics", exposition),
        ],
        exception_handlers={
            Refused: lambda _, error: _error(error.status, str(error)),
            HTTPException: lambda _, error: _error(error.status_code, error.detail),
            TemporaryError: lambda _, error: _error(503, str(error)),
            LabelRefused: lambda _, error: _error(400, str(error)),
            500: lambda _, error: _error(500, f"The gateway failed: {type(error).__name__}. Its log says more."),
        },
    )
    return HotPath(planes, rest)


async def _outcomes(request: Request, plane: Plane) -> Response:
    keys, labels = parse_outcomes(parse_json(await read_body(request.receive)))

    receipt = await run_in_threadpool(plane.record, keys, labels)
    counts = {"new": receipt.new, "duplicate": receipt.duplicate, "conflicting": receipt.conflicting}
    for kind, count in counts.items():
        plane.metrics.outcomes.labels(plane.name, kind).inc(count)
    return _json(counts)


async def _ready(request: Request, plane: Plane) -> Response:
    version = request.path_params.get("version")
    if version is not None:
        plane.loaded(version)
    elif plane.live is None:
        return _json({"name": plane.name, "ready": False}, 503)
    return _json({"name": plane.name, "ready": True})


async def _metadata(request: Request, plane: Plane) -> Response:
    version, live = request.path_params.get("version"), plane.live
    chosen = version or (None if live is None else live.champion.version)
    schema = None if chosen is None else plane.loaded(chosen).schema
    known = [] if schema is None else schema.tensors()
    names = {tensor["name"] for tensor in known}
    data = plane.spec.data
    extra = [n for n in (data.key, data.event_time) if n not in names]
    inputs = [*({"name": n, "datatype": "BYTES", "shape": [-1]} for n in extra), *known]
    kinds = {"probability": "FP64", "version": "BYTES", "arm": "BYTES"}
    return _json(
        {
            "name": plane.name,
            "versions": [version] if version else plane.versions(),
            "platform": "mlflow_sklearn",
            "inputs": inputs,
            "outputs": [{"name": n, "datatype": kind, "shape": [-1]} for n, kind in kinds.items()],
        }
    )


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)
