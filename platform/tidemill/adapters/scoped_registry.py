"""The registry of one namespace's loops within an MLflow server that many namespaces share."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.loop.model import ModelVersion
from tidemill.loop.ports import Registry


class ScopedRegistry:
    """A Registry that knows loop NAME as <prefix>NAME."""

    def __init__(self, registry: Registry, prefix: str) -> None:
        self._registry, self._prefix = registry, prefix

    def register(self, name: str, artifact_uri: str, digest: str, turn: str, tags: Mapping[str, str]) -> ModelVersion:
        return self._registry.register(self._prefix + name, artifact_uri, digest, turn, tags)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._registry.versions(self._prefix + name)

    def get(self, name: str, version: str) -> ModelVersion:
        return self._registry.get(self._prefix + name, version)

    def aliases(self, name: str) -> dict[str, str]:
        return self._registry.aliases(self._prefix + name)

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        self._registry.set_alias(self._prefix + name, alias, version)
