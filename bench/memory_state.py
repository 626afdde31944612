"""The state store in memory: for simulations, which live through a year in a minute and keep nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tidemill.loop.errors import LeaseHeld
from tidemill.loop.ports import Entry, Write


class MemoryState:
    """One process, one thread. Documents are kept as JSON, so that nobody changes one by holding it."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], dict[str, str]] = {}
        self._ledger: dict[str, dict[str, dict[str, Any]]] = {}
        self._held: set[str] = set()

    def put_once(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> bool:
        documents = self._documents.setdefault((loop, kind), {})
        if id in documents:
            return False
        documents[id] = json.dumps(document)
        return True

    def put(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> None:
        self._documents.setdefault((loop, kind), {})[id] = json.dumps(document)

    def get(self, loop: str, kind: str, id: str) -> dict[str, Any] | None:
        stored = self._documents.get((loop, kind), {}).get(id)
        found: dict[str, Any] | None = None if stored is None else json.loads(stored)
        return found

    def documents(self, loop: str, kind: str) -> list[dict[str, Any]]:
        return [json.loads(document) for document in self._documents.get((loop, kind), {}).values()]

    def transact(self, loop: str, writes: Sequence[Write], ledger: Sequence[Entry] = ()) -> None:
        lines = [(entry, json.loads(json.dumps(dict(entry.document)))) for entry in ledger]
        for write in writes:
            self.put(loop, write.kind, write.id, write.document)
        for entry, document in lines:
            line = {"id": entry.id, "at": entry.at.isoformat(), "event": entry.event, **document}
            self._ledger.setdefault(loop, {}).setdefault(entry.id, line)

    def ledger(self, loop: str) -> list[dict[str, Any]]:
        return list(self._ledger.get(loop, {}).values())

    def lease(self, loop: str) -> AbstractContextManager[None]:
        return self._lease(loop)

    @contextmanager
    def _lease(self, loop: str) -> Iterator[None]:
        if loop in self._held:
            raise LeaseHeld(f"Loop {loop} is held by this process already.")
        self._held.add(loop)
        try:
            yield
        finally:
            self._held.discard(loop)
