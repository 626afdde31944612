"""A gateway of a cluster: it serves the loops that the cluster has routes for, as they come, change and go.

A route replaces the live one when every version that is new in it has said what it is. One that stays incomplete does
so after PATIENCE, as far as it stands: a rollback must not wait for a fallback that is away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import ValidationError

from tidemill.adapters.remote_outcomes import RemoteOutcomes
from tidemill.adapters.route_document import RouteDocument, loads, named, standing
from tidemill.loop.errors import TidemillError
from tidemill.loop.model import Readiness, Route
from tidemill.loop.ports import PredictionLog
from tidemill.spec.model_loop import ModelLoop

from .plane import Plane
from .server import Gateway

PATIENCE = 30.0  # seconds
_SHORTEST, _LONGEST = 0.3, 5.0
_AT_ONCE = 8  # loops whose model servers are asked at the same time

_log = logging.getLogger(__name__)

Key = tuple[str, str]  # namespace, loop


@dataclass
class _Wanted:
    text: str | None
    since: float
    due: float
    delay: float = _SHORTEST


class ClusterFollower:
    """`changed` may be called from any thread; `step` does what is due, in the caller's."""

    def __init__(
        self,
        gateway: Gateway,
        namespace: str,
        stores: Callable[[str, str], tuple[PredictionLog, RemoteOutcomes | None]],
        unlisted: Callable[[], list[str]] = list,
        down: Callable[[], list[str]] = list,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway, self._namespace, self._stores, self._now = gateway, namespace, stores, now
        self._unlisted, self._down = unlisted, down
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._wanted: dict[Key, _Wanted] = {}
        self._planes: dict[Key, Plane] = {}
        self._began = now()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="adopt")
        gateway.waiting = self.waiting

    def changed(self, key: Key, text: str | None) -> None:
        with self._lock:
            now = self._now()
            self._wanted[key] = _Wanted(text, now, now)
        self._wake.set()

    def follow(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.wait(_SHORTEST if self._wanted else _LONGEST)
            self._wake.clear()
            self.step()

    def step(self) -> list[Key]:
        """Tries what is due; returns the loops that are now where the cluster wants them."""
        with self._lock:
            due = [(key, wanted) for key, wanted in self._wanted.items() if wanted.due <= self._now()]
        done = list(self._pool.map(lambda item: self._try(*item), due))
        return [key for (key, _), yes in zip(due, done, strict=True) if yes]

    def waiting(self) -> list[str]:
        """What the gateway should not be ready without. For PATIENCE only: one loop whose models are away must not
        keep the others from being served. Where no route could be learnt at all it waits on; with those of an earlier
        life it does not wait for an API server that is away."""
        unlisted = self._unlisted()
        if unlisted and not self._planes:
            return [f"the routes of {scope}" for scope in unlisted]
        if self._now() - self._began > PATIENCE:
            return []
        with self._lock:
            wanted = [self._model(key) for key, item in self._wanted.items() if item.text is not None]
        return sorted({*wanted, *(f"the routes of {scope}" for scope in set(unlisted) - set(self._down()))})

    def pending(self) -> int:
        """Loops that are not where the cluster wants them."""
        return len(self._wanted)

    def _try(self, key: Key, wanted: _Wanted) -> bool:
        try:
            done = self._drop(key) if wanted.text is None else self._adopt(key, wanted)
        except TidemillError as error:
            _log.error("the route of %s/%s is not followed: %s", *key, error)
            done = True  # it will not get better by itself: another document must come
        except Exception:
            _log.exception("the route of %s/%s is not followed", *key)
            done = False
        with self._lock:
            if self._wanted.get(key) is wanted:
                if done:
                    del self._wanted[key]
                else:
                    wanted.due = self._now() + wanted.delay
                    wanted.delay = min(2 * wanted.delay, _LONGEST)
        return done

    def _drop(self, key: Key) -> bool:
        if self._planes.pop(key, None) is not None:
            self._gateway.remove(self._model(key))
            _log.warning("%s/%s has no route any more and is not served", *key)
        return True

    def _adopt(self, key: Key, wanted: _Wanted) -> bool:
        document = loads(wanted.text or "", f"ConfigMap tidemill-route-{key[1]} in namespace {key[0]}")
        plane = self._plane(key, document)
        route = document.route
        if route is None:
            return True
        states = {v: plane.prepare(document.versions[v], document.endpoints.get(v)) for v in named(route)}
        ready = {version for version, state in states.items() if state.ready}
        complete = len(ready) == len(states)
        late = self._now() - wanted.since > PATIENCE
        if not complete and (plane.live is None or late):
            self._serve_what_stands(key, plane, document, states)
        if complete:
            plane.apply(route)
            _log.info("%s serves %s", plane.name, ", ".join(f"{arm.version} ({arm.role})" for arm in route.arms))
        return complete

    def _serve_what_stands(
        self, key: Key, plane: Plane, document: RouteDocument, states: Mapping[str, Readiness]
    ) -> None:
        assert document.route is not None
        what = standing(document.route, {version for version, state in states.items() if state.ready})
        if what is None or (plane.live is not None and not _worth_it(plane.live.route, what, document.route)):
            return
        plane.apply(what)
        away = "; ".join(state.message for state in states.values() if not state.ready)
        _log.warning("%s/%s is served without the versions that cannot answer: %s", *key, away)

    def _plane(self, key: Key, document: RouteDocument) -> Plane:
        try:
            loop = ModelLoop.model_validate(document.loop)
        except ValidationError as error:
            raise TidemillError(
                f"this gateway does not understand {error.error_count()} fields of its ModelLoop, the first is "
                f"{error.errors()[0]['loc']}. Run the gateway and the control plane in the same release."
            ) from error
        plane = self._planes.get(key)
        if plane is None:
            log, outcomes = self._stores(*key)
            plane = self._planes[key] = self._gateway.add(loop, log, outcomes, self._model(key))
        else:
            plane.follow(loop)
        return plane

    def _model(self, key: Key) -> str:
        return key[1] if key[0] == self._namespace else f"{key[0]}.{key[1]}"


def _worth_it(live: Route, what: Route, wanted: Route) -> bool:
    """Whether what stands of the wanted route should replace what is live: not without the wanted champion."""
    return what != live and what.arms[0].version == wanted.arms[0].version
