"""The gateway as a thing to start and stop: an HTTP server in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidemill.loop.errors import TidemillError
from tidemill.loop.model import ModelVersion, Readiness, Route
from tidemill.loop.ports import Clock, Outcomes, PredictionLog
from tidemill.spec.model_loop import ModelLoop

from .metrics import Metrics
from .plane import Plane

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 1024


class Gateway:
    """Serves any number of loops at one address. Versions and routes can be given before it is started."""

    def __init__(
        self,
        loops: Mapping[str, ModelLoop],
        log: PredictionLog,
        outcomes: Outcomes,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._host, self._port, self._clock = host, port, clock
        self._metrics = Metrics()
        self._planes: dict[str, Plane] = {}
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        for loop in loops.values():
            self.add(loop, log, outcomes)

    def add(self, loop: ModelLoop, log: PredictionLog, outcomes: Outcomes) -> None:
        """One more loop, with its own log and outcomes."""
        plane = Plane(loop, log, outcomes, self._clock, self._metrics)
        self._planes[plane.name] = plane

    def loader(self, loop: str) -> Plane:
        """What adapters.embedded_serving.EmbeddedServing loads versions and applies routes with."""
        return self._planes[loop]

    def prepare(self, loop: str, version: ModelVersion) -> Readiness:
        return self._planes[loop].prepare(version)

    def set_route(self, route: Route) -> None:
        """Raises NotReady for a version that is not loaded."""
        self._planes[route.loop].apply(route)

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Returns when requests are answered. Raises TidemillError where the address is taken."""
        import uvicorn

        from .app import create_app

        bound = _bind(self._host, self._port)
        self._port = bound.getsockname()[1]
        app = create_app(self._planes, self._metrics)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", http="httptools", timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(config)
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bound, started), name="gateway", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self, seconds: float = 10.0) -> None:
        """Answers what it was asked, scores what it owes, and ends. Idempotent."""
        if self._server is None or self._thread is None:
            return
        self.drain(seconds)
        self._server.should_exit = True
        self._thread.join(seconds)
        self._server = self._thread = self._loop = None

    def drain(self, seconds: float = 60.0) -> bool:
        """Waits until everything mirrored so far is scored and logged; False where that took longer."""
        if self._loop is None:
            return True
        waiting = asyncio.run_coroutine_threadsafe(self._drained(), self._loop)
        try:
            waiting.result(seconds)
        except TimeoutError:
            waiting.cancel()
            return False
        return True

    async def _drained(self) -> None:
        for plane in self._planes.values():
            await plane.mirror.drained()

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
