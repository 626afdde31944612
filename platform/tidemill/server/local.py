"""A laptop's server asks for no token, so that it must not be talked into anything by a page in the user's browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import error
from .loopback import is_loopback


class LocalOnly:
    """Refuses what a browser sends for another site: such a page may post to 127.0.0.1, or have its own name resolve
    there; it cannot hide its Origin, nor the Host that it asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
            origin = headers.get("origin")
            foreign = origin is not None and not is_loopback(urlsplit(origin).hostname or "")
            if foreign or not is_loopback(host):
                said = f"This server is for programs of this machine; the request came by way of {origin or host!r}."
                await error(403, said)(scope, receive, send)
                return
        await self._app(scope, receive, send)
