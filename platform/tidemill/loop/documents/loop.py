"""The loop itself: since when there is one, and the spec that it follows."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import Document, Moment


class LoopDocument(Document):
    """`deleted_at`: a loop that was deleted leaves its history; it begins anew where one of its name is made."""

    kind = "loop"
    id: ClassVar[str] = "self"

    since: Moment
    spec: dict[str, Any]
    digest: str | None = None
    deleted_at: Moment | None = None
