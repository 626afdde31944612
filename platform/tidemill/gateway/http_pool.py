"""Kept-alive HTTP/1.1 connections to one server, one request at a time on each: no request waits behind another's.

A hundred lines over the parser that the gateway's server uses anyway: a general client costs 20 MiB and several times
the time per request (bench/remote_scoring.py).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

IDLE_SECONDS = 30.0  # the model server closes after more, so that it hardly ever closes under a request


class Pool:
    """At most `limit` connections; who finds none waits its turn. Used from one event loop."""

    def __init__(self, url: str, limit: int) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._head = f"{parts.path.rstrip('/')}%s HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[Connection] = []  # the one used last is used next
        self._sweeping = False

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body. Asked again, once, where the connection broke: the server may just have gone, and another
        stands behind the same address. So only for what may be done twice. Raises OSError."""
        head = "POST " + self._head % path + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        request = head.encode() + body
        async with self._slots:
            try:
                return await self._ask(self._take() or await self._open(), request)
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                return await self._ask(await self._open(), request)

    async def _ask(self, connection: Connection, request: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.ask(request)
        except BaseException:  # given up, too: an answer may still come, which is nobody's
            connection.close()
            raise
        if connection.open:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            if not self._sweeping:
                self._sweeping = True
                asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)
        return answer

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        return None

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=self._tls)
        return connection

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        kept = []
        for connection in self._idle:
            if connection.open and loop.time() - connection.idle_since < IDLE_SECONDS:
                kept.append(connection)
            else:
                connection.close()
        self._idle = kept
        self._sweeping = bool(kept)
        if kept:
            loop.call_later(IDLE_SECONDS / 2, self._sweep)


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        import httptools

        self.open = True
        self.idle_since = 0.0
        self._parser: Any = None
        self._new_parser: Callable[[], Any] = lambda: httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._parser, self._chunks = self._new_parser(), []
        self._answer = asyncio.get_running_loop().create_future()
        if not self.open:
            self._fail(ConnectionResetError("the connection was closed"))
        else:
            self._transport.write(request)
        return self._answer

    def close(self) -> None:
        self.open = False
        self._transport.close()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked
            return
        import httptools

        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is not HTTP: {error}"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._fail(ConnectionResetError(f"the server closed the connection{f': {error}' if error else ''}"))

    # the parser's callbacks

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        if not self._parser.should_keep_alive():
            self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, b"".join(self._chunks)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
