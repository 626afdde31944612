"""A registry in memory, which holds the estimators themselves: for backtests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tidemill.loop.errors import VersionUnknown
from tidemill.loop.model import ModelVersion


class MemoryRegistry:
    def __init__(self) -> None:
        self._versions: dict[str, list[ModelVersion]] = {}
        self._aliases: dict[str, dict[str, str]] = {}
        self._models: dict[str, Any] = {}

    def put(self, model: Any) -> str:
        """Keeps an estimator; the URI to register it under."""
        uri = f"memory:{len(self._models) + 1}"
        self._models[uri] = model
        return uri

    def load(self, version: ModelVersion) -> Any:
        return self._models[version.uri]

    def replace(self, version: ModelVersion, model: Any) -> None:
        self._models[version.uri] = model

    def register(self, name: str, artifact_uri: str, digest: str, turn: str, tags: Mapping[str, str]) -> ModelVersion:
        versions = self._versions.setdefault(name, [])
        role = tags.get("tidemill.role", "model")
        for known in versions:
            if known.turn == turn and known.tags.get("tidemill.role", "model") == role:
                return known
        version = ModelVersion(str(len(versions) + 1), artifact_uri, digest, turn, "", dict(tags))
        versions.append(version)
        return version

    def versions(self, name: str) -> list[ModelVersion]:
        return list(self._versions.get(name, []))

    def get(self, name: str, version: str) -> ModelVersion:
        for known in self._versions.get(name, []):
            if known.version == version:
                return replace(known)
        raise VersionUnknown(f"Model {name} has no version {version}; it has {len(self._versions.get(name, []))}.")

    def aliases(self, name: str) -> dict[str, str]:
        return dict(self._aliases.get(name, {}))

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        aliases = self._aliases.setdefault(name, {})
        if version is None:
            aliases.pop(alias, None)
        else:
            aliases[alias] = self.get(name, version).version
