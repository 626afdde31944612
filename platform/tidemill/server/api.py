"""The endpoints of loops: where they stand, what happened, labels that came true, and what people ask for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidemill.adapters.sql.catalog import Catalog
from tidemill.loop.asking import WORDS, ask
from tidemill.loop.ports import Clock
from tidemill.loop.standing import standing

from .access import Access, Caller, Guard, listing, reading, sending
from .answers import MIB, Refused, answer, parse_object, read_body

MAX_OUTCOMES = 8 * MIB
MAX_REQUEST = MIB
LONGEST_NOTE = 2000  # characters
PAGE = 500

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

Wake = Callable[[str, str], Awaitable[bool]]


@dataclass(frozen=True)
class Api:
    """What every endpoint needs. `wake` tells the loop's controller to look (namespace, name)."""

    catalog: Catalog
    guard: Guard
    clock: Clock
    wake: Wake

    def routes(self) -> list[Route]:
        loop = "/v1/namespaces/{namespace}/loops/{name}"
        return [
            Route("/v1/namespaces/{namespace}/loops", self.list_loops),
            Route(loop, self.status),
            Route(f"{loop}/history", self.history),
            Route(f"{loop}/outcomes", self.outcomes, methods=["POST"]),
            Route(f"{loop}/requests", self.requests, methods=["POST"]),
        ]

    async def allow(self, request: Request, access: Access) -> Caller:
        for word in filter(None, (access.namespace, access.name)):
            if not _NAME.fullmatch(word):
                raise Refused(
                    404, f"{word[:80]!r} is not a valid name: use a-z, 0-9 and '-', at most 63, as Kubernetes does."
                )
        return await self.guard.check(request.headers.get("authorization"), access)

    async def list_loops(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        await self.allow(request, listing(namespace))
        names = await run_in_threadpool(self.catalog.names, namespace)
        return answer({"loops": [{"namespace": namespace, "name": name} for name in names]})

    async def status(self, request: Request) -> Response:
        namespace, name = _of(request)
        await self.allow(request, reading(namespace, name))

        def read() -> dict[str, Any]:
            store = self.catalog.find(namespace, name)
            return standing(store.state, name, store.outcomes.count(), self.clock.now())

        return answer(await run_in_threadpool(read))

    async def history(self, request: Request) -> Response:
        namespace, name = _of(request)
        await self.allow(request, reading(namespace, name, "history"))
        query = request.query_params
        last = _number(query, "last", 0, 1)
        after, limit = _number(query, "after", 0, 0), _number(query, "limit", PAGE, 1)
        events = query.getlist("event")

        def read() -> dict[str, Any]:
            store = self.catalog.find(namespace, name)
            many = min(last or limit, PAGE)
            lines, further = store.history(after, many, events, newest=bool(last))
            return {"entries": lines, "next": further}

        return answer(await run_in_threadpool(read))

    async def outcomes(self, request: Request) -> Response:
        namespace, name = _of(request)
        await self.allow(request, sending(namespace, "outcomes", name))
        pairs = _pairs(parse_object(await read_body(request, MAX_OUTCOMES)))

        def record() -> dict[str, int]:
            store = self.catalog.find(namespace, name)
            receipt = store.outcomes.record_pairs(pairs, self.clock.now(), "http")
            return {"new": receipt.new, "duplicate": receipt.duplicate, "conflicting": receipt.conflicting}

        return answer(await run_in_threadpool(record))

    async def requests(self, request: Request) -> Response:
        namespace, name = _of(request)
        document = parse_object(await read_body(request, MAX_REQUEST))
        what, note, admitted = _asked(document)
        caller = await self.allow(request, sending(namespace, what, name))
        by = caller.name or str(document.get("by") or "local")

        def record() -> dict[str, Any]:
            store = self.catalog.find(namespace, name)
            return ask(store.state, name, what, by, note, self.clock.now(), **admitted)

        recorded = await run_in_threadpool(record)
        return answer({**recorded, "woken": await self.wake(namespace, name)}, 202)


def _of(request: Request) -> tuple[str, str]:
    return request.path_params["namespace"], request.path_params["name"]


def _asked(document: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    what, note = document.get("what"), document.get("note", "")
    admitted = {key: document[key] for key in ("partition", "since") if document.get(key) is not None}
    if what not in WORDS:
        raise Refused(400, f'"what" is {what!r}: ask for one of {", ".join(WORDS)}.')
    if not isinstance(note, str) or len(note) > LONGEST_NOTE:
        raise Refused(400, f'"note" must be text of at most {LONGEST_NOTE} characters.')
    if what == "admit" and (len(admitted) != 1 or not all(isinstance(day, str) for day in admitted.values())):
        raise Refused(
            400,
            'Say which partition to admit: {"what": "admit", "partition": "2013-03-01"}, or, in place of "partition", '
            '"since" which one: all that are unlike history alone from there on.',
        )
    if what != "admit" and admitted:
        raise Refused(400, f"A request to {what} takes no partition.")
    return what, note, admitted


def _pairs(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Of `{"outcomes": [{"key": ..., "label": ...}, ...]}`, as the gateway takes them."""
    outcomes = document.get("outcomes")
    if not isinstance(outcomes, list):
        raise Refused(400, 'Send {"outcomes": [{"key": ..., "label": 0 or 1}, ...]}.')
    pairs = []
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, dict) or outcome.get("key") is None or outcome.get("label") is None:
            raise Refused(400, f"Outcome {number} needs a key and a label. No label of this request was recorded.")
        pairs.append((str(outcome["key"]), outcome["label"]))
    return pairs


def _number(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 18 or int(text) < least:
        raise Refused(400, f"{name}={text}: give a whole number from {least}.")
    return int(text)
