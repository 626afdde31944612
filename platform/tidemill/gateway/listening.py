"""An ASGI application as a thing to start and stop: an HTTP server in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from tidemill.loop.errors import TidemillError

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 1024
_GRACEFUL_SECONDS = 5


class Listener:
    """`keep_alive`: seconds after which a connection that nobody uses is closed. Clients should close theirs earlier:
    then none is closed under a request."""

    def __init__(self, host: str, port: int, keep_alive: int = 5) -> None:
        self._host, self._port, self._keep_alive = host, port, keep_alive
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def running(self) -> bool:
        return self._server is not None

    def start(self, app: Callable[..., Awaitable[None]]) -> None:
        """Returns when requests are answered. Raises TidemillError where the address is taken."""
        import uvicorn

        bound = _bind(self._host, self._port)
        self._port = bound.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            http="httptools",
            timeout_keep_alive=self._keep_alive,
            timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        )
        self._server = uvicorn.Server(config)
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bound, started), name="gateway", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self, seconds: float = 10.0) -> None:
        """Takes no new connection, answers what it was asked, and ends. Idempotent."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(seconds)
        self._server = self._thread = self._loop = None

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Future[None] | None:
        """Runs `work` in the server's event loop; None where it does not run."""
        return None if self._loop is None else asyncio.run_coroutine_threadsafe(work(), self._loop)

    def _run(self, bound: socket.socket, started: threading.Event) -> None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(bound, started))

    async def _serve(self, bound: socket.socket, started: threading.Event) -> None:
        assert self._server is not None
        self._loop = asyncio.get_running_loop()
        # Connections wait in the socket's backlog until the server takes them: it may be used at once.
        self._loop.call_soon(started.set)
        await self._server.serve(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise TidemillError(
            f"The gateway cannot listen on {host}:{port}: {error.strerror}. Is one running already? Give another port."
        ) from error
    return bound
