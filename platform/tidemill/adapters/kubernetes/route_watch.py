"""Routes as the cluster has them: a ConfigMap a loop, listed and watched, with a copy of each on disk.

The copies let a gateway that is restarted while the API server is away serve what it served before.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tidemill.adapters.kubernetes.api import Gone, KubernetesApi, Object
from tidemill.adapters.route_file import replace_file
from tidemill.loop.errors import TemporaryError, TidemillError

SELECTOR = "tidemill.dev/part=route"
PREFIX = "tidemill-route-"
DATA_KEY = "route.json"

_SHORTEST, _LONGEST = 0.2, 10.0  # seconds between attempts
_log = logging.getLogger(__name__)

Key = tuple[str, str]  # namespace, loop
Changed = Callable[[Key, str | None], None]


class RouteWatch:
    """`namespaces` None: all of them. `changed` is told of each document that is new or another one (its text) or is no
    more (None), from threads of the watch."""

    def __init__(
        self, api: KubernetesApi, namespaces: Sequence[str] | None, cache: Path, changed: Changed, stop: threading.Event
    ) -> None:
        self._api, self._cache, self._changed, self._stop = api, cache, changed, stop
        self._scopes: list[str | None] = [None] if namespaces is None else list(dict.fromkeys(namespaces))
        self._known: dict[Key, str] = {}
        self._unlisted = {_scope_name(scope) for scope in self._scopes}
        self._down: set[str] = set()

    @property
    def unlisted(self) -> list[str]:
        """Where the present routes are not known yet."""
        return sorted(self._unlisted)

    @property
    def down(self) -> list[str]:
        """Where nothing is heard from the API server at present."""
        return sorted(self._down)

    def start(self) -> None:
        """Tells of what is on disk at once, of what the cluster says later."""
        for path in sorted(self._cache.glob("*/*.json")):
            namespace = path.parent.name
            if self._scopes == [None] or namespace in self._scopes:
                self._set((namespace, path.stem), path.read_text(), store=False)
        for scope in self._scopes:
            threading.Thread(target=self._follow, args=(scope,), name="routes", daemon=True).start()

    def _follow(self, scope: str | None) -> None:
        """Until `stop`: what breaks is begun again where it broke, or from a new list."""
        name, since, delay = _scope_name(scope), None, _SHORTEST
        while not self._stop.is_set():
            try:
                if since is None:
                    since = self._list(scope)
                    self._heard(name)
                for kind, document in self._api.watch("v1", "ConfigMap", scope, SELECTOR, since):
                    since = document["metadata"]["resourceVersion"]
                    self._take(kind, document)
                    self._heard(name)
                    delay = _SHORTEST
                self._stop.wait(_SHORTEST)
                continue
            except Gone:
                since = None
            except TidemillError as error:
                if name not in self._down:
                    _log.error("routes of %s are not followed, the last ones are served on: %s", name, error)
                self._down.add(name)
                if not isinstance(error, TemporaryError):
                    since = None
            except Exception:  # whatever it is, it must not end the following
                _log.exception("following the routes of %s failed", name)
                since = None
            self._stop.wait(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, _LONGEST)

    def _heard(self, name: str) -> None:
        self._unlisted.discard(name)
        if name in self._down:
            self._down.discard(name)
            _log.warning("routes of %s are followed again", name)

    def _list(self, scope: str | None) -> str:
        answer = self._api.list("v1", "ConfigMap", scope, SELECTOR)
        present = {}
        for item in answer["items"]:
            if (key := _key(item)) is not None:
                present[key] = item
        for key in [key for key in self._known if scope in (None, key[0]) and key not in present]:
            self._drop(key)
        for key, item in present.items():
            self._set(key, _text(item))
        return str(answer["metadata"]["resourceVersion"])

    def _take(self, kind: str, document: Object) -> None:
        key = _key(document) if kind in ("ADDED", "MODIFIED", "DELETED") else None
        if key is None:
            return
        if kind == "DELETED":
            self._drop(key)
        else:
            self._set(key, _text(document))

    def _set(self, key: Key, text: str, store: bool = True) -> None:
        if self._known.get(key) == text:
            return
        self._known[key] = text
        if store:
            try:
                replace_file(self._path(key), text)
            except TidemillError as error:
                _log.error("a restarted gateway would not know the route of %s/%s: %s", *key, error)
        self._changed(key, text)

    def _drop(self, key: Key) -> None:
        self._known.pop(key, None)
        self._path(key).unlink(missing_ok=True)
        self._changed(key, None)

    def _path(self, key: Key) -> Path:
        return self._cache / key[0] / f"{key[1]}.json"


def _key(document: Object) -> Key | None:
    metadata = document["metadata"]
    name = metadata["name"]
    return (metadata["namespace"], name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None


def _text(document: Object) -> str:
    return str((document.get("data") or {}).get(DATA_KEY, ""))


def _scope_name(scope: str | None) -> str:
    return "all namespaces" if scope is None else scope
