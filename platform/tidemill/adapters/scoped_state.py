"""The state of one namespace's loops within a store that many namespaces share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tidemill.loop.ports import Entry, State, Write


class ScopedState:
    """A State that keeps loop NAME under the key <namespace>/NAME. Neither can hold a slash, so no two collide."""

    def __init__(self, state: State, namespace: str) -> None:
        self._state, self._namespace = state, namespace

    def key(self, loop: str) -> str:
        return f"{self._namespace}/{loop}"

    def lease(self, loop: str) -> AbstractContextManager[None]:
        return self._state.lease(self.key(loop))

    def put_once(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> bool:
        return self._state.put_once(self.key(loop), kind, id, document)

    def put(self, loop: str, kind: str, id: str, document: Mapping[str, Any]) -> None:
        self._state.put(self.key(loop), kind, id, document)

    def get(self, loop: str, kind: str, id: str) -> dict[str, Any] | None:
        return self._state.get(self.key(loop), kind, id)

    def documents(self, loop: str, kind: str) -> list[dict[str, Any]]:
        return self._state.documents(self.key(loop), kind)

    def transact(self, loop: str, writes: Sequence[Write], ledger: Sequence[Entry] = ()) -> None:
        self._state.transact(self.key(loop), writes, ledger)

    def ledger(self, loop: str) -> list[dict[str, Any]]:
        return self._state.ledger(self.key(loop))
