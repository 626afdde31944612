"""Documents by their type, out of the state store and into it."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, TypeVar, cast

from tidemill.loop.ports import State, Write

from .base import Document

Kind = TypeVar("Kind", bound=Document)


def read_one(state: State, loop: str, type: type[Kind], id: str, of: str = "") -> Kind | None:
    """`of` as of `read_all`. Raises NewerDocument."""
    stored = state.get(loop, kind_of(type, of), id)
    return None if stored is None else type.read(stored)


def read_all(state: State, loop: str, type: type[Kind], of: str = "") -> list[Kind]:
    """In the order in which they were first put. `of` names what they belong to, where each such thing has documents of
    its own: the corrections of a version, the blocks of a rollout. Raises NewerDocument."""
    return [type.read(stored) for stored in state.documents(loop, kind_of(type, of))]


def read_where(state: State, loop: str, type: type[Kind], **having: str) -> list[Kind]:
    """Those whose stored form has these values: the others are not validated, which matters where a year of documents
    is read in each tick for the sake of a few. Raises NewerDocument for those."""
    stored = state.documents(loop, type.kind)
    return [type.read(each) for each in stored if all(each.get(key) == value for key, value in having.items())]


class Reader:
    """Reads the documents of one loop again and again: what is stored as it was is not validated anew, which takes
    several times as long as to compare it. Remembers until it is told to forget."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[dict[str, Any], Document]]] = {}

    def all(self, state: State, loop: str, type: type[Kind], of: str = "") -> list[Kind]:
        """As `read_all`."""
        kind = kind_of(type, of)
        known, stored = self._known.get(kind, []), state.documents(loop, kind)
        # The order is that of the first puts: a document keeps its place in it.
        read = [
            (document, before[1] if before is not None and before[0] == document else type.read(document))
            for document, before in zip_longest(stored, known[: len(stored)])
        ]
        self._known[kind] = read
        return [cast(Kind, document) for _, document in read]

    def forget(self) -> None:
        self._known.clear()


def to_write(document: Document, id: str, of: str = "") -> Write:
    return Write(kind_of(type(document), of), id, document.stored())


def kind_of(type: type[Document], of: str = "") -> str:
    """The kind under which documents are stored."""
    return f"{type.kind}/{of}" if of else type.kind
