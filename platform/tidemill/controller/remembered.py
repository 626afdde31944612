"""A registry whose answers stand for some minutes: a thousand loops that rest need not ask MLflow each minute what it
said a minute ago.

A version does not change once it is registered; a deleted one is found out, and an alias that somebody moved is put
back, that much later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tidemill.loop.model import ModelVersion
from tidemill.loop.ports import Registry

SECONDS = 300.0


class RememberedRegistry:
    """For one loop at a time, as ticks are. What was not found is asked for again."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry, self._clock = registry, clock
        self._versions: dict[tuple[str, str], tuple[float, ModelVersion]] = {}
        self._aliases: dict[str, tuple[float, dict[str, str]]] = {}

    def register(self, name: str, artifact_uri: str, digest: str, turn: str, tags: Mapping[str, str]) -> ModelVersion:
        return self._registry.register(name, artifact_uri, digest, turn, tags)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._registry.versions(name)

    def get(self, name: str, version: str) -> ModelVersion:
        at, known = self._versions.get((name, version), (float("-inf"), None))
        if known is None or self._clock() - at >= SECONDS:
            known = self._registry.get(name, version)
            self._versions[name, version] = (self._clock(), known)
        return known

    def aliases(self, name: str) -> dict[str, str]:
        at, known = self._aliases.get(name, (float("-inf"), {}))
        if self._clock() - at >= SECONDS:
            known = self._registry.aliases(name)
            self._aliases[name] = (self._clock(), known)
        return dict(known)

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        self._aliases.pop(name, None)
        self._registry.set_alias(name, alias, version)
