"""A data plane that stands alone: it serves what the route files say, and says what it has loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from tidemill.adapters.embedded_serving import EmbeddedServing
from tidemill.adapters.route_document import RouteDocument
from tidemill.adapters.route_file import RouteFile
from tidemill.loop.errors import TidemillError

from .server import Gateway

POLL_SECONDS = 0.2

_log = logging.getLogger(__name__)


class Follower:
    """`routes`: the route file of each loop that the gateway serves."""

    def __init__(self, gateway: Gateway, routes: Mapping[str, RouteFile]) -> None:
        self._routes = dict(routes)
        self._serving = {name: EmbeddedServing(name, file, gateway.loader(name)) for name, file in self._routes.items()}
        self._seen: dict[str, RouteDocument] = {}

    def poll(self) -> list[str]:
        """Brings the gateway to where the files are; returns the loops that changed. A file that cannot be read leaves
        its loop as it was."""
        return [name for name in self._routes if self._follow(name)]

    def follow(self, stop: threading.Event) -> None:
        while not stop.wait(POLL_SECONDS):
            self.poll()

    def close(self) -> None:
        """What this process has loaded is of no more use to anybody."""
        for name, file in self._routes.items():
            file.forget_reports(name)

    def _follow(self, name: str) -> bool:
        file = self._routes[name]
        try:
            stored = file.read(name)
            if stored is self._seen.get(name) or stored == RouteDocument():
                return False
            states = self._serving[name].restore()
            file.report(name, {version: (stored.versions[version].digest, state) for version, state in states.items()})
        except TidemillError as error:
            _log.error("the route of %s is not followed: %s", name, error)
            return False
        self._seen[name] = stored
        for version, state in states.items():
            if not state.ready:
                _log.error("version %s of %s is not served: %s", version, name, state.message)
        return True
