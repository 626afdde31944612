"""The Serving port over Tidemill's own data plane.

In one process with it (`run`, `replay`), a Loader loads versions and takes routes at once. Where the data plane is a
process of its own (`serve`), it follows the route file, and answers in the ready-file.
"""

from __future__ import annotations

from typing import Protocol

from tidemill.adapters.route_document import named, standing
from tidemill.adapters.route_file import RouteFile
from tidemill.loop.errors import NotReady
from tidemill.loop.model import ModelVersion, Readiness, Route


class Loader(Protocol):
    """The data plane of this process, for one loop."""

    def prepare(self, version: ModelVersion) -> Readiness:
        """Loads the version, or says why not; cheap where it is loaded and its files are unchanged."""

    def apply(self, route: Route) -> None:
        """From the next request on. Raises NotReady for a version that is not loaded."""


class EmbeddedServing:
    """`loop` is the name of the one loop that is served; `loader` is None where another process serves it."""

    def __init__(self, loop: str, routes: RouteFile, loader: Loader | None) -> None:
        self._loop, self._routes, self._loader = loop, routes, loader
        self._applied: Route | None = None

    def prepare(self, version: ModelVersion) -> Readiness:
        self._routes.add(self._loop, version)
        if self._loader is not None:
            return self._loader.prepare(version)
        waiting = Readiness(
            False,
            f"No data plane has loaded version {version.version} of {self._loop} yet. Is `tidemill serve` running?",
        )
        return self._routes.reported(self._loop, version) or waiting

    def set_route(self, route: Route) -> None:
        stored = self._routes.read(self._loop).versions
        for name in named(route):
            if name not in stored:
                raise NotReady(
                    f"Version {name} of {self._loop} is in a route but was never prepared. Prepare it first."
                )
            readiness = self.prepare(stored[name])
            if not readiness.ready:
                raise NotReady(f"Version {name} of {self._loop} cannot take traffic: {readiness.message}")
        # On disk first: a data plane that is killed here serves the new route when it is started again.
        self._routes.set(route)
        self._apply(route)

    def route(self, loop: str) -> Route | None:
        """The route that is live. After a restart that is none until `restore` or `set_route`."""
        if loop != self._loop:
            return None
        return self._routes.read(loop).route if self._loader is None else self._applied

    def restore(self) -> dict[str, Readiness]:
        """Serves the stored route again, as far as its versions can still be loaded: a challenger that cannot be
        loaded loses its traffic to the champion, a champion hands over to the first fallback that stands. Returns the
        readiness of every stored version."""
        assert self._loader is not None, "restore is for the process that serves"
        stored = self._routes.read(self._loop)
        ready = {name: self._loader.prepare(version) for name, version in stored.versions.items()}
        route = (
            None if stored.route is None else standing(stored.route, {n for n, state in ready.items() if state.ready})
        )
        if route is not None:
            self._apply(route)
        return ready

    def _apply(self, route: Route) -> None:
        if self._loader is not None:
            self._loader.apply(route)
            self._applied = route
