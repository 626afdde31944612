"""What need not be asked again and again: what MLflow said some minutes ago, and what a delivered file's content is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping

from tidemill.loop.ids import digest_of
from tidemill.loop.model import ModelVersion
from tidemill.loop.ports import Registry, State

SECONDS = 300.0


class RememberedRegistry:
    """A registry whose answers stand for some minutes: a thousand loops that rest need not ask MLflow each minute what
    it said a minute ago. A version does not change once it is registered; a deleted one is found out, and an alias that
    somebody moved is put back, that much later.

    For one loop at a time, as ticks are. What was not found is asked for again."""

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


class RememberedContent(MutableMapping[str, tuple[str, str]]):
    """(stamp, digest) of each of a loop's files, by URI, in the state store: else whoever comes after this process
    reads a year of data once more, only to see that it is the same. Nothing is ever forgotten."""

    def __init__(self, state: State, loop: str) -> None:
        self._state, self._loop = state, loop
        self._read: dict[str, tuple[str, str]] | None = None

    @property
    def _known(self) -> dict[str, tuple[str, str]]:
        if self._read is None:
            found = self._state.documents(self._loop, "content")
            self._read = {document["uri"]: (document["stamp"], document["digest"]) for document in found}
        return self._read

    def __getitem__(self, uri: str) -> tuple[str, str]:
        return self._known[uri]

    def __setitem__(self, uri: str, content: tuple[str, str]) -> None:
        stamp, digest = content
        document = {"uri": uri, "stamp": stamp, "digest": digest}
        self._state.put(self._loop, "content", digest_of(uri), document)
        self._known[uri] = content

    def __delitem__(self, uri: str) -> None:
        raise TypeError("what is remembered of content is only ever replaced")

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
