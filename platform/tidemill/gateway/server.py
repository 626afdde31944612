"""The gateway: the data planes of any number of loops at one address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tidemill.adapters.loopback import LocalOnly, is_loopback
from tidemill.adapters.remote_outcomes import RemoteOutcomes
from tidemill.loop.model import ModelVersion, Readiness, Route
from tidemill.loop.ports import Clock, Outcomes, PredictionLog
from tidemill.spec.model_loop import ModelLoop

from .listening import Listener
from .metrics import Metrics
from .plane import Plane

if TYPE_CHECKING:
    from .hot_path import HotPath


class Gateway:
    """Serves any number of loops at one address. Versions and routes can be given before it is started.

    `waiting` names what must come before the gateway is ready: by default the loops that have no route yet.
    `local_only`: browsers are refused what they send for another site (default: where it listens on this machine
    alone)."""

    def __init__(
        self,
        loops: Mapping[str, ModelLoop],
        log: PredictionLog | None,
        outcomes: Outcomes | None,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        keep_alive: int = 5,
        local_only: bool | None = None,
    ) -> None:
        self.metrics = Metrics()
        self.waiting: Callable[[], list[str]] = self._unrouted
        self._clock = clock
        self._planes: dict[str, Plane] = {}
        self._listener = Listener(host, port, keep_alive)
        self._local_only = is_loopback(host) if local_only is None else local_only
        self._draining = False
        self._app: HotPath | None = None
        for loop in loops.values():
            assert log is not None and outcomes is not None
            self.add(loop, log, outcomes)

    def add(
        self, loop: ModelLoop, log: PredictionLog, outcomes: Outcomes | RemoteOutcomes | None, name: str | None = None
    ) -> Plane:
        """One more loop, with its own log and outcomes (None: no labels are taken), as the model `name` (default: the
        loop's)."""
        plane = Plane(loop, log, outcomes, self._clock, self.metrics, name)
        self._planes[plane.name] = plane
        return plane

    def remove(self, name: str) -> None:
        """What it was asked before is still answered."""
        self._planes.pop(name, None)

    def loader(self, loop: str) -> Plane:
        """What adapters.embedded_serving.EmbeddedServing loads versions and applies routes with."""
        return self._planes[loop]

    def prepare(self, loop: str, version: ModelVersion, endpoint: str | None = None) -> Readiness:
        return self._planes[loop].prepare(version, endpoint)

    def set_route(self, route: Route) -> None:
        """Raises NotReady for a version that is not loaded."""
        self._planes[route.loop].apply(route)

    @property
    def url(self) -> str:
        return self._listener.url

    def start(self) -> None:
        """Returns when requests are answered. Raises TidemillError where the address is taken."""
        from .app import create_app

        self._app = create_app(self._planes, self.metrics, self._not_ready)
        self._listener.start(LocalOnly(self._app) if self._local_only else self._app)

    def unready(self) -> None:
        """Still answers, but says that it is about to end, and asks clients to take their next connection elsewhere."""
        self._draining = True
        if self._app is not None:
            self._app.draining = True

    def stop(self, seconds: float = 10.0) -> None:
        """Answers what it was asked, scores what it owes, and ends. Idempotent."""
        if self._listener.running:
            self.drain(seconds)
            self._listener.stop(seconds)

    def drain(self, seconds: float = 60.0) -> bool:
        """Waits until everything mirrored so far is scored and logged; False where that took longer."""
        waiting = self._listener.run(self._drained)
        if waiting is None:
            return True
        try:
            waiting.result(seconds)
        except TimeoutError:
            waiting.cancel()
            return False
        return True

    def _not_ready(self) -> list[str] | None:
        return None if self._draining else self.waiting()

    def _unrouted(self) -> list[str]:
        return [name for name, plane in self._planes.items() if plane.live is None]

    async def _drained(self) -> None:
        for plane in list(self._planes.values()):
            await plane.mirror.drained()
