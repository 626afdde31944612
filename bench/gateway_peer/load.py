"""Closed-loop load over HTTP/1.1 with keep-alive: each connection sends its next request when the answer is in.

Small on purpose: the generator shares the machine with what it measures. Prints JSON: requests per second, latencies in
milliseconds, and how many answers were not 200.

    python load.py URL BODIES SECONDS CONNECTIONS      (BODIES: a file of request bodies, one a line)
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import numpy as np


class Connection(asyncio.Protocol):
    """Counts `times` and `failures` until `end`, then closes and sets `done`."""

    def __init__(self, requests: itertools.cycle[bytes], end: float, done: asyncio.Future[None]) -> None:
        self.times: list[float] = []
        self.failures = 0
        self._requests, self._end, self._done = requests, end, done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._buffer[:head].lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at : lower.find(b"\r", at) if b"\r" in lower[at:] else len(lower)])
        if len(self._buffer) < head + 4 + length:
            return
        self.times.append(perf_counter() - self._start)
        self.failures += not self._buffer.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(f"the server closed the connection: {error}"))

    def _send(self) -> None:
        self._start = perf_counter()
        if self._start >= self._end:
            self._done.set_result(None)
            self._transport.close()
        else:
            self._transport.write(next(self._requests))


async def load(url: str, bodies: list[bytes], seconds: float, connections: int) -> dict[str, float]:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\nContent-Length: "
    requests = itertools.cycle([head.encode() + f"{len(body)}\r\n\r\n".encode() + body for body in bodies])
    loop = asyncio.get_running_loop()
    begin = perf_counter()
    opened = []
    for _ in range(connections):
        done = loop.create_future()
        _, connection = await loop.create_connection(
            lambda done=done: Connection(requests, begin + seconds, done), parts.hostname, parts.port
        )
        opened.append((connection, done))
    await asyncio.gather(*(done for _, done in opened))
    times = np.array([time for connection, _ in opened for time in connection.times]) * 1000
    return {
        "requests_per_second": len(times) / (perf_counter() - begin),
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "requests": len(times),
        "failures": sum(connection.failures for connection, _ in opened),
    }


def main() -> None:
    import uvloop

    url, bodies, seconds, connections = sys.argv[1:]
    lines = Path(bodies).read_bytes().splitlines()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(load(url, lines, float(seconds), int(connections)))))


if __name__ == "__main__":
    main()
