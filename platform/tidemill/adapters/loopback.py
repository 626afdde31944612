"""An HTTP server of this machine alone asks for no token, so a page in the user's browser must not reach it."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """An ASGI application that refuses what a browser sends for another site. Such a page may post to 127.0.0.1, or
    have its own name resolve there; it cannot hide its Origin, nor the Host that it asked for."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = tuple(header for header in scope["headers"] if header[0] in (b"host", b"origin"))
            refusal = _refusal(asked)
            if refusal is not None:
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(refusal))]
                await send({"type": "http.response.start", "status": 403, "headers": headers})
                await send({"type": "http.response.body", "body": refusal})
                return
        await self._app(scope, receive, send)


@lru_cache(256)
def _refusal(asked: tuple[tuple[bytes, bytes], ...]) -> bytes | None:
    """The answer to a request with these headers; None where it may pass."""
    named = {name: value.decode("latin-1") for name, value in asked}
    foreign = [
        f"{name.decode().title()} {value.decode('latin-1')[:200]!r}"
        for name, value in asked
        if not is_loopback(_host(name, value.decode("latin-1")))
    ]
    if b"host" not in named:
        foreign.append("no Host header")
    if not foreign:
        return None
    said = (
        f"This server answers only programs on this machine; the request has {' and '.join(foreign)}. Send it from a "
        "program, to http://127.0.0.1 or http://localhost with the port of the server."
    )
    return orjson.dumps({"error": said})


def _host(name: bytes, value: str) -> str:
    try:
        return urlsplit(f"//{value}" if name == b"host" else value).hostname or ""
    except ValueError:
        return ""
