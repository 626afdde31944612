"""The server as an ASGI application: its routes, and every error as a sentence."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.adapters.sql.catalog import LoopUnknown
from tidemill.loop.errors import LabelRefused, NothingToDo, TemporaryError

from .access import METRICS
from .answers import Refused, answer, error
from .api import Api
from .inbox import Inbox
from .metrics import Metrics
from .openapi import document

_log = logging.getLogger(__name__)


def create_app(api: Api) -> ASGIApp:
    metrics = Metrics(api.catalog)
    inbox = Inbox(api, metrics)

    async def live(_: Request) -> Response:
        return answer({"live": True})

    async def ready(_: Request) -> Response:
        await run_in_threadpool(api.catalog.names, "")  # the store answers
        return answer({"ready": True})

    async def exposition(request: Request) -> Response:
        await api.allow(request, METRICS)
        text = await run_in_threadpool(metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(_: Request) -> Response:
        return answer(document())

    async def failed(request: Request, problem: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=problem)
        return error(500, f"The server failed: {type(problem).__name__}. Its log says more.")

    routes = [
        *api.routes(),
        *inbox.routes(),
        Route("/healthz", live),
        Route("/readyz", ready),
        Route("/metrics", exposition),
        Route("/openapi.json", openapi),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refused: _refused,
            HTTPException: lambda _, problem: error(problem.status_code, problem.detail, problem.headers),
            LoopUnknown: lambda _, problem: error(404, str(problem)),
            NothingToDo: lambda _, problem: error(409, str(problem)),
            LabelRefused: lambda _, problem: error(400, str(problem)),
            TemporaryError: lambda _, problem: error(503, str(problem), {"Retry-After": "5"}),
            Exception: failed,
        },
    )
    return Counted(app, routes, metrics)


def _refused(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refused)
    return error(problem.status, str(problem), problem.headers)


class Counted:
    """Counts answers by endpoint (its pattern: what callers put into a path makes no new series) and status."""

    def __init__(self, app: ASGIApp, routes: list[Route], metrics: Metrics) -> None:
        self._app, self._routes, self._metrics = app, routes, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        matched = (route.path for route in self._routes if route.matches(scope)[0] is not Match.NONE)
        endpoint = next(matched, "unknown")

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(endpoint, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counting)
